import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { projectRoot } from "../test/programs/build.ts";
import { GUARD_NODE_FLAGS } from "../src/main/cli/node-flags.ts";

const BIN = path.join(projectRoot, "dist/src/main/cli/bin.js");
const START_LIMIT_MS = 20_000;

/** The guard as it is shipped, with a directory of its own for lock, socket and audit log. */
export class BenchGuard {
  readonly #home: string;
  readonly #child: ChildProcess;
  #stderr = "";

  private constructor(home: string, args: readonly string[], more: string) {
    this.#home = home;
    const policy = path.join(home, "policy.toml");
    fs.writeFileSync(policy, `${more}\n[record]\naudit = "${this.auditPath}"\nkmsg = false\n`, {
      mode: 0o600,
    });
    this.#child = spawn(process.execPath, [...GUARD_NODE_FLAGS, BIN, "run", "--config", policy, ...args], {
      env: this.#environment,
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
  }

  /** Starts it by the built-in policy, and what `more` of one says, and waits until it guards. @throws Error with what it said, when it does not */
  static async start(args: readonly string[], more = ""): Promise<BenchGuard> {
    const guard = new BenchGuard(fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-bench-")), args, more);
    const deadline = performance.now() + START_LIMIT_MS;
    while (!/guarding .* by /.test(guard.#stderr)) {
      if (guard.#child.exitCode !== null || performance.now() > deadline) {
        await guard.stop();
        throw new Error(`expected the guard to start, found: ${guard.#stderr}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return guard;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** How many workers it has. */
  workers(): number {
    const asked = spawnSync(process.execPath, [BIN, "status", "--json"], {
      env: this.#environment,
      encoding: "utf8",
    });
    return (JSON.parse(asked.stdout) as { workers: unknown[] }).workers.length;
  }

  get #environment(): NodeJS.ProcessEnv {
    return { ...process.env, PLIMSOLL_RUN_DIR: path.join(this.#home, "run") };
  }

  /** It says of this cgroup that the kernel would tell it before the limit is met. */
  isWatching(cgroup: string): boolean {
    return this.#stderr.includes(`watching ${cgroup} `);
  }

  get auditPath(): string {
    return path.join(this.#home, "audit.jsonl");
  }

  /** crossingToSignalUs of the first decision that ended somebody; null when there is none within the time. */
  async crossingToSignalUs(limitMs: number): Promise<number | null> {
    const deadline = performance.now() + limitMs;
    for (;;) {
      for (const line of fs.readFileSync(this.auditPath, "utf8").split("\n").slice(0, -1)) {
        const entry = JSON.parse(line) as { event: string; verdict?: string; crossingToSignalUs?: number };
        if (entry.event === "decision" && entry.verdict === "end") return entry.crossingToSignalUs ?? null;
      }
      if (performance.now() > deadline) return null;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Stops it, and removes what it left. */
  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
      this.#child.kill("SIGTERM");
      await gone;
    }
    fs.rmSync(this.#home, { recursive: true, force: true });
  }
}
