import type { MutableProcessRow, Walk } from "../../src/core/memory/decision.ts";
import type { HeadroomLevel, Policy, ThrashingLevel } from "../../src/core/policy/policy.ts";
import { MEMORY_COLUMNS, Mem } from "../../src/core/samples.ts";
import { loadPolicy } from "../../src/main/config/load-policy.ts";
import { GiB, MiB, type RowOptions, row } from "./victim-host.ts";

/** Of the host that these frames are of. */
export const TOTAL_BYTES = 10 * GiB;
export const HZ = 100;

/** The built-in policy: warning below 10 % (recovered over 12 %), critical below 5 %, both at once; swap likewise. */
export const builtIn = loadPolicy();

export function withMemory(changes: Partial<Policy["memory"]>, dryRun = false): Policy {
  return { ...builtIn, dryRun, memory: { ...builtIn.memory, ...changes } };
}

export function withCritical(changes: Partial<HeadroomLevel>, dryRun = false): Policy {
  return withMemory({ critical: { ...(builtIn.memory.critical as HeadroomLevel), ...changes } }, dryRun);
}

export function withThrashing(changes: Partial<ThrashingLevel>): Policy {
  return withMemory({ thrashing: { ...(builtIn.memory.thrashing as ThrashingLevel), ...changes } });
}

/** A sample of a host without swap of which a share is available; other columns as given, the rest absent. */
export function frame(
  timeMs: number,
  availableShare: number,
  columns: Partial<Record<keyof typeof Mem, number>> = {},
): Float64Array {
  const values = new Float64Array(MEMORY_COLUMNS.length).fill(Number.NaN);
  values[Mem.timeUs] = timeMs * 1000;
  values[Mem.totalBytes] = TOTAL_BYTES;
  values[Mem.availableBytes] = availableShare * TOTAL_BYTES;
  values[Mem.anonBytes] = (1 - availableShare) * TOTAL_BYTES;
  values[Mem.sharedBytes] = 0;
  values[Mem.hugePagesBytes] = 0;
  values[Mem.slabUnreclaimableBytes] = 64 * MiB;
  values[Mem.swapTotalBytes] = 0;
  values[Mem.swapFreeBytes] = 0;
  for (const [name, value] of Object.entries(columns)) values[Mem[name as keyof typeof Mem]] = value;
  return values;
}

/** A walk that found init and these. */
export function walk(atMs: number, processes: readonly (RowOptions & { readonly pid: number })[]): Walk {
  const rows = [{ pid: 1, ppid: 0 }, ...processes].map(
    ({ pid, ...options }): MutableProcessRow => ({
      ...row(pid, { startTicks: 10, ...options }),
      forked: false,
    }),
  );
  const endedUs = atMs * 1000 + 500;
  return { rows, beganUs: atMs * 1000, endedUs, nowTicks: (endedUs / 1e6) * HZ + 10_000, leftOut: 0 };
}
