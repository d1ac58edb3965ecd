import type { Column } from "./ring/layout.ts";

/**
 * What a sample of memory and a row of a walk over the processes consist of. The index of a column here is its place in
 * the ring and in every frame (a Float64Array) that goes in or out of one. All bytes, all times monotonic.
 */

/** Columns by an index of names, in its order; uint64 where no type is said. */
export function columnsOf<T extends Record<string, number>>(
  index: T,
  types: Partial<Record<keyof T, Column["type"]>>,
): Column[] {
  return Object.entries(index)
    .toSorted(([, a], [, b]) => a - b)
    .map(([name]) => ({ name, type: types[name as keyof T] ?? "uint64", nullable: true }));
}

/** Columns of the memory sampler. In a scope of one cgroup they are the cgroup's, under the same names. */
export const Mem = {
  /** CLOCK_MONOTONIC when the read was finished. */
  timeUs: 0,
  /** How long after the clock's tick the sample was taken. */
  latenessUs: 1,
  /** Ticks of the clock that passed without a sample since the last one. */
  missedTicks: 2,
  /** How long reading and parsing took. */
  costUs: 3,
  /** MemTotal less the pool of huge pages; of a scope the smallest limit on its path. */
  totalBytes: 4,
  freeBytes: 5,
  availableBytes: 6,
  cachedBytes: 7,
  anonBytes: 8,
  sharedBytes: 9,
  slabReclaimableBytes: 10,
  slabUnreclaimableBytes: 11,
  kernelStackBytes: 12,
  pageTablesBytes: 13,
  perCpuBytes: 14,
  hugePagesBytes: 15,
  swapTotalBytes: 16,
  swapFreeBytes: 17,
  committedBytes: 18,
  commitLimitBytes: 19,
  /** Counters since boot, in pages or events. */
  swappedInPages: 20,
  swappedOutPages: 21,
  majorFaults: 22,
  refaultedAnonPages: 23,
  refaultedFilePages: 24,
  oomKills: 25,
  /** Stall time since boot. */
  someStallUs: 26,
  fullStallUs: 27,
} as const;
export const MEMORY_COLUMNS: readonly Column[] = columnsOf(Mem, { latenessUs: "float64", costUs: "float64" });

/** Rows a segment: at the default rate, one segment is sealed every 25 s; at 1 kHz every quarter of a second. */
export const MEMORY_ROWS_PER_SEGMENT = 256;
export const MEMORY_SEGMENTS = 8;

/** Columns of a walk over the processes: one segment a walk. */
export const Proc = {
  pid: 0,
  startTicks: 1,
  ppid: 2,
  processGroup: 3,
  session: 4,
  /** Code of the state's letter (proc(5)). */
  state: 5,
  kernelThread: 6,
  uid: 7,
  residentBytes: 8,
  anonBytes: 9,
  swapBytes: 10,
  ownSharedBytes: 11,
  oomScoreAdj: 12,
  cgroupId: 13,
  cgroupAsOne: 14,
  preference: 15,
  never: 16,
  /** 1: it bears its parent's name, so it was probably forked without exec and shares its memory. */
  forked: 17,
  /** CPU time (utime + stime, proc_pid_stat(5)) since it started: its own, and that of children it has waited for. */
  cpuTicks: 18,
  childTicks: 19,
} as const;
export const PROCESS_COLUMNS: readonly Column[] = columnsOf(Proc, {
  ppid: "int32",
  processGroup: "int32",
  session: "int32",
  oomScoreAdj: "int32",
  preference: "int32",
  never: "int32",
  state: "int32",
  kernelThread: "int32",
  cgroupAsOne: "int32",
  forked: "int32",
});

/** Stamps of a walk's segment. */
export const WalkStamp = {
  /** CLOCK_MONOTONIC at the begin and the end of the walk. */
  beganUs: 0,
  endedUs: 1,
  /** Ticks after boot at the end, in the unit of startTicks. */
  nowTicks: 2,
  /** Processes that did not fit. */
  leftOut: 3,
  /** Which request the walk answers. */
  request: 4,
} as const;

/** More processes than this and the last are left out, and counted. Untouched rows cost nothing. */
export const PROCESS_ROWS_PER_SEGMENT = 32_768;
export const PROCESS_SEGMENTS = 3;
