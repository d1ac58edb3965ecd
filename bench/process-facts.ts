import fs from "node:fs";
import { parseProcessStat, STAT_FIELDS, Stat } from "../src/core/parse/process-stat.ts";

/** CPU time of all threads of a process so far, user and system, in nanoseconds: schedstat of each (proc(5)). */
export function cpuNs(pid: number): number {
  return fs
    .readdirSync(`/proc/${pid}/task`)
    .map((thread) => Number(fs.readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ")[0]))
    .reduce((sum, ns) => sum + ns, 0);
}

/** The same from utime and stime of /proc/PID/stat, in ticks: coarser, threads that have ended are in it. */
export function cpuTicks(pid: number): number {
  const bytes = fs.readFileSync(`/proc/${pid}/stat`);
  const stat = new Float64Array(STAT_FIELDS);
  if (!parseProcessStat(bytes, bytes.length, stat, 0))
    throw new Error(`/proc/${pid}/stat: expected proc(5)'s form`);
  return (stat[Stat.userTicks] as number) + (stat[Stat.systemTicks] as number);
}

/** VmRSS of /proc/PID/status, bytes. */
export function residentBytes(pid: number): number {
  const text = fs.readFileSync(`/proc/${pid}/status`, "latin1");
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(text);
  if (match === null) throw new Error(`/proc/${pid}/status: expected a line VmRSS`);
  return Number(match[1]) * 1024;
}

/** What a process holds open: files of other processes, and everything else. */
export function descriptorsOf(pid: number): { readonly ofProcesses: number; readonly others: number } {
  let ofProcesses = 0;
  let others = 0;
  for (const descriptor of fs.readdirSync(`/proc/${pid}/fd`)) {
    let target = "";
    try {
      target = fs.readlinkSync(`/proc/${pid}/fd/${descriptor}`);
    } catch {
      continue;
    }
    if (/^\/proc\/\d+\/(stat|status)$/.test(target)) ofProcesses++;
    else others++;
  }
  return { ofProcesses, others };
}
