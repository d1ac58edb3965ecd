import { figureName, figureValue } from "../../core/audit/figures.ts";
import type { ResourceStatus } from "../../core/resources/report.ts";
import { RESOURCES, type Resource } from "../../core/resources/resource.ts";
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
const SUBJECT = 1;
const FIGURES = 3;
const ACTION = 6;
const GAP = "  ";
/** No line is longer, so that it fits a terminal of 100 columns. */
const WIDTH = 99;
/** At most so wide; the last column has what is left. Figures may have what the others leave. */
const WIDEST = [8, 18, 8, 28, 10, 6] as const;
const FIGURES_WIDEST = 50;
/** Exhaustion further away than this is not worth a figure. */
const FAR_MS = 7 * 86_400_000;

const RATE = /Per(?:Second|Minute)$/;

/** A table with a line each, and a heading. */
export function resourceTable(rows: readonly ResourceRow[], nowMs: number): string {
  return tableOf(rows.map((row) => cellsOf(row, nowMs)));
}

/** The same with a line for each resource of which there is nothing to tell, and why. */
export function statusTable(rows: readonly ResourceRow[], guards: readonly string[], nowMs: number): string {
  const absent = RESOURCES.filter((resource) => rows.every((row) => row.resource !== resource));
  const lines = absent.map((resource) => {
    const why = guards.includes(resource) ? "nothing seen" : "not guarded";
    return [resource, "-", "-", why, "-", "-", "-"];
  });
  return tableOf([...rows.map((row) => cellsOf(row, nowMs)), ...lines]);
}

function tableOf(cells: readonly (readonly string[])[]): string {
  const all = [HEAD, ...cells];
  const longest = HEAD.map((_, i) => Math.max(...all.map((line) => (line[i] as string).length)));
  const widths = WIDEST.map((widest, i) => Math.min(widest, longest[i] as number));
  const taken = widths.reduce((sum, width) => sum + width + GAP.length, 0);
  const spare = Math.max(0, WIDTH - taken - (longest[ACTION] as number));
  const figuresRoom = Math.min(FIGURES_WIDEST, WIDEST[FIGURES] + spare);
  const shown = all.map((line) => line.with(FIGURES, wholeFigures(line[FIGURES] as string, figuresRoom)));
  widths[FIGURES] = Math.max(...shown.map((line) => (line[FIGURES] as string).length));
  const rest = WIDTH - widths.reduce((sum, width) => sum + width + GAP.length, 0);
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, i) => {
        const width = widths[i] ?? rest;
        // Of a path or a name of a cgroup the end says more than the begin.
        const fits = i === SUBJECT ? cutBegin(text, width) : cutEnd(text, width);
        return fits.padEnd(width);
      })
      .join(GAP)
      .trimEnd();
  return `${shown.map(line).join("\n")}\n`;
}

function cellsOf(row: ResourceRow, nowMs: number): string[] {
  const known = Object.entries(row.numbers).filter(([, value]) => value !== null);
  const rate = known.find(([name]) => RATE.test(name));
  const figures = known.filter(([name]) => !RATE.test(name));
  const words = figures.map(([name, value]) => `${figureName(name)} ${figureValue(name, value)}`);
  return [
    row.resource,
    printable(row.subject),
    row.level,
    words.length === 0 ? "-" : words.join(BETWEEN),
    rate === undefined ? "-" : figureValue(...rate),
    leftCell(row.timeToExhaustionMs),
    actionCell(row, nowMs),
  ];
}

const BETWEEN = ", ";

/** As many figures as there is room for, the first ones first; the first of all is cut rather than left out. */
function wholeFigures(text: string, room: number): string {
  let cell = "";
  for (const figure of text.split(BETWEEN)) {
    const next = cell === "" ? figure : `${cell}${BETWEEN}${figure}`;
    if (next.length > room && cell !== "") break;
    cell = next;
  }
  return cutEnd(cell, room);
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
