import type { LineRole, MarkKind, ReportUnit } from "../../../core/report/model.ts";
import { type Look, lineStyle, markSymbol } from "./look.ts";
import { axisText, type ValueAxis, valueAxis } from "./values.ts";
import { tickText, timeStepMs, timeTicks } from "./zone.ts";

/** A chart as echarts wants it: the same for the page, SVG and PNG. Runs in the browser too. */

export interface DrawnLine {
  readonly name: string;
  readonly role: LineRole;
  /** {@link lineStyle} */
  readonly style: number;
  readonly timesMs: Float64Array;
  readonly values: Float64Array;
  readonly isHidden: boolean;
  /** Another line is looked at: this one steps back. */
  readonly isFaint: boolean;
}

export interface DrawnMark {
  readonly timeMs: number;
  readonly kind: MarkKind;
  /** Its number in the table of what happened. */
  readonly number: number;
}

export interface Drawing {
  readonly title: string;
  readonly unit: ReportUnit;
  readonly lines: readonly DrawnLine[];
  readonly marks: readonly DrawnMark[];
  readonly fromMs: number;
  readonly toMs: number;
  /** IANA name of the zone of the axis. */
  readonly zone: string;
  readonly look: Look;
  readonly widthPx: number;
}

/** Where the axes' rectangle is inside the drawing, in pixels from each side. */
export const PLOT_INSETS = { left: 76, right: 20, top: 34, bottom: 42 } as const;

export type Option = Readonly<Record<string, unknown>>;

/** The whole option of echarts for a drawing; it has no texts that echarts would take for HTML. */
export function chartOption(drawing: Drawing): Option {
  const { look, lines, unit } = drawing;
  const shown = lines.filter(({ isHidden }) => !isHidden);
  const axis = valueAxis(highestOf(shown, drawing.fromMs, drawing.toMs), unit);
  const axes = lines.map((line) => lineSeries(line, drawing));
  return {
    animation: false,
    backgroundColor: look.paper,
    textStyle: { fontFamily: "system-ui, 'DejaVu Sans', sans-serif", color: look.ink },
    grid: { ...PLOT_INSETS, containLabel: false },
    xAxis: timeAxis(drawing),
    yAxis: [valueAxisOption(axis, unit, look), { type: "value", show: false, min: 0, max: 1 }],
    series: [...axes, ...shown.map((line) => symbolSeries(line, drawing)), ...markSeries(drawing)],
  };
}

function timeAxis({ fromMs, toMs, zone, look, widthPx }: Drawing): Option {
  const ticksMax = Math.max(2, Math.floor((widthPx - 96) / 60));
  const ticks = timeTicks(fromMs, toMs, zone, ticksMax);
  const step = timeStepMs(toMs - fromMs, ticksMax);
  return {
    type: "value",
    min: fromMs,
    max: toMs,
    axisLine: { lineStyle: { color: look.muted } },
    axisTick: { show: true, customValues: ticks, lineStyle: { color: look.muted } },
    axisLabel: {
      customValues: ticks,
      color: look.muted,
      fontSize: 12,
      lineHeight: 15,
      hideOverlap: true,
      formatter: (value: number) => tickText(value, step, zone, value === ticks[0]),
    },
    splitLine: { show: false },
  };
}

function valueAxisOption({ max, step }: ValueAxis, unit: ReportUnit, look: Look): Option {
  return {
    type: "value",
    min: 0,
    max,
    interval: step,
    axisLabel: { color: look.muted, fontSize: 12, formatter: (value: number) => axisText(value, unit) },
    splitLine: { lineStyle: { color: look.grid } },
  };
}

/** The greatest value between two times, and of the points just outside of them, as lines reach to those. */
export function highestOf(lines: readonly DrawnLine[], fromMs: number, toMs: number): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (const { timesMs, values } of lines) {
    const last = Math.min(values.length - 1, indexAfter(timesMs, toMs));
    for (let i = Math.max(0, indexAfter(timesMs, fromMs) - 1); i <= last; i++) {
      const value = values[i] as number;
      if (value > highest) highest = value;
    }
  }
  return highest;
}

