import { figureName, figureValue } from "../../core/audit/figures.ts";
import type { ResourceStatus } from "../../core/resources/report.ts";
import type { Figures, Resource } from "../../core/resources/resource.ts";
import { formatDuration } from "../../core/units.ts";
import type { GuardStatus } from "../coordinator/status.ts";

/** How a resource stands, memory among them: what `status --json` has as `resources`. */
export interface ResourceRow extends Omit<ResourceStatus, "resource"> {
  readonly resource: Resource | "memory";
}

/** Memory, as the others are told of. */
export function memoryRow({ memory, scope, lastAction, lastActionAt }: GuardStatus): ResourceRow {
  const { availableBytes, stallShare, fillBytesPerSecond, totalBytes, swapFreeBytes } = memory;
  return {
    resource: "memory",
    subject: scope,
    level: memory.level as ResourceRow["level"],
    numbers: { availableBytes, stallShare, fillBytesPerSecond, totalBytes, swapFreeBytes },
    timeToExhaustionMs: memory.timeToExhaustionMs,
    lastAction:
      lastAction === null || lastActionAt === null
        ? null
        : {
            verb: lastAction.outcome === "noted" ? "notify" : "end",
            target: null,
            outcome: lastAction.outcome,
            wallMs: Date.parse(lastActionAt),
          },
  };
}

const HEAD = ["resource", "subject", "level", "figures", "rate", "left", "last action"];
const GAP = "  ";
/** No line is longer, so that it fits a terminal of 100 columns. */
const WIDTH = 99;
/** At most so wide; the last column has what is left. */
const WIDEST = [8, 18, 8, 28, 10, 6] as const;
/** Exhaustion further away than this is not worth a figure. */
const FAR_MS = 7 * 86_400_000;

const RATE = /Per(?:Second|Minute)$/;

/** A table with a line each, and a heading. */
export function resourceTable(rows: readonly ResourceRow[], nowMs: number): string {
  const cells = rows.map((row) => cellsOf(row, nowMs));
  const widths = WIDEST.map((widest, i) => {
    const longest = Math.max(...[HEAD, ...cells].map((line) => (line[i] as string).length));
    return Math.min(widest, longest);
  });
  const rest = WIDTH - widths.reduce((sum, width) => sum + width + GAP.length, 0);
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, i) => {
        const width = widths[i] ?? rest;
        // Of a path or a name of a cgroup the end says more than the begin.
        const fits = i === 1 ? cutBegin(text, width) : cutEnd(text, width);
        return fits.padEnd(width);
      })
      .join(GAP)
      .trimEnd();
  return `${[HEAD, ...cells].map(line).join("\n")}\n`;
}

function cellsOf(row: ResourceRow, nowMs: number): string[] {
  const known = Object.entries(row.numbers).filter(([, value]) => value !== null);
  const rate = known.find(([name]) => RATE.test(name));
  const figures = known.filter(([name]) => !RATE.test(name));
  return [
    row.resource,
    printable(row.subject),
    row.level,
    figuresCell(Object.fromEntries(figures)),
    rate === undefined ? "-" : figureValue(...rate),
    leftCell(row.timeToExhaustionMs),
    actionCell(row, nowMs),
  ];
}

/** As many figures as there is room for, the first ones first. */
function figuresCell(figures: Figures): string {
  let cell = "";
  for (const [name, value] of Object.entries(figures)) {
    const next = `${cell === "" ? "" : `${cell}, `}${figureName(name)} ${figureValue(name, value)}`;
    if (next.length > WIDEST[3] && cell !== "") continue;
    cell = next;
  }
  return cell === "" ? "-" : cell;
}

function leftCell(timeToExhaustionMs: number | null): string {
  if (timeToExhaustionMs === null || timeToExhaustionMs > FAR_MS) return "-";
  return roughly(timeToExhaustionMs);
}

function actionCell({ lastAction }: ResourceRow, nowMs: number): string {
  if (lastAction === null) return "-";
  const { verb, target, outcome, wallMs } = lastAction;
  const ago = `${roughly(Math.max(0, nowMs - wallMs))} ago`;
  return printable(`${ago}: ${verb} ${outcome}${target === null ? "" : ` ${target}`}`);
}

/** To two units at most: `340ms`, `12s`, `4m`, `3h20m`. */
function roughly(durationMs: number): string {
  if (durationMs < 1000) return formatDuration(Math.round(durationMs / 10) * 10);
  if (durationMs < 600_000) return formatDuration(Math.round(durationMs / 1000) * 1000);
  return formatDuration(Math.round(durationMs / 60_000) * 60_000);
}

function cutEnd(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

function cutBegin(text: string, width: number): string {
  return text.length <= width ? text : `…${text.slice(text.length - width + 1)}`;
}

/** Names of mounts, interfaces and processes may hold what a terminal takes for orders. */
function printable(text: string): string {
  return text.replace(/[\0-\x1f\x7f-\x9f\u2028\u2029]/g, "?");
}
