import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { TestContext } from "vitest";
import { placesFor } from "../../src/main/coordinator/places.ts";
import type { End } from "./program.ts";
import { waitFor, within } from "./wait.ts";
import { GUARD_NODE_FLAGS } from "../../src/main/cli/node-flags.ts";

export const BIN = fileURLToPath(new URL("../../dist/src/main/cli/bin.js", import.meta.url));

/** A line of the audit log. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Line = Record<string, any>;

export interface GuardOptions {
  readonly scope: string;
  /** The policy file but for its [record]; the built-in policy counts where it says nothing. */
  readonly policy?: string;
  /** More keys of [record]. Nothing goes to the kernel log unless it says so. */
  readonly record?: string;
  /** Where the audit log is, when not in the home. */
  readonly auditPath?: string;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Where policy, audit log, lock and socket are; a new directory when not given. */
  readonly home?: string;
  /** The command in front of the guard's own, such as a shell that is to be its parent. */
  readonly under?: readonly string[];
  /** The scope is in the policy file, not on the command line. */
  readonly fileScope?: boolean;
  /** False: do not wait until it guards. */
  readonly wait?: boolean;
}

/** A directory of the test's own, gone after it. */
export function testDirectory(context: TestContext): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-test-"));
  context.onTestFinished(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A guard as users run it: a process of its own, seen by its streams, its socket and its audit log. */
export class GuardProcess {
  readonly home: string;
  readonly auditPath: string;
  readonly policyPath: string;
  readonly ended: Promise<End>;
  end: End | null = null;
  stdout = "";
  stderr = "";
  readonly child: ChildProcess;
  readonly #options: GuardOptions;

  private constructor(context: TestContext, options: GuardOptions) {
    this.#options = options;
    this.home = options.home ?? testDirectory(context);
    this.auditPath = options.auditPath ?? path.join(this.home, "audit.jsonl");
    this.policyPath = path.join(this.home, "policy.toml");
    this.writePolicy(options.policy ?? "");
    const command = [
      ...(options.under ?? []),
      process.execPath,
      // As `npm start`, the installed program and the unit do.
      ...GUARD_NODE_FLAGS,
      BIN,
      "run",
      "--config",
      this.policyPath,
      ...(options.fileScope === true ? [] : ["--scope", options.scope]),
      ...(options.args ?? []),
    ];
    const env = { ...process.env, PLIMSOLL_RUN_DIR: path.join(this.home, "run"), ...options.env };
    this.child = spawn(command[0] as string, command.slice(1), { env, stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.ended = new Promise((resolve) => {
      this.child.once("close", (code, signal) => {
        this.end = { code, signal, atMs: performance.now() };
        resolve(this.end);
      });
    });
  }

  /** Starts one, and waits until it guards. It is killed at the test's end if it still runs then. */
  static async start(context: TestContext, options: GuardOptions): Promise<GuardProcess> {
    const guard = new GuardProcess(context, options);
    context.onTestFinished(async () => {
      if (options.under !== undefined && guard.end === null) signalIfThere(guard.#startedPid, "SIGKILL");
      guard.child.kill("SIGKILL");
      await within("the guard to be gone", guard.ended);
    });
    context.onTestFailed(() => {
      process.stderr.write(`the guard of ${options.scope} said:\n${guard.stderr}`);
    });
    if (options.wait === false) return guard;
    await guard.logged(/guarding .* by /);
    if (options.under !== undefined) await guard.recorded("its start", (line) => line["event"] === "started");
    return guard;
  }

  /** The guard's own pid, also where it was started under another command. */
  get pid(): number {
    const pid = this.#options.under === undefined ? this.child.pid : this.#startedPid;
    if (pid === undefined || pid === null) throw new Error("the guard has not said that it started");
    return pid;
  }

  get #startedPid(): number | null {
    return (
      (this.audit().findLast((line) => line["event"] === "started")?.["pid"] as number | undefined) ?? null
    );
  }

  /** Puts another policy in the file's place; SIGHUP makes the guard read it. */
  writePolicy(policy: string): void {
    const said = this.#options.record ?? "kmsg = false";
    // Some profiles record, where the host's own guard would.
    const dataset = /^dataset\b/m.test(said) ? "" : "dataset = false\n";
    const record = `[record]\naudit = "${this.auditPath}"\n${dataset}${said}\n`;
    fs.writeFileSync(this.policyPath, `${policy}\n${record}`, { mode: 0o644 });
  }

  /** Waits for a line on stderr. */
  async logged(pattern: RegExp, limitMs = 15_000): Promise<void> {
    await waitFor(
      `${pattern} on stderr`,
      () => {
        if (this.end !== null)
          throw new Error(
            `expected ${pattern}, the guard ended with ${JSON.stringify(this.end)}: ${this.stderr}`,
          );
        return pattern.test(this.stderr);
      },
      limitMs,
    ).catch((error: Error) => {
      throw new Error(`${error.message}; stderr is: ${this.stderr}`);
    });
  }

  /** All lines of the audit log that are whole; one that is not JSON throws. */
  audit(): Line[] {
    if (!fs.existsSync(this.auditPath)) return [];
    return parseLines(fs.readFileSync(this.auditPath, "utf8"));
  }

  /** The first line of the audit log that `matches`, as soon as it is there. */
  async recorded(what: string, matches: (line: Line) => boolean, limitMs = 10_000): Promise<Line> {
    return waitFor(`${what} in the audit log`, () => this.audit().find(matches), limitMs).catch(
      (error: Error) => {
        throw new Error(`${error.message}; stderr is: ${this.stderr}`);
      },
    );
  }

  /** The first decision with that outcome. */
  async decision(outcome: string, limitMs = 15_000): Promise<Line> {
    const matches = (line: Line): boolean => line["event"] === "decision" && line["outcome"] === outcome;
    return this.recorded(`a decision with outcome "${outcome}"`, matches, limitMs);
  }

  get socketPath(): string {
    const env = { PLIMSOLL_RUN_DIR: path.join(this.home, "run") };
    return placesFor(this.#options.scope, process.getuid?.() ?? 0, env).socketPath;
  }

  /** Asks it one thing over its socket. */
  async ask(request: Record<string, unknown>): Promise<Line> {
    const socket = net.connect(this.socketPath);
    socket.setEncoding("utf8").write(`${JSON.stringify(request)}\n`);
    let text = "";
    for await (const part of socket) text += part;
    return JSON.parse(text) as Line;
  }

  /** Ends it by a signal. @returns how it ended, and how long that took */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<End & { readonly tookMs: number }> {
    const beganMs = performance.now();
    if (this.#options.under === undefined) this.child.kill(signal);
    else process.kill(this.pid, signal);
    const end = await within(`the guard to end by ${signal}`, this.ended);
    return { ...end, tookMs: end.atMs - beganMs };
  }
}

function signalIfThere(pid: number | null, signal: NodeJS.Signals): void {
  try {
    if (pid !== null) process.kill(pid, signal);
  } catch {
    // It went by itself.
  }
}

/** The whole lines of JSON lines. */
export function parseLines(text: string): Line[] {
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  return whole
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
}
