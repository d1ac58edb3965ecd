import type { MeasurePolicy } from "../policy/applications.ts";

/**
 * Lines of the form that the NSO memory measurement tool writes, byte for byte, for scripts that read them. Its percent
 * is that of a shell: whole, cut off. Unlike there, what is exactly at the warning's share is a warning (the tool takes
 * it for critical).
 */

const KIB = 1024;
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const two = (value: number): string => String(value).padStart(2, "0");

/**
 * A time as date(1) prints it with LC_TIME=C: `%a %b %e %H:%M:%S %Z %Y`.
 * @param offsetMinutes what the local time is ahead of UTC
 * @param zone the zone's abbreviation, such as `CET`
 */
export function dateLine(wallMs: number, offsetMinutes: number, zone: string): string {
  const local = new Date(wallMs + offsetMinutes * 60_000);
  const day = DAYS[local.getUTCDay()] as string;
  const month = MONTHS[local.getUTCMonth()] as string;
  const time = [local.getUTCHours(), local.getUTCMinutes(), local.getUTCSeconds()].map(two).join(":");
  const date = String(local.getUTCDate()).padStart(2, " ");
  return `${day} ${month} ${date} ${time} ${zone} ${local.getUTCFullYear()}`;
}

/** What the lines of one look are made of; bytes, null where not known. */
export interface MonitorFigures {
  readonly totalBytes: number | null;
  readonly freeBytes: number | null;
  readonly availableBytes: number | null;
  readonly committedBytes: number | null;
  readonly commitLimitBytes: number | null;
}

interface Wording {
  readonly what: string;
  readonly limit: string;
}

const PHYSICAL: Wording = { what: "Physical Memory Usage", limit: "MemTotal" };
const ALLOCATED: Wording = { what: "Committed_AS", limit: "CommitLimit" };

/**
 * The lines of one look, ended by newlines: one a measure that the policy has and whose figures are known.
 * @param date as {@link dateLine} gives it
 */
export function monitorLines(
  date: string,
  figures: MonitorFigures,
  physical: MeasurePolicy | null,
  allocated: MeasurePolicy | null,
): string[] {
  const { totalBytes, committedBytes, commitLimitBytes } = figures;
  const rest = physical?.basis === "free" ? figures.freeBytes : figures.availableBytes;
  const used = totalBytes === null || rest === null ? null : Math.max(0, totalBytes - rest);
  const lines = [
    monitorLine(date, PHYSICAL, used, totalBytes, physical),
    monitorLine(date, ALLOCATED, committedBytes, commitLimitBytes, allocated),
  ];
  return lines.filter((line) => line !== null);
}

function monitorLine(
  date: string,
  { what, limit }: Wording,
  usedBytes: number | null,
  limitBytes: number | null,
  policy: MeasurePolicy | null,
): string | null {
  // A host may have no CommitLimit at all: nothing is held against it.
  if (policy === null || usedBytes === null || limitBytes === null || !(limitBytes > 0)) return null;
  const usedKb = Math.floor(usedBytes / KIB);
  const limitKb = Math.floor(limitBytes / KIB);
  const figures = `${what} ${usedKb} KB/${limitKb} KB(${Math.floor((usedKb * 100) / limitKb)}%)`;
  const warning = percentOf(policy.warningShare);
  const critical = percentOf(policy.criticalShare);
  const reached = (percent: number): boolean => usedKb * 100 >= percent * limitKb;
  if (reached(critical)) return lineOf(date, "[MONITOR] [CRIT]", figures, "exceeded", critical, limit);
  if (reached(warning)) return lineOf(date, "[MONITOR] [WARNING]", figures, "exceeded", warning, limit);
  return lineOf(date, "[MONITOR VERBOSE] [INFO]", figures, "is within", warning, limit);
}

function lineOf(
  date: string,
  tag: string,
  figures: string,
  relation: string,
  percent: number,
  limit: string,
): string {
  return `${date} ${tag} ${figures} ${relation} ${Math.floor(percent)}% of ${limit}\n`;
}

/** Without what a double adds: 0.9 is 90. */
function percentOf(share: number): number {
  return Math.round(share * 1e8) / 1e6;
}
