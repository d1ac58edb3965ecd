import type { Drain } from "./fill.ts";
import type { Lines } from "./rooms.ts";

/** How many looks there shall be until the line is reached. */
const LOOKS_TO_LINE = 8;
/** Below a line things change by what the guard does: looked at oftener, but a host may live there. */
const LOW_INTERVAL_MS = 1000;

/**
 * When to look again at one room of a mount: the time until its line is reached, or until nothing is free, divided; at
 * most the calm interval, at least the shortest.
 */
export function nextLookMs(
  drain: Drain,
  free: number,
  lines: Lines,
  calmMs: number,
  shortestMs: number,
): number {
  if (Number.isNaN(free) || Number.isNaN(lines.low)) return calmMs;
  const distance = free > lines.low ? free - lines.low : free;
  const fromRateMs = drain.timeToUseUs(distance) / 1000 / LOOKS_TO_LINE;
  const restMs = free < lines.recover ? Math.min(calmMs, LOW_INTERVAL_MS) : calmMs;
  return Math.min(restMs, Math.max(shortestMs, fromRateMs));
}
