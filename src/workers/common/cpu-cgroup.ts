import fs from "node:fs";
import path from "node:path";
import type { CgroupLever } from "../../core/levers/lever.ts";
import type { CgroupVersion } from "./cgroup-path.ts";

/** Where cgroups' processor time is limited and accounted for: two hierarchies on some hosts with cgroup v1. */
export interface CpuHierarchy {
  readonly version: CgroupVersion;
  /** Directories of the root cgroups. */
  readonly limits: string;
  readonly usage: string;
}

/** Finds the cpu controller: v1 in `cpu` or `cpu,cpuacct`, else v2. @returns null when there is none */
export function findCpuHierarchy(cgroupRoot: string): CpuHierarchy | null {
  const holding = (file: string, names: readonly string[]): string | undefined =>
    names.map((name) => path.join(cgroupRoot, name)).find((root) => fs.existsSync(path.join(root, file)));
  const limits = holding("cpu.shares", ["cpu", "cpu,cpuacct"]);
  const usage = holding("cpuacct.usage", ["cpuacct", "cpu,cpuacct", "cpu"]);
  if (limits !== undefined) return { version: 1, limits, usage: usage ?? limits };
  for (const root of [cgroupRoot, path.join(cgroupRoot, "unified")]) {
    const controllers = readText(path.join(root, "cgroup.controllers"));
    if (controllers?.split(/\s+/).includes("cpu") === true) return { version: 2, limits: root, usage: root };
  }
  return null;
}

/**
 * The cpu controller's line of /proc/PID/cgroup: `0::/path` on v2, `N:…cpu…:/path` on v1 (cgroups(7)).
 * @returns null when there is none
 */
export function cpuCgroupOf(text: string, version: CgroupVersion): string | null {
  for (const line of text.split("\n")) {
    const match = /^\d+:([^:]*):(\/.*)$/s.exec(line);
    if (match === null) continue;
    const [, controllers = "", cgroup = ""] = match;
    if (version === 2 ? controllers === "" : controllers.split(",").includes("cpu")) return cgroup;
  }
  return null;
}

/** The directory of a cgroup, by its path below the root. */
export function directoryIn(root: string, cgroup: string): string {
  return path.join(root, ...cgroup.split("/").filter((name) => name !== "" && name !== "." && name !== ".."));
}

/** Processors that a cgroup may use by its own limit; Infinity without one, null when it is gone or not read. */
export function limitOf({ version, limits }: CpuHierarchy, cgroup: string): number | null {
  const directory = directoryIn(limits, cgroup);
  const [quota, period] =
    version === 2
      ? (readText(path.join(directory, "cpu.max"))?.trim().split(" ") ?? [])
      : ["cpu.cfs_quota_us", "cpu.cfs_period_us"].map((name) => readText(path.join(directory, name))?.trim());
  if (quota === undefined || period === undefined) return null;
  const isNone = quota === "max" || Number(quota) < 0;
  return isNone ? Number.POSITIVE_INFINITY : Number(quota) / Number(period);
}

/** Kernel's least quota is 1 ms (sched-bwc.rst). */
const QUOTA_MIN_US = 1000;

/**
 * The lever that gives a cgroup at most so many processors: in its present period, cfs_quota_us (sched-bwc.rst) or cpu.max
 * (cgroup-v2.rst). @returns null when the cgroup is gone, or has no such file
 */
export function quotaLever(hierarchy: CpuHierarchy, cgroup: string, cores: number): CgroupLever | null {
  const directory = directoryIn(hierarchy.limits, cgroup);
  const periodText =
    hierarchy.version === 2
      ? readText(path.join(directory, "cpu.max"))?.trim().split(" ")[1]
      : readText(path.join(directory, "cpu.cfs_period_us"))?.trim();
  const inode = inodeOf(directory);
  const periodUs = Number(periodText);
  if (inode === null || !(periodUs > 0)) return null;
  const quotaUs = Math.max(QUOTA_MIN_US, Math.round(cores * periodUs));
  return hierarchy.version === 2
    ? { kind: "cgroup", directory, inode, file: "cpu.max", device: null, value: `${quotaUs} ${periodUs}` }
    : { kind: "cgroup", directory, inode, file: "cpu.cfs_quota_us", device: null, value: String(quotaUs) };
}

/** Processor time that a cgroup has used, in µs; null when it is gone or not accounted for. */
export function usageUsOf({ version, usage }: CpuHierarchy, cgroup: string): number | null {
  const directory = directoryIn(usage, cgroup);
  const text = readText(path.join(directory, version === 2 ? "cpu.stat" : "cpuacct.usage"));
  if (text === null) return null;
  if (version === 1) return Number(text) / 1000;
  const found = /^usage_usec (\d+)$/m.exec(text);
  return found === null ? null : Number(found[1]);
}

function inodeOf(directory: string): number | null {
  try {
    return fs.statSync(directory).ino;
  } catch {
    return null;
  }
}

function readText(file: string): string | null {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return null;
  }
}
