import fs from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { Stat } from "../../../core/parse/process-stat.ts";
import type { ProcessRef } from "../../../core/resources/report.ts";
import type { Figures } from "../../../core/resources/resource.ts";
import { monotonicUs } from "../../common/clock.ts";
import { type CpuHierarchy, usageUsOf } from "../../common/cpu-cgroup.ts";
import { readProcessStat } from "../../common/target.ts";

/** Processor time is counted in ticks of 10 ms, and quotas in periods of 100 ms: over less it says little. */
const MEASURE_MS = 500;

interface HostTicks {
  readonly busy: number;
  readonly all: number;
}

/** The first line of /proc/stat (proc(5)): idle and iowait are not busy; guest time is in user time already. */
function hostTicks(procRoot: string): HostTicks | null {
  try {
    const [line = ""] = fs.readFileSync(`${procRoot}/stat`, "utf8").split("\n", 1);
    const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = line
      .split(/\s+/)
      .slice(1)
      .map(Number);
    const busy = user + nice + system + irq + softirq + steal;
    return { busy, all: busy + idle + iowait };
  } catch {
    return null;
  }
}

/** Ticks that living members have used; who is gone uses nothing. */
function ticksOf(procRoot: string, members: readonly ProcessRef[]): Map<number, number> {
  const ticks = new Map<number, number>();
  for (const { pid, startTicks } of members) {
    const values = readProcessStat(procRoot, pid);
    if (values === null || values[Stat.startTicks] !== startTicks) continue;
    ticks.set(pid, (values[Stat.userTicks] as number) + (values[Stat.systemTicks] as number));
  }
  return ticks;
}

/**
 * Processors that some processes use, and the share of the host's that is in use, over half a second:
 * `culpritCores` and `busyShare`.
 */
export async function measureProcesses(
  procRoot: string,
  ticksPerSecond: number,
  members: () => readonly ProcessRef[],
): Promise<Figures> {
  const before = ticksOf(procRoot, members());
  return measured(procRoot, (seconds) => {
    let ticks = 0;
    for (const [pid, now] of ticksOf(procRoot, members())) ticks += now - (before.get(pid) ?? now);
    return { culpritCores: round(ticks / ticksPerSecond / seconds) };
  });
}

/** The same of a cgroup: `cores` and `busyShare`. */
export async function measureCgroup(
  procRoot: string,
  hierarchy: CpuHierarchy,
  cgroup: string,
): Promise<Figures> {
  const before = usageUsOf(hierarchy, cgroup);
  return measured(procRoot, (seconds) => {
    const after = usageUsOf(hierarchy, cgroup);
    const known = before !== null && after !== null;
    return { cores: known ? round((after - before) / 1e6 / seconds) : null };
  });
}

async function measured(procRoot: string, figures: (seconds: number) => Figures): Promise<Figures> {
  const hostBefore = hostTicks(procRoot);
  const beganUs = monotonicUs();
  await pause(MEASURE_MS);
  const seconds = (monotonicUs() - beganUs) / 1e6;
  const hostAfter = hostTicks(procRoot);
  const busyShare =
    hostBefore === null || hostAfter === null || hostAfter.all <= hostBefore.all
      ? null
      : round((hostAfter.busy - hostBefore.busy) / (hostAfter.all - hostBefore.all));
  return { ...figures(seconds), busyShare };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