/** The first index whose time is after `timeMs`; the length when there is none. */
export function indexAfter(timesMs: Float64Array, timeMs: number): number {
  let low = 0;
  let high = timesMs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((timesMs[middle] as number) <= timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

const FAINT = 0.18;

function lineSeries(line: DrawnLine, { look, fromMs, toMs }: Drawing): Option {
  const { color, dash, widthPx } = lineStyle(line.role, line.style, look);
  // The points that are seen and one more at each side; hidden lines keep their place in the list, without points.
  const first = Math.max(0, indexAfter(line.timesMs, fromMs) - 1);
  const end = line.isHidden ? first : Math.min(line.timesMs.length, indexAfter(line.timesMs, toMs) + 1);
  const data: [number, number][] = [];
  for (let i = first; i < end; i++) data.push([line.timesMs[i] as number, line.values[i] as number]);
  return {
    type: "line",
    name: line.name,
    data,
    showSymbol: false,
    clip: true,
    silent: true,
    step: line.role === "limit" ? "end" : false,
    connectNulls: false,
    z: line.role === "limit" ? 4 : line.role === "total" ? 3 : 2,
    itemStyle: { color },
    lineStyle: {
      color,
      width: widthPx,
      opacity: line.isFaint ? FAINT : 1,
      type: dash.length === 0 ? "solid" : [...dash],
      join: "round",
    },
    emphasis: { disabled: true },
  };
}

const SYMBOLS_PER_LINE = 7;
/** Above so many lines symbols cover more than they tell: fewer of them. */
const LINES_FEW = 6;
const SYMBOLS_OF_MANY = 3;

/** A line's sparse symbols, and a dot at each point that stands alone between gaps, of which no line would be seen. */
function symbolSeries(line: DrawnLine, drawing: Drawing): Option {
  const { color, symbol } = lineStyle(line.role, line.style, drawing.look);
  const { timesMs, values } = line;
  const { fromMs, toMs } = drawing;
  const data: Option[] = [];
  const shownLines = drawing.lines.filter(({ role, isHidden }) => role === "value" && !isHidden).length;
  const every = (toMs - fromMs) / (shownLines > LINES_FEW ? SYMBOLS_OF_MANY : SYMBOLS_PER_LINE);
  // Each line's symbols are at other times than its neighbours'.
  let next = fromMs + every * (0.2 + (line.style % 25) / (shownLines > LINES_FEW ? 30 : 50));
  const end = indexAfter(timesMs, toMs);
  for (let i = indexAfter(timesMs, fromMs - 1); i < end; i++) {
    const time = timesMs[i] as number;
    const value = values[i] as number;
    if (Number.isNaN(value)) continue;
    const isAlone =
      !(values[i - 1] === values[i - 1] && i > 0) &&
      !(values[i + 1] === values[i + 1] && i + 1 < values.length);
    if (isAlone) data.push({ value: [time, value], symbol: "circle", symbolSize: 5 });
    if (time < next) continue;
    next += every * Math.ceil((time - next) / every + 1e-9);
    if (symbol !== null && shownLines > 1) data.push({ value: [time, value], symbol, symbolSize: 8 });
  }
  return {
    type: "line",
    data,
    showAllSymbol: true,
    silent: true,
    clip: true,
    z: 5,
    itemStyle: { color, borderWidth: 1.5, opacity: line.isFaint ? FAINT : 1 },
    lineStyle: { width: 0, opacity: 0 },
    emphasis: { disabled: true },
  };
}

/** A thin upright line at each mark, and its symbol with its number above the plot. */
function markSeries({ marks, look, fromMs, toMs, widthPx }: Drawing): Option[] {
  const seen = marks.filter(({ timeMs }) => timeMs >= fromMs && timeMs <= toMs);
  if (seen.length === 0) return [];
  const uprights: [number, number][] = [];
  for (const { timeMs } of seen) uprights.push([timeMs, 0], [timeMs, 1], [timeMs, Number.NaN]);
  const common = { type: "line", yAxisIndex: 1, silent: true, clip: false, emphasis: { disabled: true } };
  const msPerPx = (toMs - fromMs) / Math.max(1, widthPx - PLOT_INSETS.left - PLOT_INSETS.right);
  const labels = markLabels(seen, msPerPx);
  const symbols = seen.map(({ timeMs, kind }, at) => ({
    value: [timeMs, 1],
    symbol: markSymbol(kind),
    label: { show: labels[at] !== "", formatter: labels[at] },
  }));
  return [
    {
      ...common,
      data: uprights,
      showSymbol: false,
      lineStyle: { color: look.mark, width: 1, opacity: 0.55 },
    },
    {
      ...common,
      data: symbols,
      showAllSymbol: true,
      symbolSize: 9,
      z: 6,
      itemStyle: { color: look.mark, borderWidth: 1.5 },
      lineStyle: { width: 0, opacity: 0 },
      label: { position: "top", distance: 4, color: look.ink, fontSize: 11 },
    },
  ];
}

/** Marks nearer to each other than this share a label; a digit of one is so wide, and labels stand so far apart. */
const CLOSE_PX = 12;
const DIGIT_PX = 6.5;
const BETWEEN_PX = 3;

/**
 * The label of each mark, by time; "" for none. Of those that stand close together the first tells all of them: "4–7",
 * and "4…9" where some between are of other charts.
 */
export function markLabels(marks: readonly DrawnMark[], msPerPx: number): string[] {
  const groups: MarkGroup[] = [];
  const time = (at: number): number => (marks[at] as DrawnMark).timeMs;
  for (let at = 0; at < marks.length; at++) {
    let group = { first: at, last: at };
    // A longer label may now reach to the one before.
    for (let left = groups.at(-1); left !== undefined; left = groups.at(-1)) {
      const letters = groupText(left, marks).length + groupText(group, marks).length;
      const isClose = time(group.first) - time(left.last) < CLOSE_PX * msPerPx;
      const widthPx = (letters * DIGIT_PX) / 2 + BETWEEN_PX;
      if (!isClose && time(group.first) - time(left.first) >= widthPx * msPerPx) break;
      group = { first: left.first, last: group.last };
      groups.pop();
    }
    groups.push(group);
  }
  const labels = marks.map(() => "");
  for (const group of groups) labels[group.first] = groupText(group, marks);
  return labels;
}

/** Marks under one label, by their places. */
interface MarkGroup {
  readonly first: number;
  readonly last: number;
}

function groupText({ first, last }: MarkGroup, marks: readonly DrawnMark[]): string {
  const [from, to] = [(marks[first] as DrawnMark).number, (marks[last] as DrawnMark).number];
  return first === last ? String(from) : `${from}${to - from === last - first ? "–" : "…"}${to}`;
}
