import type { FillRate } from "./fill-rate.ts";

/**
 * No host fills memory faster than this from a standing start, in bytes a microsecond (about 4 GiB/s): with it, even
 * memory that is not being used yet is looked at again in time.
 */
const FASTEST_FILL_BYTES_PER_US = 4096;
/** How many samples there shall be until the line is reached. */
const SAMPLES_TO_LINE = 8;
/** Without growth, not more often than this however near the line: a host may live there. */
const STANDING_INTERVAL_US = 5_000;

/**
 * When to look again: the time until the line is reached, divided; at most the calm interval, at least the shortest.
 * @param distanceBytes from what is available to the next line below (or to nothing, below the last)
 */
export function nextIntervalUs(
  rate: FillRate,
  distanceBytes: number,
  calmUs: number,
  shortestUs: number,
): number {
  if (Number.isNaN(distanceBytes)) return calmUs;
  const distance = Math.max(0, distanceBytes);
  const fromRate = rate.timeToUseUs(distance) / SAMPLES_TO_LINE;
  const fromStanding = Math.max(STANDING_INTERVAL_US, distance / FASTEST_FILL_BYTES_PER_US);
  return Math.min(calmUs, Math.max(shortestUs, Math.min(fromRate, fromStanding)));
}

/** A changed interval is worth a system call only when it differs by a quarter. */
export function worthChanging(presentUs: number, wantedUs: number): boolean {
  return wantedUs < presentUs * 0.75 || wantedUs > presentUs * 1.25;
}
