/**
 * What a report shows, as plain data: filled from datasets and audit logs, drawn as a page, as SVG and as PNG. All times are
 * milliseconds since 1970 (UTC), made from the dataset's own anchor and its clock that never jumps, so that they rise.
 */

/** What values are counted in. `share`: 0 to 1. */
export type ReportUnit = "bytes" | "share" | "count" | "perSecond";

/** One line's points, already thinned: of each bucket of time the least and the greatest are kept. */
export interface ReportSeries {
  /** Unique in the report; charts refer to it, so that one drawn in three charts is stored once. */
  readonly id: string;
  /** As the legend says it where a chart gives no other name, such as "ncs-smp allocated". */
  readonly name: string;
  /** Application group, Python VM, or cgroup; null: the host. Lines of one group share a colour where it helps. */
  readonly group: string | null;
  readonly unit: ReportUnit;
  /** Rising, in step with `values`. */
  readonly timesMs: Float64Array;
  /** NaN: a gap begins here (nothing was sampled, or the thing was not there); the line is broken. */
  readonly values: Float64Array;
  /** How many samples these points stand for. */
  readonly sampleCount: number;
}

/** How a line is drawn: a measured value, a sum of the others (bold), or a limit (red, dashed, in steps). */
export type LineRole = "value" | "total" | "limit";

export interface ChartLine {
  /** {@link ReportSeries.id} */
  readonly series: string;
  /** In this chart's legend, such as "allocated"; null: the series' own name. */
  readonly name: string | null;
  readonly role: LineRole;
}

/** What a mark stands for; each kind has its own symbol and letter. */
export type MarkKind =
  | "level"
  | "dump"
  | "signal"
  | "wait"
  | "command"
  | "callback"
  | "rescue"
  | "kill"
  | "other"
  | "clock"
  | "note";

/** Something that happened. */
export interface ReportMark {
  /** Unique in the report. */
  readonly id: string;
  readonly timeMs: number;
  readonly kind: MarkKind;
  /** What happened, in a few words: "dump 2 of 3 taken". */
  readonly text: string;
  /** Why, in a sentence; null: nothing more is known. */
  readonly reason: string | null;
  /** Application, cgroup, process, or "host". */
  readonly subject: string;
}

export interface ReportChart {
  /** Unique in the report; lower-case letters, digits and hyphens only: file name and anchor. */
  readonly id: string;
  readonly title: string;
  /** A sentence or two: what is drawn and from where. */
  readonly about: string;
  readonly unit: ReportUnit;
  /** May be empty, when nothing of the kind is in the dataset: `about` says so. */
  readonly lines: readonly ChartLine[];
  /** {@link ReportMark.id}s, by time. */
  readonly marks: readonly string[];
}

export interface ReportSection {
  /** Unique in the report; lower-case letters, digits and hyphens only. */
  readonly id: string;
  /** "Host", "Application nso", "Python VMs", "Comparison", "Control groups", "Pressure". */
  readonly title: string;
  readonly about: string;
  readonly charts: readonly ReportChart[];
}

/** One row of the table of statistics, from all samples, not from the thinned points. Null: too few samples. */
export interface StatisticsRow {
  readonly name: string;
  readonly group: string | null;
  readonly unit: ReportUnit;
  readonly count: number;
  readonly mean: number | null;
  readonly deviation: number | null;
  readonly skewness: number | null;
  /** Excess kurtosis: 0 for the normal distribution. */
  readonly kurtosis: number | null;
  readonly min: number | null;
  readonly minTimeMs: number | null;
  readonly lowerQuartile: number | null;
  readonly median: number | null;
  readonly upperQuartile: number | null;
  readonly max: number | null;
  readonly maxTimeMs: number | null;
}

/** What the report advises, such as a CommitLimit. */
export interface ReportAdvice {
  readonly title: string;
  /** Sentences: what and why, with the margin. */
  readonly text: string;
  /** The numbers it comes from and results in, in order. */
  readonly figures: readonly { readonly name: string; readonly value: string }[];
  /** A command or a line of a file to copy; null: none. */
  readonly command: string | null;
}

/** Something a reader has to know about the data: a gap, a clock that jumped, a dataset without applications. */
export interface ReportNote {
  readonly weight: "note" | "warning";
  readonly text: string;
}

export interface Report {
  readonly title: string;
  readonly host: string;
  /** The recording host's IANA zone such as "Europe/Stockholm"; null: not known, times are shown in UTC. */
  readonly zone: string | null;
  /** First and last sample; null: there is none. */
  readonly span: { readonly fromMs: number; readonly toMs: number } | null;
  /** Samples read, of all kinds. */
  readonly sampleCount: number;
  /** When and by what it was written. */
  readonly writtenMs: number;
  readonly version: string;
  /** Further facts for the head, such as ["kernel", "6.18"]. */
  readonly facts: readonly { readonly name: string; readonly value: string }[];
  readonly notes: readonly ReportNote[];
  readonly series: readonly ReportSeries[];
  readonly marks: readonly ReportMark[];
  readonly sections: readonly ReportSection[];
  readonly statistics: readonly StatisticsRow[];
  readonly advice: readonly ReportAdvice[];
}
