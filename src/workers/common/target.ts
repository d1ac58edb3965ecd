import fs from "node:fs";
import { parseProcessStat, STAT_FIELDS, Stat } from "../../core/parse/process-stat.ts";
import { closeDescriptor } from "../../native/descriptor.ts";
import { openPidfd } from "../../native/pidfd.ts";
import type { SystemError } from "../../native/system-error.ts";

const bytes = Buffer.allocUnsafeSlow(4096);
const stat = new Float64Array(STAT_FIELDS);

/**
 * A pidfd for a chosen process: opened by its number, then checked by its start time, in that order, so that it cannot
 * be somebody else's who got the number in between.
 * @returns ESRCH when the process is gone, whoever has its number now
 */
export function openTarget(procRoot: string, pid: number, startTicks: number): number | SystemError {
  const pidfd = openPidfd(pid);
  if (typeof pidfd !== "number") return pidfd;
  if (startTicksOf(procRoot, pid) === startTicks) return pidfd;
  closeDescriptor(pidfd);
  return { call: "pidfd_open", errno: 3, code: "ESRCH" };
}

/** When a process started, in ticks after boot; NaN when it is gone. */
function startTicksOf(procRoot: string, pid: number): number {
  const values = readProcessStat(procRoot, pid);
  return values === null ? Number.NaN : (values[Stat.startTicks] as number);
}

/** /proc/PID/stat, by Stat; null when the process is gone. Valid until the next call. */
export function readProcessStat(procRoot: string, pid: number): Float64Array | null {
  try {
    const descriptor = fs.openSync(`${procRoot}/${pid}/stat`, fs.constants.O_RDONLY);
    try {
      return parseProcessStat(bytes, fs.readSync(descriptor, bytes, 0, bytes.length, 0), stat, 0)
        ? stat
        : null;
    } finally {
      fs.closeSync(descriptor);
    }
  } catch {
    return null;
  }
}

/** A process and all its ancestors, as things are now. */
export function ownAncestry(procRoot: string, pid: number): ReadonlySet<number> {
  const ancestry = new Set<number>();
  for (let at = pid; at > 0 && !ancestry.has(at); ) {
    ancestry.add(at);
    at = readProcessStat(procRoot, at)?.[Stat.ppid] ?? 0;
  }
  return ancestry;
}
