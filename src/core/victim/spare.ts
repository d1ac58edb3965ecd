import type { Candidate, MemoryHolders, Sparing } from "./candidate.ts";
import { type Scale, whole } from "./snapshot.ts";

/** Shared memory, huge pages and the kernel hold "most" from this share of what is used on. */
const HELD_SHARE = 0.5;
/** Below this share of what they hold, a candidate's memory is no answer to them. */
const ANSWER_SHARE = 0.1;
/** Whose growth is this share of all is the one that is growing. */
const GROWING_SHARE = 0.5;

/**
 * Whether everybody is to be spared: nobody may end, or the memory is where no process would bring it back from.
 * @param best the first of the ranking, undefined: no candidate.
 * `largestBytes` is what the one candidate that brings back most would bring back, `ownSharedBytes` the part of the
 * shared memory that would end with the processes that may end, of all together. Undefined `best`: no candidate.
 */
export function judgeSparing(
  best: Candidate | undefined,
  rest: { readonly largestBytes: number; readonly ownSharedBytes: number },
  holders: MemoryHolders,
  scale: Scale,
): Sparing | null {
  const held = heldElsewhere(holders, scale.totalBytes, rest.ownSharedBytes);
  if (best === undefined) return held.most ? held.sparing : { why: "no-candidate" };
  if (!held.most) return null;
  const growing = best.grownBytes >= GROWING_SHARE * scale.growthBytes;
  const covers = rest.largestBytes >= scale.shortfallBytes;
  const answers = best.recoverableBytes >= ANSWER_SHARE * held.sumBytes;
  return growing || (covers && answers) ? null : held.sparing;
}

interface Held {
  readonly most: boolean;
  readonly sumBytes: number;
  readonly sparing: Sparing;
}

function heldElsewhere(holders: MemoryHolders, totalBytes: number, ownSharedBytes: number): Held {
  const sharedBytes = Math.max(0, whole(holders.sharedBytes, totalBytes) - ownSharedBytes);
  const hugePagesBytes = whole(holders.hugePagesBytes, totalBytes);
  const kernelBytes = whole(holders.kernelBytes, totalBytes);
  const sumBytes = sharedBytes + hugePagesBytes + kernelBytes;
  const usedBytes = totalBytes - whole(holders.availableBytes, totalBytes);
  const heldBytes = Math.max(sharedBytes, hugePagesBytes, kernelBytes);
  const holder =
    heldBytes === sharedBytes ? "shared" : heldBytes === hugePagesBytes ? "huge-pages" : "kernel";
  return {
    most: sumBytes > 0 && sumBytes >= HELD_SHARE * usedBytes,
    sumBytes,
    sparing: { why: "held-elsewhere", holder, heldBytes },
  };
}
