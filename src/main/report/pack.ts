import type { ChartLine, Report, ReportChart, ReportSeries, ReportUnit } from "../../core/report/model.ts";
import type { PackedLine, PackedReport, PackedSeries } from "./page/packed.ts";

/** The page's data: each series once, as base64, so that a day of 25 groups stays small. */

/** Memory is in KiB, as the kernel says it; a share to a hundred-thousandth. */
const SCALES: Readonly<Record<ReportUnit, number>> = {
  bytes: 1024,
  share: 1e-5,
  count: 1e-3,
  perSecond: 1e-3,
};

/** The counterpart of {@link ./page/packed.unpackSeries}, which says how. Times are to the ms, and must not fall. */
export function packSeries(series: ReportSeries, fromMs: number): PackedSeries {
  const scale = SCALES[series.unit];
  const { timesMs, values } = series;
  // Two integers of at most 8 bytes each: 2^53 takes no more.
  const bytes = new Uint8Array(timesMs.length * 16);
  let at = 0;
  const put = (number: number): void => {
    let rest = number;
    while (rest >= 128) {
      bytes[at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    bytes[at++] = rest;
  };
  const zigzag = (number: number): number => (number >= 0 ? number * 2 : -number * 2 - 1);
  let beforeMs = Math.round(fromMs);
  let before = 0;
  for (let i = 0; i < timesMs.length; i++) {
    const timeMs = Math.round(timesMs[i] as number);
    put(zigzag(timeMs - beforeMs));
    beforeMs = timeMs;
    const value = values[i] as number;
    if (Number.isFinite(value)) {
      const whole = Math.round(value / scale);
      put(1 + zigzag(whole - before));
      before = whole;
    } else put(0);
  }
  return { scale, points: Buffer.from(bytes.subarray(0, at)).toString("base64") };
}

/** What a chart's lines are called and which style each has. */
export interface NamedLine {
  readonly line: ChartLine;
  readonly series: ReportSeries;
  readonly name: string;
  readonly style: number;
}

/**
 * A chart's lines. Where every value is of another group, a group has the style that it has in all such charts; else they
 * are counted in the chart. @throws Error when the chart names a series that the report lacks
 */
export function namedLines(chart: ReportChart, report: Report, index = seriesById(report)): NamedLine[] {
  const found = chart.lines.map((line) => {
    const series = index.get(line.series);
    if (series === undefined) throw new Error(`chart ${chart.id}: no series "${line.series}" in the report`);
    return { line, series, name: line.name ?? series.name };
  });
  const groups = found.filter(({ line }) => line.role === "value").map(({ series }) => series.group);
  const compares = groups.length > 1 && new Set(groups).size === groups.length;
  const known = groupsOf(report);
  let count = 0;
  return found.map((each) => {
    const ownStyle = each.line.role === "value" ? count++ : 0;
    return { ...each, style: compares ? known.indexOf(each.series.group) : ownStyle };
  });
}

export function seriesById(report: Report): ReadonlyMap<string, ReportSeries> {
  return new Map(report.series.map((series) => [series.id, series]));
}

const groups = new WeakMap<Report, readonly (string | null)[]>();

function groupsOf(report: Report): readonly (string | null)[] {
  let known = groups.get(report);
  if (known === undefined) {
    known = [...new Set(report.series.map(({ group }) => group))];
    groups.set(report, known);
  }
  return known;
}

/** The zone in which times are shown at first: the host's, or UTC when it is not known. */
export function packReport(report: Report, zone: string): PackedReport {
  const fromMs = report.span?.fromMs ?? 0;
  const byId = seriesById(report);
  const positions = new Map(report.series.map(({ id }, at) => [id, at]));
  const marks = new Map(report.marks.map(({ id }, at) => [id, at]));
  const charts = report.sections.flatMap(({ charts }) => charts).filter((chart) => hasPoints(chart, byId));
  return {
    zone,
    fromMs,
    toMs: report.span?.toMs ?? 0,
    series: report.series.map((series) => packSeries(series, fromMs)),
    charts: charts.map((chart) => ({
      id: chart.id,
      title: chart.title,
      unit: chart.unit,
      lines: namedLines(chart, report, byId).map(
        ({ line, name, style }): PackedLine => ({
          series: positions.get(line.series) as number,
          name,
          role: line.role,
          style,
        }),
      ),
      marks: chart.marks.map((id) => marks.get(id)).filter((at) => at !== undefined),
    })),
    marks: report.marks.map(({ timeMs, kind, text, reason, subject }) => ({
      timeMs,
      kind,
      text,
      reason,
      subject,
    })),
  };
}

/** Whether there is anything to draw. */
export function hasPoints(chart: ReportChart, byId: ReadonlyMap<string, ReportSeries>): boolean {
  return chart.lines.some(
    ({ series }) => byId.get(series)?.values.some((value) => Number.isFinite(value)) ?? false,
  );
}
