import fs from "node:fs";
import path from "node:path";
import type { Culprit } from "../../core/cpu/action.ts";
import { Stat } from "../../core/parse/process-stat.ts";
import { PROCESS_ROWS_PER_SEGMENT } from "../../core/samples.ts";
import { NumberedDirectory } from "../../native/directory.ts";
import { memoryCgroupOf } from "../common/cgroup-of.ts";
import { cgroupAncestry, findMemoryHierarchy, type MemoryHierarchy } from "../common/cgroup-path.ts";
import { CgroupPids } from "../common/pid-source.ts";
import type { HostRoots } from "../common/roots.ts";
import { readProcessStat } from "../common/target.ts";

export interface Member {
  readonly pid: number;
  readonly startTicks: number;
}

/** Who belongs to a group now: it may have grown since it was chosen, and what is new in it belongs to it too. */
export interface Group {
  members(): Member[];
  /** Ends all at once, where the kernel can; false where it cannot. */
  killAtOnce(): boolean;
}

const ZOMBIE = "Z".charCodeAt(0);

/** All processes for which `belongs` holds; asked with the process's stat at hand, parents before children. */
function scan(procRoot: string, belongs: (pid: number, values: Float64Array) => boolean): Member[] {
  const directory = new NumberedDirectory(procRoot);
  const pids = new Int32Array(PROCESS_ROWS_PER_SEGMENT);
  const count = Math.min(directory.list(pids), pids.length);
  directory.close();
  const members: Member[] = [];
  for (let i = 0; i < count; i++) {
    const pid = pids[i] as number;
    const values = readProcessStat(procRoot, pid);
    if (values === null || values[Stat.state] === ZOMBIE || !belongs(pid, values)) continue;
    members.push({ pid, startTicks: values[Stat.startTicks] as number });
  }
  return members;
}

function processGroup(procRoot: string, group: number): Group {
  return {
    members: () => scan(procRoot, (_, values) => values[Stat.processGroup] === group),
    killAtOnce: () => false,
  };
}

/** A tree: its root and what descends from it. Children of members that died meanwhile are known by having been seen. */
function tree(procRoot: string, candidate: Culprit): Group {
  const seen = new Set(candidate.members.map((member) => member.pid));
  const chosen = new Map(candidate.members.map((member) => [member.pid, member.startTicks]));
  return {
    members: () => {
      let members: Member[] = [];
      // Pids may have gone round, so that a child has a smaller one: until nothing new is found.
      for (let before = -1; before !== seen.size; ) {
        before = seen.size;
        members = scan(procRoot, (pid, values) => {
          const known = chosen.get(pid);
          const belongs =
            known === undefined ? seen.has(values[Stat.ppid] as number) : known === values[Stat.startTicks];
          if (belongs) seen.add(pid);
          return belongs;
        });
      }
      return members;
    },
    killAtOnce: () => false,
  };
}

/** A cgroup, found through one of its members; on v2 it can be ended at one stroke (cgroup.kill, since Linux 5.14). */
function cgroup(roots: HostRoots, candidate: Culprit): Group {
  const hierarchy = findMemoryHierarchy(roots.cgroup);
  const directory = hierarchy === null ? null : directoryOf(roots, candidate, hierarchy);
  return {
    members: () => (directory === null ? [] : cgroupMembers(roots.proc, directory)),
    killAtOnce: () => {
      if (directory === null || hierarchy?.version !== 2) return false;
      try {
        fs.writeFileSync(path.join(directory, "cgroup.kill"), "1", { flag: "r+" });
        return true;
      } catch {
        return false;
      }
    },
  };
}

/** A chosen cgroup is its inode: another may have its name by now. It may be an ancestor of where the members are. */
function directoryOf(roots: HostRoots, candidate: Culprit, hierarchy: MemoryHierarchy): string | null {
  for (const { pid } of candidate.members) {
    try {
      const name = memoryCgroupOf(fs.readFileSync(`${roots.proc}/${pid}/cgroup`, "utf8"), hierarchy.version);
      const directories = cgroupAncestry(hierarchy, name ?? "/");
      const found = directories.find((directory) => fs.statSync(directory).ino === candidate.id);
      if (found !== undefined) return found;
    } catch {
      // That member is gone; another may know.
    }
  }
  return null;
}

function cgroupMembers(procRoot: string, directory: string): Member[] {
  const pids = new Int32Array(PROCESS_ROWS_PER_SEGMENT);
  const count = Math.min(new CgroupPids(directory).list(pids), pids.length);
  return [...pids.subarray(0, count)].flatMap((pid) => {
    const values = readProcessStat(procRoot, pid);
    if (values === null || values[Stat.state] === ZOMBIE) return [];
    return [{ pid, startTicks: values[Stat.startTicks] as number }];
  });
}

/** The group that a candidate stands for. */
export function groupOf(roots: HostRoots, candidate: Culprit): Group {
  switch (candidate.kind) {
    case "process-group":
      return processGroup(roots.proc, candidate.id);
    case "tree":
      return tree(roots.proc, candidate);
    case "cgroup":
      return cgroup(roots, candidate);
    case "process":
      return { members: () => [...candidate.members], killAtOnce: () => false };
  }
}
