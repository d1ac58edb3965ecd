import { floorToPage } from "./amount.ts";

/**
 * Where on the way up a cgroup v1 is to say that its usage has come so far.
 *
 * Registering a threshold waits for a grace period of the kernel's (16 to 24 ms measured), so they are registered ahead,
 * over the whole range that could be lent, and stay: raising the limit then needs no new one.
 */

/** Within the last margin below a limit they are so much closer: who stands there already is heard of when it grows. */
const FINE_PARTS = 8;
/** Thresholds are no further apart than this share of the usage, so that a large range takes few of them. */
const SPACING_SHARE = 1 / 16;
/** A range that would take more keeps the lowest ones; the OOM notice stands behind them. */
export const THRESHOLDS_MAX = 128;

/** A margin that a small limit can bear: a quarter of it at most. */
export function marginWithin(marginBytes: number, limitBytes: number): number {
  return Math.min(marginBytes, limitBytes / 4);
}

/** Distance between the threshold at `usageBytes` and the next one. */
export function spacingBytes(usageBytes: number, marginBytes: number): number {
  return Math.max(marginBytes / 2, usageBytes * SPACING_SHARE);
}

/**
 * From a margin below `limitBytes` up to the largest limit that there can be.
 * @returns bytes, ascending; none when `marginBytes` is 0
 */
export function thresholdsBytes(limitBytes: number, highestBytes: number, marginBytes: number): number[] {
  const thresholds: number[] = [];
  if (!(marginBytes > 0) || !Number.isFinite(limitBytes)) return thresholds;
  const firstBytes = limitBytes - marginBytes;
  for (let part = 0; part < FINE_PARTS; part++) {
    thresholds.push(floorToPage(firstBytes + ((limitBytes - firstBytes) * part) / FINE_PARTS));
  }
  let at = limitBytes;
  while (at <= highestBytes - marginBytes / 2 && thresholds.length < THRESHOLDS_MAX) {
    thresholds.push(floorToPage(at));
    at += spacingBytes(at, marginBytes);
  }
  return thresholds;
}
