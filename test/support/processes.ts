import fs from "node:fs";
import { Stat } from "../../src/core/parse/process-stat.ts";
import { readProcessStat } from "../../src/workers/common/target.ts";

/** When a process started, in ticks after boot: with its pid, its identity. NaN when it is gone. */
export function startTicksOf(pid: number): number {
  return readProcessStat("/proc", pid)?.[Stat.startTicks] ?? Number.NaN;
}

/** The children of a process, as things are now. */
export function childrenOf(pid: number): number[] {
  const pids = fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter((each) => readProcessStat("/proc", each)?.[Stat.ppid] === pid);
}

/** Whether a process is there, and no zombie. */
export function isAlive(pid: number): boolean {
  const stat = readProcessStat("/proc", pid);
  return stat !== null && stat[Stat.state] !== "Z".charCodeAt(0);
}
