import type {
  LineRole,
  Report,
  ReportChart,
  ReportMark,
  ReportSection,
  ReportSeries,
} from "../../core/report/model.ts";
import { escapeHtml } from "./html.ts";
import { type Column, elementId, tableHtml, timeHtml } from "./html-parts.ts";
import { chartDescription, keyValues } from "./key-values.ts";
import { hasPoints, type NamedLine, namedLines, seriesById } from "./pack.ts";
import { DARK_LOOK, LIGHT_LOOK, lineStyle } from "./page/look.ts";
import { valueText } from "./page/values.ts";

/** What the charts' parts have in common, looked up once. */
export interface ChartContext {
  readonly report: Report;
  readonly byId: ReadonlyMap<string, ReportSeries>;
  readonly marks: ReadonlyMap<string, { readonly mark: ReportMark; readonly number: number }>;
  readonly zone: string;
}

export function chartContext(report: Report, zone: string): ChartContext {
  const marks = new Map(report.marks.map((mark, at) => [mark.id, { mark, number: at + 1 }]));
  return { report, byId: seriesById(report), marks, zone };
}

export function sectionHtml(section: ReportSection, context: ChartContext): string {
  const charts = section.charts.map((chart) => chartHtml(chart, context));
  const id = elementId("section", section.id);
  return [
    `<section id="${id}" aria-labelledby="${id}_title">`,
    `<h2 id="${id}_title">${escapeHtml(section.title)}</h2>`,
    section.about === "" ? "" : `<p class="about">${escapeHtml(section.about)}</p>`,
    charts.length === 0 ? '<p class="empty">Nothing of this kind is in the dataset.</p>' : "",
    ...charts,
    "</section>",
  ].join("\n");
}

function chartHtml(chart: ReportChart, context: ChartContext): string {
  const lines = namedLines(chart, context.report, context.byId);
  const marks = chart.marks.map((id) => context.marks.get(id)?.mark).filter((mark) => mark !== undefined);
  const id = elementId("chart", chart.id);
  const head = [
    `<figure class="chart" id="${id}" aria-labelledby="${id}_title">`,
    `<figcaption><h3 id="${id}_title">${escapeHtml(chart.title)}</h3>`,
    `<p>${escapeHtml(chart.about)}</p></figcaption>`,
  ].join("\n");
  if (!hasPoints(chart, context.byId)) {
    return `${head}\n<p class="empty">There is nothing to draw: the dataset has no samples of this.</p>\n</figure>`;
  }
  const description = escapeHtml(chartDescription(chart, lines, marks, context.zone));
  return [
    head,
    `<div class="plot" role="img" tabindex="0" aria-label="${description}"></div>`,
    legendHtml(lines),
    keyTable(chart, lines, context.zone),
    "</figure>",
  ].join("\n");
}

function legendHtml(lines: readonly NamedLine[]): string {
  const hasSymbols = lines.filter(({ line }) => line.role === "value").length > 1;
  const items = lines.map(({ name, line, style }, at) => {
    const sample = sampleSvg(line.role, style, hasSymbols);
    const text = escapeHtml(name);
    return `<button type="button" data-line="${at}" aria-pressed="true">${sample}<span>${text}</span></button>`;
  });
  return `<div class="legend" role="group" aria-label="Lines shown">${items.join("")}</div>`;
}

/** A piece of the line as it is drawn; the light and the dark colour, of which the style shows one. */
function sampleSvg(role: LineRole, style: number, hasSymbols: boolean): string {
  const { color, dash, widthPx, symbol } = lineStyle(role, style, LIGHT_LOOK);
  const dark = lineStyle(role, style, DARK_LOOK).color;
  const dashes = dash.length === 0 ? "" : ` stroke-dasharray="${dash.join(" ")}"`;
  const path = `<path d="M0 6H30" fill="none" stroke-width="${Math.max(2, widthPx)}"${dashes}/>`;
  const shape = symbol === null || !hasSymbols ? "" : (SHAPES[symbol] ?? "");
  const colors = `style="--light:${color};--dark:${dark}"`;
  return `<svg class="sample" width="30" height="12" aria-hidden="true" ${colors}>${path}${shape}</svg>`;
}

const SHAPES: Readonly<Record<string, string>> = {
  circle: '<circle cx="15" cy="6" r="4"/>',
  rect: '<rect x="11" y="2" width="8" height="8"/>',
  triangle: '<path d="M15 2L19 10H11Z"/>',
  diamond: '<path d="M15 1.5L19 6L15 10.5L11 6Z"/>',
  emptyCircle: '<circle class="hollow" cx="15" cy="6" r="3.5"/>',
  emptyRect: '<rect class="hollow" x="11.5" y="2.5" width="7" height="7"/>',
  emptyTriangle: '<path class="hollow" d="M15 2.5L18.5 9.5H11.5Z"/>',
};

const KEY_COLUMNS: readonly Column[] = [
  { title: "Line", isNumber: false },
  { title: "First", isNumber: true },
  { title: "Lowest", isNumber: true },
  { title: "Highest", isNumber: true },
  { title: "Last", isNumber: true },
  { title: "Gaps", isNumber: true },
];

function keyTable(chart: ReportChart, lines: readonly NamedLine[], zone: string): string {
  const rows = lines.map(({ name, series }) => {
    const key = keyValues(series);
    if (key === null) return [escapeHtml(name), ...KEY_COLUMNS.slice(1).map(() => "no samples")];
    const text = (value: number): string => escapeHtml(valueText(value, chart.unit));
    return [
      escapeHtml(name),
      text(key.first),
      `${text(key.min)}<br>${timeHtml(key.minMs, zone)}`,
      `${text(key.max)}<br>${timeHtml(key.maxMs, zone)}`,
      text(key.last),
      String(key.gapCount),
    ];
  });
  const table = tableHtml(`Key values of: ${chart.title}`, KEY_COLUMNS, rows);
  return `<details><summary>Key values as a table</summary>${table}</details>`;
}
