import type { LineRole, MarkKind } from "../../../core/report/model.ts";

/** Colours, dashes and symbols of what is drawn: in the page, and in SVG and PNG. Runs in the browser too. */

export interface Look {
  readonly ink: string;
  readonly muted: string;
  readonly grid: string;
  readonly paper: string;
  /** Limits are red and dashed, nothing else is. */
  readonly limit: string;
  readonly mark: string;
  readonly lines: readonly string[];
}

/** Told apart in the common kinds of colour blindness, after Okabe and Ito; at least 4 : 1 against the paper. */
export const LIGHT_LOOK: Look = {
  ink: "#1c2430",
  muted: "#576273",
  grid: "#e3e7ed",
  paper: "#ffffff",
  limit: "#cf222e",
  mark: "#7a4a00",
  lines: ["#0b69b0", "#a85f00", "#00745a", "#a2409a", "#5552cf", "#0b7480", "#76581c", "#566273"],
};
export const DARK_LOOK: Look = {
  ink: "#e8edf4",
  muted: "#a3afbf",
  grid: "#2c3542",
  paper: "#161c25",
  limit: "#ff7b7b",
  mark: "#f2c14e",
  lines: ["#63b3f7", "#f0a63a", "#43d0a0", "#e391da", "#aaa8ff", "#55d3de", "#d9b673", "#b3bfce"],
};

/** SVG's stroke-dasharray; with the colours they make 8 x 4 lines that differ. */
const DASHES: readonly (readonly number[])[] = [[], [7, 3], [2, 3], [9, 3, 2, 3]];
const LIMIT_DASH = [8, 5];
/** Drawn sparsely along a line, so that it is known without its colour. */
const SYMBOLS = ["circle", "rect", "triangle", "diamond", "emptyCircle", "emptyRect", "emptyTriangle"];

export interface LineStyle {
  readonly color: string;
  readonly dash: readonly number[];
  readonly widthPx: number;
  /** Null: none is drawn; role and dash tell enough. */
  readonly symbol: string | null;
}

/** @param style which of the lines: 0 and up, the same for one group in all charts that compare groups */
export function lineStyle(role: LineRole, style: number, look: Look): LineStyle {
  if (role === "limit") return { color: look.limit, dash: LIMIT_DASH, widthPx: 2, symbol: null };
  if (role === "total") return { color: look.ink, dash: [], widthPx: 2.5, symbol: null };
  const colors = look.lines.length;
  return {
    color: look.lines[style % colors] as string,
    dash: DASHES[Math.floor(style / colors) % DASHES.length] as readonly number[],
    widthPx: 1.6,
    symbol: SYMBOLS[style % SYMBOLS.length] as string,
  };
}

/** What a mark of each kind is called and drawn as. */
const MARK_KINDS: Readonly<Record<MarkKind, { readonly name: string; readonly symbol: string }>> = {
  level: { name: "level", symbol: "triangle" },
  dump: { name: "dump", symbol: "diamond" },
  signal: { name: "signal", symbol: "arrow" },
  wait: { name: "wait", symbol: "emptyDiamond" },
  command: { name: "command", symbol: "rect" },
  callback: { name: "callback", symbol: "emptyRect" },
  rescue: { name: "rescue", symbol: "circle" },
  kill: { name: "ended", symbol: "pin" },
  other: { name: "other", symbol: "emptyCircle" },
  clock: { name: "clock", symbol: "emptyTriangle" },
  note: { name: "note", symbol: "emptyCircle" },
};

export function markName(kind: MarkKind): string {
  return MARK_KINDS[kind].name;
}

export function markSymbol(kind: MarkKind): string {
  return MARK_KINDS[kind].symbol;
}
