import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { MemoryHierarchy } from "../src/workers/common/cgroup-path.ts";

/** So many of the cgroups have file cache of their own, so that sums over them say something. */
const CHARGED = 10;

/** Why no cgroups can be made; null: they can. */
export function whyNoHerd({ root }: MemoryHierarchy): string | null {
  try {
    fs.accessSync(root, fs.constants.W_OK);
    return null;
  } catch (error) {
    return `cgroups of our own are needed: ${(error as Error).message}`;
  }
}

/** Many cgroups of our own, in one of our own. */
export class Herd {
  readonly hierarchy: MemoryHierarchy;
  readonly count: number;
  readonly path = `/plimsoll-bench-${process.pid}`;
  readonly directory: string;
  readonly #scratch: string;

  constructor(hierarchy: MemoryHierarchy, count: number) {
    this.hierarchy = hierarchy;
    this.count = count;
    this.directory = path.join(hierarchy.root, this.path);
    this.#scratch = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-bench-"));
    for (const parent of hierarchy.version === 2 ? [hierarchy.root, this.directory] : [this.directory]) {
      fs.mkdirSync(this.directory, { recursive: true });
      if (hierarchy.version === 2) fs.writeFileSync(path.join(parent, "cgroup.subtree_control"), "+memory");
    }
    for (let i = 0; i < count; i++) fs.mkdirSync(this.memberOf(i));
    for (let i = 0; i < CHARGED; i++) this.#charge(i);
  }

  memberOf(i: number): string {
    return path.join(this.directory, `c${i}`);
  }

  #charge(i: number): void {
    const script = 'echo $$ > "$0/cgroup.procs" && head -c "$2" /dev/zero > "$1"';
    const file = path.join(this.#scratch, String(i));
    spawnSync("/bin/sh", ["-c", script, this.memberOf(i), file, String((i + 1) * 100_000)]);
  }

  remove(): void {
    for (let i = 0; i < this.count; i++) fs.rmdirSync(this.memberOf(i));
    fs.rmdirSync(this.directory);
    fs.rmSync(this.#scratch, { recursive: true });
  }
}
