import type { GroupOf } from "../../core/calibration/columns.ts";
import type { CountedUsage } from "../../core/calibration/counts.ts";
import type { LimitHistories, LimitTime } from "../../core/calibration/limits.ts";
import type { Moments } from "../../core/calibration/moments.ts";
import type { Ranges } from "../../core/calibration/ranges.ts";
import type { Manifest } from "../../core/dataset/manifest.ts";
import type { TableName } from "../../core/dataset/tables.ts";
import type { Loss } from "../common/dataset-reader.ts";
import type { ExportTask, Exported } from "./export.ts";

/** What the batch pool's threads are told to do, and what they answer. All of it is plain data. */

/** Some segments of one table of one dataset. */
export interface Part {
  readonly directory: string;
  readonly manifest: Manifest;
  readonly table: TableName;
  readonly files: readonly string[];
  /** By the cgroup's number; those of other numbers belong to nobody. */
  readonly groupOf: GroupOf;
}

/** Rows that were read so far, by all threads: a word of shared memory, modulo 2^32. */
export type Progress = SharedArrayBuffer;

/** The detail table, before the usage is counted. */
export interface DetailTask {
  readonly kind: "detail";
  readonly part: Part;
  readonly progress: Progress;
}
export interface DetailFound {
  readonly histories: LimitHistories;
  readonly losses: readonly Loss[];
}

/** The first pass over usage. */
export interface CountTask {
  readonly kind: "count";
  readonly groups: number;
  readonly parts: readonly CountPart[];
  readonly progress: Progress;
}
export interface CountPart extends Part {
  /** What else it takes for the statistics of `--full`; null: nothing. */
  readonly full: {
    readonly histories: LimitHistories;
    /** Seconds to be added to the dataset's clock for the wall's. */
    readonly offsetS: number;
  } | null;
}
export interface CountFound {
  readonly counted: CountedUsage;
  /** One a part, in its order. */
  readonly parts: readonly PartFound[];
}
export interface PartFound {
  /** One a file: how many rows a further pass has to read, however the file has grown since. */
  readonly rows: readonly number[];
  readonly moments: ReadonlyMap<number, Moments>;
  readonly limitTimes: ReadonlyMap<number, LimitTime>;
  readonly losses: readonly Loss[];
}

/** A further pass over usage. */
export interface RangesTask {
  readonly kind: "ranges";
  readonly ranges: Ranges;
  readonly parts: readonly (Part & { readonly rows: readonly number[] })[];
  readonly progress: Progress;
}

export type BatchTask = DetailTask | CountTask | RangesTask | ExportTask;

/** What each kind of task is answered with. */
export interface BatchAnswers {
  readonly detail: DetailFound;
  readonly count: CountFound;
  /** Counts within the ranges. */
  readonly ranges: Uint32Array;
  readonly export: Exported;
}
