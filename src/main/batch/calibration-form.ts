import type { CgroupStatistics, FullStatistics } from "../../core/calibration/summary.ts";

/** The statistics of several cgroups, and whose they are: of a dataset, or (null) of all of them together. */
export interface StatisticsSet {
  readonly dataset: string | null;
  readonly statistics: readonly CgroupStatistics[];
}

/** What is said of one cgroup, under the names that the output has; bytes, seconds, ISO 8601. Null: not known. */
export type CalibrationEntry = Readonly<Record<string, number | string | readonly number[] | null>>;

type Cell = CalibrationEntry[string];
type Field = readonly [name: string, of: (statistics: CgroupStatistics) => Cell];
type FullField = readonly [name: string, of: (full: FullStatistics, all: CgroupStatistics) => Cell];

const FIELDS: readonly Field[] = [
  ["min_consumption", ({ minBytes }) => minBytes],
  ["max_consumption", ({ maxBytes }) => maxBytes],
  ["median_consumption", ({ medianBytes }) => medianBytes],
];
const FULL_FIELDS: readonly FullField[] = [
  ["p90_consumption", ({ p90Bytes }) => p90Bytes],
  ["p95_consumption", ({ p95Bytes }) => p95Bytes],
  ["p99_consumption", ({ p99Bytes }) => p99Bytes],
  ["mean_consumption", ({ meanBytes }) => rounded(meanBytes)],
  ["growth_bytes_per_second", ({ growthBytesPerSecond }) => rounded(growthBytesPerSecond)],
  ["samples", (_, { samples }) => samples],
  ["absent_samples", (_, { absentSamples }) => absentSamples],
  ["first_time", ({ firstTimeS }) => timeText(firstTimeS)],
  ["last_time", ({ lastTimeS }) => timeText(lastTimeS)],
  ["limit_bytes", ({ limits }) => limits.limitBytes],
  ["time_at_limit_seconds", ({ limits }) => limits.timeAtLimitS],
  ["limit_hits", ({ limits }) => limits.limitHits],
  ["peak_bytes", ({ limits }) => limits.peakBytes],
  ["inodes", ({ inodes }) => inodes],
];

/** The three figures that everybody wants; with more when the statistics are full. */
function entryOf(statistics: CgroupStatistics): CalibrationEntry {
  const { full } = statistics;
  const more = full === null ? [] : FULL_FIELDS.map(([name, of]) => [name, of(full, statistics)] as const);
  return Object.fromEntries([...FIELDS.map(([name, of]) => [name, of(statistics)] as const), ...more]);
}

/** One object, by cgroup; with several sets one in it for each, by dataset. */
export function calibrationJson(sets: readonly StatisticsSet[]): string {
  const objects = sets.map(({ dataset, statistics }) => {
    const entries = statistics.map((each) => [each.path, entryOf(each)] as const);
    return [dataset, Object.fromEntries(entries)] as const;
  });
  const [only] = objects;
  const whole = only?.[0] === null ? only[1] : Object.fromEntries(objects);
  return `${JSON.stringify(whole, null, 2)}\n`;
}

/** Rows with a heading, for formats of tables. Inodes are one field, with blanks between. */
export function calibrationTable(
  sets: readonly StatisticsSet[],
  full: boolean,
): { readonly names: readonly string[]; readonly rows: readonly (readonly (string | number | null)[])[] } {
  const fields = full ? [...FIELDS, ...FULL_FIELDS] : FIELDS;
  const apart = sets.some(({ dataset }) => dataset !== null);
  const names = [...(apart ? ["dataset"] : []), "cgroup", ...fields.map(([name]) => name)];
  const rows = sets.flatMap(({ dataset, statistics }) =>
    statistics.map((each) => {
      const cells = Object.values(entryOf(each)).map((cell) =>
        cell === null || typeof cell !== "object" ? cell : cell.join(" "),
      );
      return [...(apart ? [dataset] : []), each.path, ...cells];
    }),
  );
  return { names, rows };
}

/** To a thousandth: what is behind it depends on the order of summing. */
function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value * 1e3) / 1e3;
}

/** To the nearest millisecond; null for what is no time of day, as a damaged manifest could make it. */
function timeText(timeS: number | null): string | null {
  const date = new Date(timeS === null ? Number.NaN : Math.round(timeS * 1e3));
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
