/** How much one event adds to a limit. Called while the workload waits: it allocates nothing. */
import type { RescuePolicy } from "../policy/policy.ts";

/** Limits of cgroups are whole pages. The kernel rounds down what is not (page_counter_memparse, mm/page_counter.c). */
export const PAGE_BYTES = 4096;

/** One interval between two events proves little: by it an addition becomes at most so many times the last one. */
const FOLD_MAX = 16;

export function floorToPage(bytes: number): number {
  return Math.floor(bytes / PAGE_BYTES) * PAGE_BYTES;
}

export function ceilToPage(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
}

/** What the amount is reckoned from. Mutable, so that the hot path can keep one. */
export interface AmountFacts {
  /** Growth as the analysis saw it, bytes a second; 0 or NaN when it is not known. */
  growthBytesPerSecond: number;
  /** Since the limit of this cgroup was last raised; NaN or Infinity when it was not. */
  sinceLastRaiseUs: number;
  /** What was added then; 0 when nothing was. */
  lastAddedBytes: number;
  policy: Pick<RescuePolicy, "addMinBytes" | "addMaxBytes" | "reactionMs">;
}

/**
 * What lasts for the reaction time at the present growth. The growth is the larger of what the analysis saw and what the
 * last addition taught by being used up; one that did not last for the reaction time is at least doubled.
 * @returns bytes, whole pages, between `addMinBytes` and `addMaxBytes`
 */
export function amountBytes(facts: AmountFacts): number {
  const { addMinBytes, addMaxBytes, reactionMs } = facts.policy;
  const reactionUs = reactionMs * 1000;
  let wantedBytes = addMinBytes;
  // Comparisons with NaN are false: what is not known changes nothing.
  const seenBytes = (facts.growthBytesPerSecond * reactionMs) / 1000;
  if (seenBytes > wantedBytes) wantedBytes = seenBytes;
  if (facts.lastAddedBytes > 0 && facts.sinceLastRaiseUs >= 0) {
    const fold = Math.min(FOLD_MAX, reactionUs / facts.sinceLastRaiseUs);
    const taughtBytes = facts.lastAddedBytes * (fold > 1 ? Math.max(2, fold) : fold);
    if (taughtBytes > wantedBytes) wantedBytes = taughtBytes;
  }
  return Math.max(PAGE_BYTES, Math.min(ceilToPage(wantedBytes), floorToPage(addMaxBytes)));
}
