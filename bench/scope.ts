import fs from "node:fs";
import path from "node:path";
import { findMemoryHierarchy } from "../src/workers/common/cgroup-path.ts";

/** Why no cgroup v1 of our own can be made here; null when it can. */
export function scopeObstacle(): string | null {
  if (findMemoryHierarchy("/sys/fs/cgroup")?.version === 1) return cgroupObstacle();
  return "this bench wants a cgroup v1 memory hierarchy at /sys/fs/cgroup/memory";
}

/** Why no memory cgroup of our own can be made here, of whichever version; null when it can. */
export function cgroupObstacle(): string | null {
  const hierarchy = findMemoryHierarchy("/sys/fs/cgroup");
  if (hierarchy === null) return "this bench wants a memory hierarchy below /sys/fs/cgroup";
  try {
    fs.accessSync(hierarchy.root, fs.constants.W_OK);
    return process.getuid?.() === 0 ? null : "this bench makes a cgroup, which takes root";
  } catch {
    return `${hierarchy.root} cannot be written`;
  }
}

const FILES = {
  1: { limit: "memory.limit_in_bytes", events: "memory.oom_control" },
  2: { limit: "memory.max", events: "memory.events" },
} as const;

/** A cgroup of the bench's own, with a limit. */
export class BenchScope {
  /** As `--scope` wants it. */
  readonly name: string;
  readonly directory: string;
  readonly #files: (typeof FILES)[1 | 2];

  /** @throws as fs does */
  constructor(name: string, limitBytes: number, prefix = "plimsoll-bench") {
    this.name = `/${prefix}-${process.pid}-${name}`;
    const hierarchy = findMemoryHierarchy("/sys/fs/cgroup");
    if (hierarchy === null) throw new Error("the bench should have said that there is no memory hierarchy");
    this.#files = FILES[hierarchy.version];
    this.directory = path.join(hierarchy.root, this.name);
    fs.mkdirSync(this.directory);
    this.#write(this.#files.limit, String(limitBytes));
  }

  /** How often the kernel's OOM killer ended somebody in here. */
  get oomKills(): number {
    return Number(/^oom_kill (\d+)$/m.exec(this.read(this.#files.events))?.[1] ?? Number.NaN);
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
