import type { Report } from "../../core/report/model.ts";

/** The report as JSON: docs/formats.md. A gap in a series is null. */
export function reportJson(report: Report): string {
  const series = report.series.map(({ timesMs, values, ...rest }) => ({
    ...rest,
    timesMs: Array.from(timesMs),
    values: Array.from(values, (value) => (Number.isNaN(value) ? null : value)),
  }));
  return `${JSON.stringify({ ...report, series }, null, 1)}\n`;
}
