import type { Column } from "../ring/layout.ts";
import { columnsOf } from "../samples.ts";

/**
 * What is sampled of cgroups, in two rings: usage each tick, the rest each n-th tick. A row is one cgroup at one tick;
 * rows of one tick bear the same time. The columns are those of the dataset too (docs/formats.md).
 */

/** Columns of the usage ring. */
export const Usage = {
  /** CLOCK_MONOTONIC when the tick's sweep began. */
  timeUs: 0,
  /** The cgroup's number: {@link CgroupIdentity}. */
  cgroup: 1,
  /** v1 memory.usage_in_bytes, v2 memory.current. Null: it could not be read. */
  usageBytes: 2,
} as const;
export const USAGE_COLUMNS: readonly Column[] = columnsOf(Usage, { cgroup: "int32" });

/** Rows a segment of the guard's own rings, which are read row by row; a recording has larger ones. */
export const USAGE_ROWS_PER_SEGMENT = 2048;
export const DETAIL_ROWS_PER_SEGMENT = 512;
export const CGROUP_SEGMENTS = 4;

/** Columns of the detail ring. Null: the kernel does not tell, or (a limit) there is none. */
export const Detail = {
  timeUs: 0,
  cgroup: 1,
  /** v1 memory.limit_in_bytes, v2 memory.max. */
  limitBytes: 2,
  /** v2 memory.high; v1 memory.soft_limit_in_bytes. */
  highBytes: 3,
  /** v2 memory.min and memory.low. */
  minBytes: 4,
  lowBytes: 5,
  /** Highest usage since the cgroup began: v1 memory.max_usage_in_bytes, v2 memory.peak. */
  peakBytes: 6,
  swapBytes: 7,
  /** memory.stat; of v1 its total_ lines, which count descendants as v2 does. */
  anonBytes: 8,
  sharedBytes: 9,
  inactiveFileBytes: 10,
  activeFileBytes: 11,
  slabReclaimableBytes: 12,
  slabUnreclaimableBytes: 13,
  kernelStackBytes: 14,
  pageTablesBytes: 15,
  socketBytes: 16,
  /** Counters since the cgroup began. */
  majorFaults: 17,
  refaultedAnonPages: 18,
  refaultedFilePages: 19,
  /** How often usage met the limit: v1 memory.failcnt, v2 `max` of memory.events. */
  limitHits: 20,
  /** v2 `high` and `oom` of memory.events. */
  highHits: 21,
  ooms: 22,
  /** v1 `oom_kill` of memory.oom_control, v2 of memory.events. */
  oomKills: 23,
  /** v2 memory.pressure, stall time since the cgroup began. */
  someStallUs: 24,
  fullStallUs: 25,
} as const;
export const DETAIL_COLUMNS: readonly Column[] = columnsOf(Detail, { cgroup: "int32" });

/** A cgroup that is followed. By its inode: another one at the same path is another cgroup, with another number. */
export interface CgroupIdentity {
  /** Never used again while this program runs. */
  readonly number: number;
  /** Below the hierarchy's root, such as `/machine/build`. */
  readonly path: string;
  readonly inode: number;
  /** It matches no pattern and is followed as the ancestor of one that does. */
  readonly onlyAncestor: boolean;
}
