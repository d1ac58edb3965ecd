import { formatBytes } from "../../core/units.ts";
import type { CgroupFigures } from "../../core/rescue/figures.ts";

const HEAD = ["usage", "limit", "lent", "min", "median", "p99", "max", "samples", "cgroup"];

function bytes(value: number | null): string {
  return value === null ? "-" : formatBytes(value);
}

/** What a cgroup was lent, or lent to others. */
function moved({ lentBytes, reducedBytes }: CgroupFigures): string {
  if (lentBytes > 0) return `+${formatBytes(lentBytes)}`;
  return reducedBytes > 0 ? `-${formatBytes(reducedBytes)}` : "-";
}

/** What is known of the followed cgroups, a line each. */
export function cgroupTable(figures: readonly CgroupFigures[]): string {
  const rows = figures.map((each) => [
    bytes(each.usageBytes),
    bytes(each.limitBytes),
    moved(each),
    bytes(each.minBytes),
    bytes(each.medianBytes),
    bytes(each.p99Bytes),
    bytes(each.maxBytes),
    String(each.samples),
    each.path,
  ]);
  const widths = HEAD.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => (row[i] as string).length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === cells.length - 1 ? cell : cell.padStart(widths[i] as number)))
      .join("  ")
      .trimEnd();
  return `${[HEAD, ...rows].map(line).join("\n")}\n`;
}
