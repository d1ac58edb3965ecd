import type { ReportChart, ReportMark, ReportSeries } from "../../core/report/model.ts";
import type { NamedLine } from "./pack.ts";
import { valueText } from "./page/values.ts";
import { timeText } from "./page/zone.ts";

/** A line in a few values, for who cannot see it. Thinning keeps the extremes, so these are of all samples. */
export interface KeyValues {
  readonly first: number;
  readonly firstMs: number;
  readonly min: number;
  readonly minMs: number;
  readonly max: number;
  readonly maxMs: number;
  readonly last: number;
  readonly lastMs: number;
  readonly gapCount: number;
}

/** Null: the line has no value at all. */
export function keyValues({ timesMs, values }: ReportSeries): KeyValues | null {
  let [first, last, min, max] = [-1, -1, -1, -1];
  let gapCount = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!Number.isFinite(value)) {
      if (last >= 0 && last === i - 1) gapCount += 1;
      continue;
    }
    if (first < 0) first = i;
    if (min < 0 || value < (values[min] as number)) min = i;
    if (max < 0 || value > (values[max] as number)) max = i;
    last = i;
  }
  if (first < 0) return null;
  // A line that ends in a gap has merely ended.
  const ended = last < values.length - 1 ? 1 : 0;
  const value = (at: number): number => values[at] as number;
  const time = (at: number): number => timesMs[at] as number;
  return {
    first: value(first),
    firstMs: time(first),
    min: value(min),
    minMs: time(min),
    max: value(max),
    maxMs: time(max),
    last: value(last),
    lastMs: time(last),
    gapCount: gapCount - ended,
  };
}

/** The chart in sentences: what is drawn, how high it goes and when, and what happened. */
export function chartDescription(
  chart: ReportChart,
  lines: readonly NamedLine[],
  marks: readonly ReportMark[],
  zone: string,
): string {
  const told = lines.map(({ name, series, line }) => {
    const key = keyValues(series);
    if (key === null) return `${name}: no samples.`;
    const text = (value: number): string => valueText(value, chart.unit);
    if (line.role === "limit" && key.min === key.max) return `Limit ${name}: ${text(key.max)}.`;
    const peak = `highest ${text(key.max)} at ${timeText(key.maxMs, zone)}, lowest ${text(key.min)}`;
    return `${name}: from ${text(key.first)} to ${text(key.last)}, ${peak}.`;
  });
  const most = told.length > LINES_TOLD ? [`And ${told.length - LINES_TOLD} more lines, in the table.`] : [];
  const happened = marks.length === 0 ? [] : [`${marks.length} marks of what happened.`];
  return [`Line chart, ${chart.title}.`, ...told.slice(0, LINES_TOLD), ...most, ...happened].join(" ");
}

const LINES_TOLD = 6;
