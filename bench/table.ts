import { type Figure, isMet } from "./figures.ts";

const HEAD = ["figure", "ours", "against", "ratio", "target", ""];

/** The figures as a table for a terminal. */
export function figureTable(figures: readonly Figure[]): string {
  if (figures.length === 0) return "  nothing measured";
  const rows = [HEAD, ...figures.map(cellsOf)];
  const widths = HEAD.map((_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length)));
  return rows
    .map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ")}`.trimEnd())
    .join("\n");
}

/** A figure in words: name, ours, what it is against, their ratio with its quartiles, the target, met or missed. */
export function cellsOf(figure: Figure): string[] {
  const { name, unit, ours, reference, against, ratio } = figure;
  const met = isMet(figure);
  return [
    name,
    `${round(ours)} ${unit}`,
    reference === null ? "" : `${round(reference)} ${unit} (${against})`,
    ratio === null ? "" : ratioText(ratio),
    targetText(figure),
    met === null ? "" : met ? "met" : "missed",
  ];
}

function ratioText({ median, lower, upper }: NonNullable<Figure["ratio"]>): string {
  const text = `${median.toFixed(2)} x`;
  return lower === upper ? text : `${text} (${lower.toFixed(2)} to ${upper.toFixed(2)})`;
}

function targetText({ target, unit }: Figure): string {
  if (target === null) return "";
  const sign = target.inclusive ? "at most" : "under";
  return `${sign} ${target.limit} ${target.of === "ratio" ? "x" : unit}`;
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** A table of Markdown. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
