import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { TestContext } from "vitest";
import { Stat } from "../../src/core/parse/process-stat.ts";
import { niceOf } from "../../src/native/priority.ts";
import { readProcessStat } from "../../src/workers/common/target.ts";
import { TestCgroup } from "./cgroup.ts";
import { testDirectory } from "./guard.ts";
import { Program } from "./program.ts";

/** Computes without end; while the file is there, it rests. */
const SPIN = 'while :; do [ ! -e "$0" ] || sleep 0.2; done';

/** Cgroups of one test's own, and spinners in them: only who is in them may be acted on. */
export class CpuScene {
  /** By which the policy knows who may be acted on. */
  readonly memory: TestCgroup;
  /** Whose quota is moved. */
  readonly cpu: TestCgroup;
  readonly #accounts: TestCgroup | null;
  readonly #restFile: string;
  readonly #context: TestContext;

  constructor(context: TestContext) {
    this.#context = context;
    this.memory = TestCgroup.memory(context, null);
    this.cpu = TestCgroup.of(context, "cpu");
    // On a busy host a spinner would else be one of many that all get little.
    this.cpu.write("cpu.shares", "10240");
    this.#accounts = fs.existsSync("/sys/fs/cgroup/cpuacct/cpuacct.usage")
      ? TestCgroup.named(context, "cpuacct", path.basename(this.cpu.directory))
      : null;
    this.#restFile = path.join(testDirectory(context), "rest");
  }

  /** A policy by which only members of the scene may be acted on, at a load that one spinner makes. */
  policy(ladder: string, rest = ""): string {
    return `
[memory]
enabled = false
[disk]
enabled = false
[io]
enabled = false
[net]
enabled = false
[vm]
enabled = false
[victim]
unit = "process"
never = [{ cgroup = "(?!${this.memory.scope}$).*", descendants = false }]
[cpu]
interval = "300ms"
busy = "30%"
window = 4
in_a_row = 2
ladder = ${ladder}
${rest}
`;
  }

  /** A spinner; with a cpu cgroup of its own, or in the root's. */
  async spin(where: "own" | "root" = "own"): Promise<Program> {
    const cgroups = where === "own" ? [this.memory, this.cpu, this.#accounts] : [this.memory];
    return this.run(["/bin/sh", "-c", SPIN, this.#restFile], cgroups);
  }

  /**
   * A load on the host by somebody whom the policy protects: so that the level stands, whatever is done. Nice to all others:
   * on a host that is busy anyway it takes nothing away from them.
   */
  async load(): Promise<void> {
    const spinners = Math.ceil(os.availableParallelism() / 2);
    for (let i = 0; i < spinners; i++)
      await this.run(["nice", "-n", "19", "/bin/sh", "-c", "while :; do :; done"], []);
  }

  /** Any command in some of the scene's cgroups. */
  async run(command: readonly string[], cgroups: readonly (TestCgroup | null)[]): Promise<Program> {
    const enter =
      'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit; shift; done; shift; exec "$@"';
    const directories = cgroups.flatMap((cgroup) => (cgroup === null ? [] : [cgroup.directory]));
    const args = ["/bin/sh", "-c", enter, "enter", ...directories, "--", ...command];
    return Program.start(this.#context, args, { detached: true });
  }

  /** From now on all spinners rest, or compute. */
  rest(rests: boolean): void {
    if (rests) fs.writeFileSync(this.#restFile, "");
    else fs.rmSync(this.#restFile, { force: true });
  }

  get quota(): string {
    return this.cpu.read("cpu.cfs_quota_us");
  }
}

/** The letter of a process's state (proc(5)); empty when it is gone. */
export function stateOf(pid: number): string {
  const code = readProcessStat("/proc", pid)?.[Stat.state];
  return code === undefined ? "" : String.fromCharCode(code);
}

export function niceValueOf(pid: number): number {
  const nice = niceOf(pid);
  if (typeof nice !== "number") throw new Error(`pid ${pid}: ${nice.code}`);
  return nice;
}
