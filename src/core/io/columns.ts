import type { Column } from "../ring/layout.ts";
import { columnsOf } from "../samples.ts";

/** What is sampled of block devices: one row each a tick; counters since boot (/proc/diskstats, iostats.rst). */
export const Io = {
  timeUs: 0,
  /** major * 2^20 + minor. */
  device: 1,
  reads: 2,
  readBytes: 3,
  readUs: 4,
  writes: 5,
  writtenBytes: 6,
  writeUs: 7,
  /** Operations under way now. */
  inFlight: 8,
  /** Time in which there were any; and the sum of all operations' times. */
  busyUs: 9,
  weightedUs: 10,
  /** PSI io of the host, the same in all rows of a tick. */
  someStallUs: 11,
  fullStallUs: 12,
} as const;
export const IO_COLUMNS: readonly Column[] = columnsOf(Io, {});
