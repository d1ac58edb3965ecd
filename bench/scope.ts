import fs from "node:fs";
import path from "node:path";
import { findMemoryHierarchy } from "../src/workers/common/cgroup-path.ts";

/** Why no cgroup of our own can be made here; null when it can. */
export function scopeObstacle(): string | null {
  const hierarchy = findMemoryHierarchy("/sys/fs/cgroup");
  if (hierarchy?.version !== 1)
    return "this bench wants a cgroup v1 memory hierarchy at /sys/fs/cgroup/memory";
  try {
    fs.accessSync(hierarchy.root, fs.constants.W_OK);
    return process.getuid?.() === 0 ? null : "this bench makes a cgroup, which takes root";
  } catch {
    return `${hierarchy.root} cannot be written`;
  }
}

/** A cgroup v1 of the bench's own, with a limit. */
export class BenchScope {
  /** As `--scope` wants it. */
  readonly name: string;
  readonly directory: string;

  /** @throws as fs does */
  constructor(name: string, limitBytes: number, prefix = "plimsoll-bench") {
    this.name = `/${prefix}-${process.pid}-${name}`;
    this.directory = path.join("/sys/fs/cgroup/memory", this.name);
    fs.mkdirSync(this.directory);
    this.#write("memory.limit_in_bytes", String(limitBytes));
  }

  /** How often the kernel's OOM killer ended somebody in here (memory.oom_control). */
  get oomKills(): number {
    return Number(/^oom_kill (\d+)$/m.exec(this.read("memory.oom_control"))?.[1] ?? Number.NaN);
  }

  /** Removes it; a process on its way out may hold it for a moment. */
  async remove(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        return fs.rmdirSync(this.directory);
      } catch (error) {
        if (attempt === 200) throw error;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  read(file: string): string {
    return fs.readFileSync(path.join(this.directory, file), "latin1");
  }

  #write(file: string, text: string): void {
    fs.writeFileSync(path.join(this.directory, file), text, { flag: "r+" });
  }
}
