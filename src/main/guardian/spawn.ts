import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import { GUARDIAN_SCRIPT } from "./script.ts";

/** A shell that has not begun its script by then will not. */
const BEGIN_LIMIT_MS = 5000;

/** What a guardian is about. */
export interface GuardianOptions {
  /** The journal of changed limits, as the rescue thread writes it. */
  readonly journalPath: string;
  /** Where proc(5) is. */
  readonly procRoot: string;
  readonly pageBytes: number;
  /** Where it says that it had to act. Null: only on stderr. */
  readonly kernelLogPath: string | null;
}

/** `once`: what cannot be put back yet is let be; `stay`: waited for. */
export type GuardianMode = "once" | "stay";

/** Starts the guardian of a journal of limits: {@link spawnScript}. */
export function spawnGuardian(
  options: GuardianOptions,
  mode: GuardianMode,
  input: number | null,
  lock: number,
): ChildProcess {
  const { journalPath, procRoot, pageBytes, kernelLogPath } = options;
  const args = [journalPath, procRoot, String(pageBytes), mode, kernelLogPath ?? ""];
  return spawnScript(GUARDIAN_SCRIPT, args, input, lock);
}

/**
 * Starts a guardian's script, in a session of its own: a Ctrl-C on the terminal is for the guard.
 * @param input descriptor whose end it waits for; null: it puts back at once
 * @param lock descriptor of the journal's lock, which it holds as long as it lives
 */
export function spawnScript(
  script: string,
  args: readonly string[],
  input: number | null,
  lock: number,
): ChildProcess {
  return spawn("/bin/sh", ["-c", 'eval "$PLIMSOLL_GUARDIAN"', "plimsoll-guardian", ...args], {
    detached: true,
    stdio: [input ?? "ignore", "pipe", outlivesUs() ? "inherit" : "ignore", lock],
    cwd: "/",
    // LC_ALL: a path is bytes, whatever the locale thinks of them.
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C", PLIMSOLL_GUARDIAN: script },
  });
}

/** Whoever reads the guard's stderr by a pipe or a socket waits for its last holder: that would be the guardian. */
function outlivesUs(): boolean {
  try {
    const facts = fs.fstatSync(2);
    return facts.isFile() || facts.isCharacterDevice();
  } catch {
    return false;
  }
}

/** Waits until a guardian is deaf to signals and listens to its guard. @returns null, or why there is none */
export function untilListening(child: ChildProcess): Promise<string | null> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(`it did not begin within ${BEGIN_LIMIT_MS} ms`), BEGIN_LIMIT_MS);
    const settle = (why: string | null): void => {
      clearTimeout(timer);
      resolve(why);
    };
    child.once("error", (error) => settle(error.message));
    child.once("exit", (code, signal) => settle(`it ended with ${signal ?? `code ${code}`}`));
    child.stdout?.on("error", () => undefined);
    child.stdout?.once("data", () => settle(null));
  });
}
