import { elementById, newElement, type PageElement } from "./dom.ts";
import { type DrawnLine, indexAfter, PLOT_INSETS } from "./drawing.ts";
import { lineStyle, markName } from "./look.ts";
import type { PackedChart } from "./packed.ts";
import { valueText } from "./values.ts";
import type { Shown } from "./view.ts";
import { timeText } from "./zone.ts";

/** The values under the cursor, beside it, and said aloud for those who cannot see it. Runs in the browser. */

const LINES_MAX = 14;
/** A mark this near to the cursor is told with the values. */
const MARK_NEAR_PX = 6;

interface Tip {
  readonly tip: PageElement;
  readonly timeMs: number;
  readonly xPx: number;
  readonly widthPx: number;
  readonly shown: Shown;
  readonly chart: PackedChart;
  readonly lines: readonly DrawnLine[];
}

/** The point nearest to a time; NaN inside of a gap, and where the line has not begun or has ended. */
export function valueNear({ timesMs, values }: DrawnLine, timeMs: number): number {
  const after = indexAfter(timesMs, timeMs);
  const [before, next] = [values[after - 1], values[after]];
  if (before === undefined) return timesMs[after] === timeMs ? (next ?? Number.NaN) : Number.NaN;
  if (Number.isNaN(before) || next === undefined) return timesMs[after - 1] === timeMs ? before : Number.NaN;
  if (Number.isNaN(next)) return before;
  const isNext = (timesMs[after] as number) - timeMs < timeMs - (timesMs[after - 1] as number);
  return isNext ? next : before;
}

export function showTip({ tip, timeMs, xPx, widthPx, shown, chart, lines }: Tip): void {
  const { zone, look, fromMs, toMs } = shown;
  const values = lines
    .filter(({ isHidden }) => !isHidden)
    .map((line) => ({
      line,
      value: line.role === "limit" ? stepValue(line, timeMs) : valueNear(line, timeMs),
    }))
    .filter(({ value }) => !Number.isNaN(value))
    .sort((a, b) => b.value - a.value);
  const rows = values.slice(0, LINES_MAX).map(({ line, value }) => {
    const row = newElement("div", "row");
    const dot = newElement("span", "dot");
    dot.style["background"] = lineStyle(line.role, line.style, look).color;
    const text = newElement("span", "what", line.name);
    row.append(dot, text, newElement("b", "", valueText(value, chart.unit)));
    return row;
  });
  const rest = values.length - rows.length;
  if (rest > 0) rows.push(newElement("div", "more", `and ${rest} more below these`));
  if (values.length === 0) rows.push(newElement("div", "more", "no sample at this time"));
  const nearMs =
    (MARK_NEAR_PX * (toMs - fromMs)) / Math.max(1, widthPx - PLOT_INSETS.left - PLOT_INSETS.right);
  const happened = marksNear(chart, shown, timeMs, nearMs);
  const when = newElement("div", "when", timeText(timeMs, zone));
  tip.replaceChildren(when, ...rows, ...happened);
  const isRight = xPx > widthPx / 2;
  tip.style["left"] = isRight ? "auto" : `${xPx + 14}px`;
  tip.style["right"] = isRight ? `${widthPx - xPx + 14}px` : "auto";
}

function stepValue({ timesMs, values }: DrawnLine, timeMs: number): number {
  const after = indexAfter(timesMs, timeMs);
  return after > 0 ? (values[after - 1] as number) : (values[0] ?? Number.NaN);
}

function marksNear(
  chart: PackedChart,
  { report, zone }: Shown,
  timeMs: number,
  nearMs: number,
): PageElement[] {
  const near = chart.marks.filter((at) => {
    const mark = report.marks[at];
    return mark !== undefined && Math.abs(mark.timeMs - timeMs) <= nearMs;
  });
  return near.slice(0, 5).map((at) => {
    const {
      kind,
      text,
      reason,
      timeMs: markMs,
      subject,
    } = report.marks[at] as Shown["report"]["marks"][number];
    const row = newElement("div", "happened");
    const head = `${at + 1} ${markName(kind)}, ${subject}: ${text}`;
    row.append(newElement("b", "", head), newElement("div", "", reason ?? ""));
    row.append(newElement("div", "more", timeText(markMs, zone)));
    return row;
  });
}

/** What the tip says, for the live region: only where the keyboard moved the cursor. */
export function speakTip(holder: PageElement): void {
  const rows = [...(holder.querySelector(".tip")?.querySelectorAll(".when, .row, .more, .happened") ?? [])];
  elementById("spoken").textContent = rows
    .map((row) => (row.className === "row" ? rowText(row) : (row.textContent ?? "")))
    .join(", ");
}

function rowText(row: PageElement): string {
  return `${row.querySelector(".what")?.textContent ?? ""} ${row.querySelector("b")?.textContent ?? ""}`;
}
