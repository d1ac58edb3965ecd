import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import type { TestContext } from "vitest";
import { findMemoryHierarchy, type MemoryHierarchy } from "../../src/workers/common/cgroup-path.ts";

let count = 0;

/** Empty memory cgroups in one of a test's own, as deep as it likes; all removed after the test. */
export class CgroupNest {
  readonly hierarchy: MemoryHierarchy;
  /** Path of the outermost, below the hierarchy's root. */
  readonly path: string;

  constructor(context: TestContext) {
    const hierarchy = findMemoryHierarchy("/sys/fs/cgroup");
    if (hierarchy === null) throw new Error("the test should have skipped: there is no memory controller");
    this.hierarchy = hierarchy;
    this.path = `/plimsoll-nest-${process.pid}-${++count}`;
    this.make("");
    context.onTestFinished(() => this.#removeAll(this.directory("")));
  }

  /** @param below such as `/a/b`; empty: the outermost */
  directory(below: string): string {
    return path.join(this.hierarchy.root, this.path, below);
  }

  /** Makes a cgroup in one that is there. */
  make(below: string): void {
    const directory = this.directory(below);
    // cgroup v2: only then do those in it have memory files.
    if (this.hierarchy.version === 2)
      fs.writeFileSync(path.join(path.dirname(directory), "cgroup.subtree_control"), "+memory");
    fs.mkdirSync(directory);
  }

  remove(below: string): void {
    fs.rmdirSync(this.directory(below));
  }

  rename(from: string, to: string): void {
    fs.renameSync(this.directory(from), this.directory(to));
  }

  inode(below: string): number {
    return fs.statSync(this.directory(below)).ino;
  }

  read(below: string, file: string): string {
    return fs.readFileSync(path.join(this.directory(below), file), "utf8").trim();
  }

  write(below: string, file: string, text: string): void {
    fs.writeFileSync(path.join(this.directory(below), file), text);
  }

  /** Leaves file cache of a few MiB in it, of a file that `scratch` names. */
  charge(below: string, scratch: string, mib: number): void {
    const script = 'echo $$ > "$0/cgroup.procs" && head -c "$2" /dev/zero > "$1"';
    execFileSync("/bin/sh", ["-c", script, this.directory(below), scratch, String(mib * 1024 * 1024)]);
  }

  #removeAll(directory: string): void {
    let entries: fs.Dirent[];
    try {
      entries = fs.readdirSync(directory, { withFileTypes: true });
    } catch {
      return;
    }
    for (const entry of entries) {
      if (entry.isDirectory()) this.#removeAll(path.join(directory, entry.name));
    }
    fs.rmdirSync(directory);
  }
}
