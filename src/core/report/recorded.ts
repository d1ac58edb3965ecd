import type { Manifest } from "../dataset/manifest.ts";
import type { AppsRead } from "./app-looks.ts";
import type { DatedMark } from "./marks.ts";
import type { ReportNote } from "./model.ts";
import type { WallClock } from "./wall-clock.ts";

/** Columns of a table by name, in step; times (`timeUs`, of the dataset's clock) rise. NaN is null. */
export type Columns = Readonly<Record<string, Float64Array>>;

/** A cgroup that is drawn. Cgroups that bore one path after each other are one. */
export interface CgroupRead {
  readonly path: string;
  readonly usage: { readonly timeUs: Float64Array; readonly usageBytes: Float64Array };
  readonly limit: { readonly timeUs: Float64Array; readonly limitBytes: Float64Array };
}

/** All that was read for a report. Null: the recording has no such table, or no row of it. */
export interface Recorded {
  readonly directory: string;
  readonly manifest: Manifest;
  readonly clock: WallClock;
  readonly apps: AppsRead | null;
  /** Columns of the table `host`; see {@link HOST_READ}. */
  readonly host: Columns | null;
  /** Of the row of all processors; see {@link CPU_READ}. */
  readonly cpu: Columns | null;
  /** Pressure of I/O; see {@link IO_READ}. */
  readonly io: Columns | null;
  readonly cgroups: readonly CgroupRead[];
  readonly marks: readonly DatedMark[];
  readonly notes: readonly ReportNote[];
  /** Rows read, of all tables. */
  readonly rows: number;
}

/** Columns that are read of the tables, beside the time. */
export const HOST_READ = [
  "totalBytes",
  "freeBytes",
  "availableBytes",
  "hugePagesBytes",
  "swapTotalBytes",
  "swapFreeBytes",
  "committedBytes",
  "commitLimitBytes",
  "someStallUs",
  "fullStallUs",
] as const;
export const CPU_READ = ["busyUs", "someStallUs"] as const;
export const IO_READ = ["someStallUs", "fullStallUs"] as const;

/** A column that is there. @throws Error for one that was not read */
export function columnOf(columns: Columns, name: string): Float64Array {
  const column = columns[name];
  if (column === undefined) throw new Error(`no column ${name}`);
  return column;
}

/** Of a counter of microseconds the share of time that it went on, between each sample and the one before it. */
export function sharesOf(timesUs: Float64Array, counterUs: Float64Array, of = 1): Float64Array {
  return counterUs.map((now, i) => {
    if (i === 0) return Number.NaN;
    const passedUs = (timesUs[i] as number) - (timesUs[i - 1] as number);
    const grownUs = now - (counterUs[i - 1] as number);
    // A counter that went back belongs to something else.
    return grownUs < 0 ? Number.NaN : Math.min(1, grownUs / passedUs / of);
  });
}

/** Both may be NaN. */
export function difference(one: Float64Array, other: Float64Array): Float64Array {
  return one.map((value, i) => value - (other[i] as number));
}

/** NaN without values. */
export function greatest(values: Float64Array): number {
  let max = Number.NaN;
  for (const value of values) if (!(value <= max) && !Number.isNaN(value)) max = value;
  return max;
}

/** The last that is there; NaN without any. */
export function lastOf(values: Float64Array): number {
  return values.findLast((value) => !Number.isNaN(value)) ?? Number.NaN;
}
