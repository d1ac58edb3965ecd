import fs from "node:fs";
import path from "node:path";
import type { TestContext } from "vitest";
import { type CgroupVersion, findMemoryHierarchy } from "../../src/workers/common/cgroup-path.ts";
import { Program, programFile } from "./program.ts";
import { waitFor } from "./wait.ts";

export const MIB = 1024 * 1024;

const FILES: Readonly<Record<CgroupVersion, { limit: string; usage: string; events: string }>> = {
  1: { limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes", events: "memory.oom_control" },
  2: { limit: "memory.max", usage: "memory.current", events: "memory.events" },
};

let count = 0;

/** A cgroup of one test's own. After the test all in it is killed and it is removed, also when the test failed. */
export class TestCgroup {
  readonly directory: string;
  /** As `--scope` wants it. */
  readonly scope: string;
  readonly version: CgroupVersion;

  private constructor(root: string, name: string, version: CgroupVersion, scope = `/${name}`) {
    this.directory = path.join(root, name);
    this.scope = scope;
    this.version = version;
  }

  /** A memory cgroup; with a limit in MiB unless null. */
  static memory(context: TestContext, limitMiB: number | null): TestCgroup {
    const hierarchy = findMemoryHierarchy("/sys/fs/cgroup");
    if (hierarchy === null) throw new Error("the test should have skipped: there is no memory controller");
    const cgroup = TestCgroup.#make(context, hierarchy.root, hierarchy.version);
    if (limitMiB !== null) cgroup.limit(limitMiB);
    return cgroup;
  }

  /** A memory cgroup within another. */
  static within(context: TestContext, parent: TestCgroup, name: string, limitMiB: number | null): TestCgroup {
    if (parent.version === 2) parent.write("cgroup.subtree_control", "+memory");
    const cgroup = new TestCgroup(parent.directory, name, parent.version, `${parent.scope}/${name}`);
    cgroup.make();
    context.onTestFinished(() => cgroup.remove());
    if (limitMiB !== null) cgroup.limit(limitMiB);
    return cgroup;
  }

  /** A cgroup of the v1 freezer. */
  static freezer(context: TestContext): TestCgroup {
    return TestCgroup.#make(context, "/sys/fs/cgroup/freezer", 1);
  }

  /** A cgroup of any v1 controller that has a hierarchy of its own. */
  static of(context: TestContext, controller: string): TestCgroup {
    return TestCgroup.#make(context, `/sys/fs/cgroup/${controller}`, 1);
  }

  /** The same with a name that another hierarchy has given. */
  static named(context: TestContext, controller: string, name: string): TestCgroup {
    const cgroup = new TestCgroup(`/sys/fs/cgroup/${controller}`, name, 1);
    cgroup.make();
    context.onTestFinished(() => cgroup.remove());
    return cgroup;
  }

  /** A cgroup of the v1 pids controller, with room for so many processes. */
  static pids(context: TestContext, processes: number): TestCgroup {
    const cgroup = TestCgroup.#make(context, "/sys/fs/cgroup/pids", 1);
    cgroup.write("pids.max", String(processes));
    return cgroup;
  }

  /** A cgroup of the hierarchy at `root`. */
  static in(context: TestContext, root: string, version: CgroupVersion): TestCgroup {
    return TestCgroup.#make(context, root, version);
  }

  /** A cgroup within another, whatever its controllers. */
  static below(context: TestContext, parent: TestCgroup, name: string): TestCgroup {
    const cgroup = new TestCgroup(parent.directory, name, parent.version, `${parent.scope}/${name}`);
    cgroup.make();
    context.onTestFinished(() => cgroup.remove());
    return cgroup;
  }

  static #make(context: TestContext, root: string, version: CgroupVersion): TestCgroup {
    const cgroup = new TestCgroup(root, `plimsoll-test-${process.pid}-${++count}`, version);
    cgroup.make();
    context.onTestFinished(() => cgroup.remove());
    return cgroup;
  }

  /** Makes it again after {@link remove}. */
  make(): void {
    fs.mkdirSync(this.directory);
  }

  limit(limitMiB: number): void {
    this.write(FILES[this.version].limit, String(limitMiB * MIB));
  }

  write(file: string, text: string): void {
    fs.writeFileSync(path.join(this.directory, file), text, { flag: "r+" });
  }

  read(file: string): string {
    return fs.readFileSync(path.join(this.directory, file), "utf8").trim();
  }

  get limitBytes(): number {
    return Number(this.read(FILES[this.version].limit));
  }

  get usageBytes(): number {
    return Number(this.read(FILES[this.version].usage));
  }

  /** How often the kernel's OOM killer has ended somebody in here. */
  get oomKills(): number {
    const found = /^oom_kill (\d+)$/m.exec(this.read(FILES[this.version].events));
    if (found === null) throw new Error(`${FILES[this.version].events} has no oom_kill`);
    return Number(found[1]);
  }

  get pids(): number[] {
    return this.read("cgroup.procs").split("\n").filter(Boolean).map(Number);
  }

  /** Starts a program of test/programs in here: what it allocates is charged here from its first page on. */
  async start(context: TestContext, name: string, args: readonly string[] = []): Promise<Program> {
    return this.run(context, [process.execPath, programFile(name), ...args]);
  }

  /** Starts any command in here, in a process group of its own. */
  async run(context: TestContext, command: readonly string[]): Promise<Program> {
    const enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"';
    return Program.start(context, ["/bin/sh", "-c", enter, this.directory, ...command], { detached: true });
  }

  async remove(): Promise<void> {
    if (!fs.existsSync(this.directory)) return;
    await waitFor(`${this.directory} to be empty`, () => {
      if (fs.existsSync(path.join(this.directory, "freezer.state"))) this.write("freezer.state", "THAWED");
      for (const pid of this.pids) killIfThere(pid);
      return this.pids.length === 0;
    });
    await waitFor(`${this.directory} to be removed`, () => {
      try {
        fs.rmdirSync(this.directory);
        return true;
      } catch {
        return false;
      }
    });
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It went by itself.
  }
}
