import { type ChildProcess, spawn } from "node:child_process";
import { formatDuration } from "../../../core/units.ts";

/** The guard's own priority for the OOM killer is not the command's. */
const RUN = `echo 0 2>/dev/null >/proc/self/oom_score_adj; exec sh -c "$0"`;
/** Of what a command says, the end is kept for the record. */
const KEPT_CHARACTERS = 300;
/** After its end, what it said last is waited for so long. */
const LAST_WORDS_MS = 200;

export interface CommandOptions {
  readonly command: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly deadlineMs: number;
  /** Where its stdout goes; null: nowhere. */
  readonly stdout: number | null;
  readonly signal: AbortSignal;
}

/** How a command ended. */
export interface CommandEnd {
  /** It exited by itself, with 0. */
  readonly ok: boolean;
  /** For the record: `exit 1: what it said last`. */
  readonly text: string;
}

/**
 * Runs a shell's command line in a process group of its own; at the deadline, or when it is called off, the whole group is
 * killed. Never rejects.
 */
export function runCommand(options: CommandOptions): Promise<CommandEnd> {
  const { command, variables, deadlineMs, stdout, signal } = options;
  return new Promise((resolve) => {
    if (signal.aborted) return resolve({ ok: false, text: `not begun: ${reasonOf(signal)}` });
    const child = spawn("/bin/sh", ["-c", RUN, command], {
      detached: true,
      stdio: ["ignore", stdout ?? "ignore", "pipe"],
      env: { ...process.env, ...variables },
    });
    let said = "";
    let why: string | null = null;
    const killed = (reason: string): void => {
      why ??= reason;
      killGroup(child);
    };
    const timer = setTimeout(
      () => killed(`did not end within ${formatDuration(deadlineMs)}, killed`),
      deadlineMs,
    );
    const aborted = (): void => killed(`killed: ${reasonOf(signal)}`);
    signal.addEventListener("abort", aborted, { once: true });
    const { stderr } = child;
    if (stderr === null) throw new Error("stderr is a pipe");
    stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-KEPT_CHARACTERS)));
    const finish = (end: CommandEnd): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", aborted);
      stderr.destroy();
      resolve(end);
    };
    child.once("error", (error) => finish({ ok: false, text: `could not be started: ${error.message}` }));
    const ended = (code: number | null, by: NodeJS.Signals | null): void =>
      finish({
        ok: code === 0 && why === null,
        text: `${why ?? `exit ${code ?? by}`}${saidText(said, code)}`,
      });
    child.once("close", ended);
    // Whoever it left behind may hold its stderr for ever.
    child.once("exit", (code, by) => setTimeout(() => ended(code, by), LAST_WORDS_MS));
  });
}

function saidText(said: string, code: number | null): string {
  const text = said.trim().replaceAll(/\s+/g, " ");
  return text === "" || code === 0 ? "" : `: ${text}`;
}

function reasonOf(signal: AbortSignal): string {
  return String(signal.reason);
}

function killGroup(child: ChildProcess): void {
  // As long as its end has not been taken note of, its number is nobody else's.
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It went by itself.
  }
}
