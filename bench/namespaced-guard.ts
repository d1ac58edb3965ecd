import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { projectRoot } from "../test/programs/build.ts";

const BIN = path.join(projectRoot, "dist/src/main/cli/bin.js");
const START_LIMIT_MS = 20_000;
const US_PER_TICK = 10_000;

/** The guard inside a network namespace, which guards nothing but its interfaces. */
export class NamespacedGuard {
  readonly #child: ChildProcess;
  #stderr = "";

  private constructor(namespace: string, home: string, net: string) {
    const policy = path.join(home, "policy.toml");
    const off = ["memory", "cpu", "disk", "io", "vm"].map((name) => `[${name}]\nenabled = false\n`).join("");
    const record = `[record]\naudit = "${path.join(home, "audit.jsonl")}"\nkmsg = false\n`;
    fs.writeFileSync(policy, `${off}[net]\nenabled = true\n${net}\n${record}`, {
      mode: 0o600,
    });
    const command = [
      "netns",
      "exec",
      namespace,
      process.execPath,
      BIN,
      "run",
      "--config",
      policy,
      "--scope",
      "host",
    ];
    const env = { ...process.env, PLIMSOLL_RUN_DIR: path.join(home, "run") };
    // ip puts the guard in its own place: its pid is the guard's.
    this.#child = spawn("ip", command, { env, stdio: ["ignore", "ignore", "pipe"] });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
  }

  /** @throws Error with what it said, when it does not guard in time */
  static async start(namespace: string, home: string, net: string): Promise<NamespacedGuard> {
    const guard = new NamespacedGuard(namespace, home, net);
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

  /** What all its threads have worked: utime and stime of /proc/PID/stat, in ticks of 10 ms. */
  cpuUs(): number {
    const stat = fs.readFileSync(`/proc/${this.#child.pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * US_PER_TICK;
  }

  residentKib(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${this.#child.pid}/status`, "utf8"))?.[1]);
  }

  /** Runs a command to its end while it guards. */
  async run([program, ...args]: readonly string[]): Promise<void> {
    await once(spawn(program as string, args, { stdio: "ignore" }), "exit");
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await gone;
  }
}
