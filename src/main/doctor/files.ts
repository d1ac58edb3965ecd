import fs from "node:fs";
import path from "node:path";
import { Stat } from "../../core/parse/process-stat.ts";
import { type MemoryHierarchy, cgroupAncestry } from "../../workers/common/cgroup-path.ts";
import { memoryCgroupOf } from "../../workers/common/cgroup-of.ts";
import type { HostRoots } from "../../workers/common/roots.ts";
import { readProcessStat } from "../../workers/common/target.ts";

/** A small file's text without the newline at its end; null when it cannot be read. */
export function textOf(...names: string[]): string | null {
  try {
    return fs.readFileSync(path.join(...names), "utf8").trimEnd();
  } catch {
    return null;
  }
}

/** A line of /proc/meminfo in bytes (its "kB" are 1024, proc_meminfo(5)); null when it is not there. */
export function meminfoBytes(procRoot: string, key: string): number | null {
  const match = new RegExp(`^${key}:\\s+(\\d+) kB$`, "m").exec(textOf(procRoot, "meminfo") ?? "");
  return match === null ? null : Number(match[1]) * 1024;
}

/** The processes that /proc shows. */
export function visiblePids(procRoot: string): number[] {
  try {
    return fs
      .readdirSync(procRoot)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

/** Threads of one process; 0 when it is gone. */
export function threadsOf(procRoot: string, pid: number): number {
  return readProcessStat(procRoot, pid)?.[Stat.threads] ?? 0;
}

/** Who owns a process (proc(5)); null when it is gone or hidden. */
export function ownerOf(procRoot: string, pid: number): number | null {
  try {
    return fs.statSync(path.join(procRoot, String(pid))).uid;
  } catch {
    return null;
  }
}

/** The memory cgroup this process is in, and the directories from there up; null without one. */
export function ownCgroup(
  roots: HostRoots,
  hierarchy: MemoryHierarchy,
): { cgroup: string; directories: string[] } | null {
  const cgroup = memoryCgroupOf(textOf(roots.proc, "self/cgroup") ?? "", hierarchy.version);
  return cgroup === null ? null : { cgroup, directories: cgroupAncestry(hierarchy, cgroup) };
}
