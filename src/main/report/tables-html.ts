import type { Report, ReportAdvice, StatisticsRow } from "../../core/report/model.ts";
import { escapeHtml } from "./html.ts";
import { type Column, tableHtml, timeHtml } from "./html-parts.ts";
import { markName } from "./page/look.ts";
import { valueText } from "./page/values.ts";

/** What happened, the statistics, and the advice. */

const MARK_COLUMNS: readonly Column[] = [
  { title: "No.", isNumber: true },
  { title: "Time", isNumber: false },
  { title: "Kind", isNumber: false },
  { title: "Of", isNumber: false },
  { title: "What", isNumber: false },
  { title: "Why", isNumber: false },
];

export function marksHtml(report: Report, zone: string): string {
  const rows = report.marks.map(({ timeMs, kind, text, reason, subject }, at) => [
    String(at + 1),
    timeHtml(timeMs, zone),
    markName(kind),
    escapeHtml(subject),
    escapeHtml(text),
    escapeHtml(reason ?? ""),
  ]);
  return [
    '<section id="happened" aria-labelledby="happened-title">',
    '<h2 id="happened-title">What happened</h2>',
    rows.length === 0
      ? '<p class="empty">No level was crossed and nothing was done, as far as the dataset and its audit log say.</p>'
      : `<p class="about">The numbers are those above the upright lines in the charts.</p>
${tableHtml("Levels and actions, by time", MARK_COLUMNS, rows)}`,
    "</section>",
  ].join("\n");
}

const STATISTICS_COLUMNS: readonly Column[] = [
  { title: "Of", isNumber: false },
  { title: "Samples", isNumber: true },
  { title: "Mean", isNumber: true },
  { title: "Deviation", isNumber: true },
  { title: "Skewness", isNumber: true },
  { title: "Kurtosis", isNumber: true },
  { title: "Lowest", isNumber: true },
  { title: "Lower quartile", isNumber: true },
  { title: "Median", isNumber: true },
  { title: "Upper quartile", isNumber: true },
  { title: "Highest", isNumber: true },
];

export function statisticsHtml({ statistics }: Report, zone: string): string {
  const rows = statistics.map((row) => statisticsCells(row, zone));
  const about =
    "From all samples, not from the points that are drawn. Kurtosis is the excess over the normal distribution's.";
  return [
    '<section id="statistics" aria-labelledby="statistics-title">',
    '<h2 id="statistics-title">Statistics</h2>',
    rows.length === 0
      ? '<p class="empty">There are no samples to count.</p>'
      : `<p class="about">${about}</p>\n${tableHtml("Statistics of each measured line", STATISTICS_COLUMNS, rows)}`,
    "</section>",
  ].join("\n");
}

function statisticsCells(row: StatisticsRow, zone: string): string[] {
  const { unit } = row;
  const value = (number: number | null): string =>
    number === null ? DASH : escapeHtml(valueText(number, unit));
  const plain = (number: number | null): string => (number === null ? DASH : number.toFixed(2));
  const dated = (number: number | null, ms: number | null): string =>
    ms === null ? value(number) : `${value(number)}<br>${timeHtml(ms, zone)}`;
  return [
    escapeHtml(row.name),
    row.count.toLocaleString("en-GB"),
    value(row.mean),
    value(row.deviation),
    plain(row.skewness),
    plain(row.kurtosis),
    dated(row.min, row.minTimeMs),
    value(row.lowerQuartile),
    value(row.median),
    value(row.upperQuartile),
    dated(row.max, row.maxTimeMs),
  ];
}

/** Read aloud it is a word, not a hyphen. */
const DASH = '<span title="too few samples">n/a</span>';

export function adviceHtml({ advice }: Report): string {
  const parts = advice.map((each) => oneAdvice(each));
  return [
    '<section id="advice" aria-labelledby="advice-title">',
    '<h2 id="advice-title">Recommended</h2>',
    parts.length === 0 ? '<p class="empty">Nothing is recommended from these samples.</p>' : parts.join("\n"),
    "</section>",
  ].join("\n");
}

function oneAdvice({ title, text, figures, command }: ReportAdvice): string {
  const list = figures.map(
    ({ name, value }) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`,
  );
  return [
    `<div class="advice"><h3>${escapeHtml(title)}</h3><p>${escapeHtml(text)}</p>`,
    list.length === 0 ? "" : `<dl>${list.join("")}</dl>`,
    command === null ? "" : `<pre tabindex="0"><code>${escapeHtml(command)}</code></pre>`,
    "</div>",
  ].join("");
}
