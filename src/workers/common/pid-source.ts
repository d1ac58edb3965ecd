import fs from "node:fs";
import path from "node:path";
import { NumberedDirectory } from "../../native/directory.ts";

/** Where the processes to walk over are listed. */
export interface PidSource {
  /** Writes the pids into `out`. @returns how many there are, those that did not fit counted too */
  list(out: Int32Array): number;
  close(): void;
}

/** All processes of the host, or of the pid namespace the guard is in. */
export function hostPids(procRoot: string): PidSource {
  return new NumberedDirectory(procRoot);
}

/** The processes of one cgroup and of those below it, from their cgroup.procs. */
export class CgroupPids implements PidSource {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  list(out: Int32Array): number {
    return this.#add(this.#directory, out, 0);
  }

  close(): void {}

  #add(directory: string, out: Int32Array, before: number): number {
    let count = before;
    let children: fs.Dirent[];
    try {
      for (const line of fs.readFileSync(path.join(directory, "cgroup.procs"), "latin1").split("\n")) {
        const pid = Number(line);
        // 0 stands for a process outside of our pid namespace (cgroups(7)): it cannot be named, so not be ended.
        if (!(pid > 0)) continue;
        if (count < out.length) out[count] = pid;
        count++;
      }
      children = fs.readdirSync(directory, { withFileTypes: true });
    } catch {
      return count;
    }
    for (const child of children) {
      if (child.isDirectory()) count = this.#add(path.join(directory, child.name), out, count);
    }
    return count;
  }
}
