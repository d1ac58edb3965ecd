import { createRequire } from "node:module";
import type * as echarts from "echarts";
import type { Report, ReportChart, ReportMark } from "../../core/report/model.ts";
import { escapeHtml } from "./html.ts";
import { chartDescription } from "./key-values.ts";
import { type NamedLine, namedLines } from "./pack.ts";
import { chartOption, PLOT_INSETS } from "./page/drawing.ts";
import { LIGHT_LOOK, type LineStyle, lineStyle, markName } from "./page/look.ts";
import { timeText } from "./page/zone.ts";
import { zoneOf } from "./render-html.ts";

/** One chart as a picture of its own: with its title, its legend and, numbered, what happened. */

/** echarts' own bundle that can draw SVG: one file, where its modules, of which there are hundreds, take seconds to load. */
const { init } = createRequire(import.meta.url)("echarts/dist/echarts.common.min.js") as typeof echarts;

const WIDTH_PX = 1200;
const PLOT_HEIGHT_PX = 430;
const MARGIN_PX = 24;
const FONT = "system-ui, 'DejaVu Sans', sans-serif";
const LEGEND_ROW_PX = 22;
const TEXT_ROW_PX = 19;
/** So wide a letter is at most on average, at 13 px; a wider text is squeezed (textLength). */
const LETTER_PX = 7.8;
const MARKS_TOLD = 40;

/**
 * A chart as an SVG document, light, in the recording host's zone. Texts of others are escaped; a title and a description
 * tell a screen reader what is seen. @throws Error when the chart names a series that the report lacks
 */
export function renderSvg(chart: ReportChart, report: Report): string {
  const zone = zoneOf(report);
  const lines = namedLines(chart, report);
  const numbers = new Map(report.marks.map((mark, at) => [mark.id, { mark, number: at + 1 }]));
  const marks = chart.marks.map((id) => numbers.get(id)).filter((mark) => mark !== undefined);
  const head = headOf(chart, zone);
  const legend = legendOf(lines, head.bottomPx);
  const plot = plotOf(chart, report, lines, marks);
  const told = marksOf(marks, legend.bottomPx + PLOT_HEIGHT_PX, zone);
  const heightPx = Math.ceil(told.bottomPx + MARGIN_PX / 2);
  const only = marks.map(({ mark }) => mark);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH_PX}" height="${heightPx}" viewBox="0 0 ${WIDTH_PX} ${heightPx}" role="img" font-family="${FONT}">`,
    `<title>${escapeHtml(chart.title)}</title>`,
    `<desc>${escapeHtml(chartDescription(chart, lines, only, zone))}</desc>`,
    `<rect width="100%" height="100%" fill="${LIGHT_LOOK.paper}"/>`,
    head.svg,
    legend.svg,
    `<g transform="translate(0 ${legend.bottomPx})">${plot}</g>`,
    told.svg,
    "</svg>\n",
  ].join("\n");
}

interface Part {
  readonly svg: string;
  readonly bottomPx: number;
}

interface NumberedMark {
  readonly mark: ReportMark;
  readonly number: number;
}

function textSvg(
  xPx: number,
  yPx: number,
  text: string,
  sizePx: number,
  color: string,
  roomPx: number,
): string {
  const room = Math.max(1, Math.floor(roomPx / ((LETTER_PX * sizePx) / 13)));
  const cut = text.length > room ? `${text.slice(0, room - 1)}…` : text;
  return `<text x="${xPx}" y="${yPx}" font-size="${sizePx}" fill="${color}">${escapeHtml(cut)}</text>`;
}

function headOf(chart: ReportChart, zone: string): Part {
  const room = WIDTH_PX - 2 * MARGIN_PX;
  const title = textSvg(MARGIN_PX, 36, chart.title, 20, LIGHT_LOOK.ink, room);
  const rows = wrap(`${chart.about} Times are in ${zone}.`.trim(), Math.floor(room / LETTER_PX)).slice(0, 3);
  const about = rows.map((row, at) =>
    textSvg(MARGIN_PX, 60 + at * TEXT_ROW_PX, row, 13, LIGHT_LOOK.muted, room),
  );
  return { svg: [title, ...about].join("\n"), bottomPx: 66 + rows.length * TEXT_ROW_PX };
}

/** In rows of at most so many letters; a word that is longer stands in a row of its own. */
function wrap(text: string, letters: number): string[] {
  const rows: string[] = [];
  let row = "";
  for (const word of text.split(/\s+/)) {
    if (row !== "" && row.length + 1 + word.length > letters) {
      rows.push(row);
      row = word;
    } else row = row === "" ? word : `${row} ${word}`;
  }
  return row === "" ? rows : [...rows, row];
}

function legendOf(lines: readonly NamedLine[], topPx: number): Part {
  const hasSymbols = lines.filter(({ line }) => line.role === "value").length > 1;
  let xPx = MARGIN_PX;
  let yPx = topPx;
  const items = lines.map(({ name, line, style }) => {
    const widthPx = Math.min(WIDTH_PX - 2 * MARGIN_PX, 64 + name.length * LETTER_PX);
    if (xPx > MARGIN_PX && xPx + widthPx > WIDTH_PX - MARGIN_PX) {
      xPx = MARGIN_PX;
      yPx += LEGEND_ROW_PX;
    }
    const item = sample(xPx, yPx, lineStyle(line.role, style, LIGHT_LOOK), hasSymbols);
    const text = textSvg(xPx + 42, yPx + 13, name, 13, LIGHT_LOOK.ink, widthPx - 42);
    xPx += widthPx;
    return `${item}${text}`;
  });
  return { svg: items.join("\n"), bottomPx: yPx + (lines.length === 0 ? 0 : LEGEND_ROW_PX) };
}

function sample(
  xPx: number,
  yPx: number,
  { color, dash, widthPx, symbol }: LineStyle,
  hasSymbols: boolean,
): string {
  const dashes = dash.length === 0 ? "" : ` stroke-dasharray="${dash.join(" ")}"`;
  const line = `<path d="M${xPx} ${yPx + 9}h34" stroke="${color}" stroke-width="${Math.max(2, widthPx)}" fill="none"${dashes}/>`;
  if (symbol === null || !hasSymbols) return line;
  const fill = symbol.startsWith("empty") ? LIGHT_LOOK.paper : color;
  const shape = SHAPES[symbol.replace(/^empty/, "").toLowerCase()] as string;
  const at = `transform="translate(${xPx + 17} ${yPx + 9})"`;
  return `${line}<path ${at} d="${shape}" fill="${fill}" stroke="${color}" stroke-width="1.5"/>`;
}

/** Around 0, 0. */
const SHAPES: Readonly<Record<string, string>> = {
  circle: "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
  rect: "M-4 -4h8v8h-8z",
  triangle: "M0 -4L4 4H-4z",
  diamond: "M0 -5L4 0L0 5L-4 0z",
};

function plotOf(
  chart: ReportChart,
  report: Report,
  lines: readonly NamedLine[],
  marks: readonly NumberedMark[],
): string {
  const { fromMs, toMs } = report.span ?? { fromMs: 0, toMs: 0 };
  const isPoint = toMs - fromMs < 1000;
  const drawn = init(null, null, { renderer: "svg", ssr: true, width: WIDTH_PX, height: PLOT_HEIGHT_PX });
  try {
    const option = chartOption({
      title: chart.title,
      unit: chart.unit,
      lines: lines.map(({ name, line, series, style }) => ({
        name,
        role: line.role,
        style,
        timesMs: series.timesMs,
        values: series.values,
        isHidden: false,
        isFaint: false,
      })),
      marks: marks.map(({ mark: { timeMs, kind }, number }) => ({ timeMs, kind, number })),
      fromMs: isPoint ? fromMs - 30_000 : fromMs,
      toMs: isPoint ? toMs + 30_000 : toMs,
      zone: zoneOf(report),
      look: LIGHT_LOOK,
      widthPx: WIDTH_PX,
    });
    drawn.setOption({ ...option, textStyle: { fontFamily: FONT } });
    const empty = lines.every(({ series }) => series.values.every((value) => Number.isNaN(value)));
    return empty ? `${drawn.renderToSVGString()}${emptyText()}` : drawn.renderToSVGString();
  } finally {
    drawn.dispose();
  }
}

function emptyText(): string {
  const text = "The dataset has no samples of this.";
  return textSvg(PLOT_INSETS.left + 24, PLOT_HEIGHT_PX / 2, text, 16, LIGHT_LOOK.muted, WIDTH_PX);
}

function marksOf(marks: readonly NumberedMark[], topPx: number, zone: string): Part {
  const room = WIDTH_PX - 2 * MARGIN_PX;
  const rows = marks.slice(0, MARKS_TOLD).map(({ mark, number }) => {
    const reason = mark.reason === null ? "" : ` (${mark.reason})`;
    return `${number}  ${timeText(mark.timeMs, zone)}  ${markName(mark.kind)}, ${mark.subject}: ${mark.text}${reason}`;
  });
  if (marks.length > MARKS_TOLD) rows.push(`and ${marks.length - MARKS_TOLD} more`);
  const texts = rows.map((row, at) =>
    textSvg(MARGIN_PX, topPx + 14 + at * TEXT_ROW_PX, row, 12, LIGHT_LOOK.ink, room),
  );
  return { svg: texts.join("\n"), bottomPx: topPx + (rows.length === 0 ? 0 : 8 + rows.length * TEXT_ROW_PX) };
}
