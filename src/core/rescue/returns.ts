/** When what was lent goes back, and how much of it. */
import { amountBytes } from "../policy/policy.ts";
import { ceilToPage, floorToPage } from "./amount.ts";
import type { Followed } from "./followed.ts";
import { usageIsFresh } from "./headroom.ts";
import type { Lease } from "./lease.ts";
import type { LeaseReturn } from "./report.ts";
import type { RescueState } from "./state.ts";
import type { RescueTerms } from "./terms.ts";
import { marginWithin } from "./thresholds.ts";
import { spacingBytes } from "./thresholds.ts";

/**
 * What is asked to go back and not answered within this time is asked for again. Long, as it must not go back twice: a
 * rescue thread that does not answer has been replaced by then, and its successor has said what is lent.
 */
const ANSWER_WITHIN_US = 60_000_000;
/** Not for less than this, unless it is all. */
const CRUMB_BYTES = 1 << 20;
/** Hysteresis: the peak is to lie so much below the point at which the kernel would speak again. */
const PEAK_FACTOR = 8 / 7;
/** A donor needs its memory when it uses so much more than its median: more than the median's error. */
const MEDIAN_FACTOR = 1 + 1 / 32;

/** What is to go back now; it counts as asked for from now on. */
export function dueReturns(state: RescueState, nowUs: number): LeaseReturn[] {
  const due: LeaseReturn[] = [];
  for (const lease of [...state.loans.closing, ...state.loans.open]) {
    if (nowUs < lease.silentUntilUs) continue;
    const back = lease.closing === null ? dueOf(state, lease, nowUs) : dueOfClosing(lease);
    if (back === null) continue;
    lease.silentUntilUs = nowUs + ANSWER_WITHIN_US;
    // Whatever was asked before is past waiting for.
    lease.unanswered = 1;
    lease.askedBytes = back.bytes;
    due.push(back);
  }
  return due.toSorted((a, b) => a.number - b.number);
}

function dueOfClosing(lease: Lease): LeaseReturn | null {
  if (lease.closing === null) return null;
  return { number: lease.number, bytes: 0, donors: lease.partsOf(lease.donorsBytes), why: lease.closing };
}

function dueOf(state: RescueState, lease: Lease, nowUs: number): LeaseReturn | null {
  const receiver = state.cgroups.get(lease.number);
  if (receiver === undefined || !usageIsFresh(receiver, nowUs, state.terms)) return null;
  return (
    withoutPolicy(state, lease, receiver) ??
    whatDonorsNeed(state, lease, receiver, nowUs) ??
    whatIsUnneeded(state, lease, receiver, nowUs)
  );
}

/**
 * The lowest limit at which a usage of so much does not make the kernel speak again (thresholds.ts: the one below it may
 * be a spacing away); not lower than what the limit was without the loan.
 */
function lowestLimitBytes(receiver: Followed, lease: Lease, usageBytes: number, terms: RescueTerms): number {
  const { rescue } = terms;
  const ownBytes = receiver.limitBytes - lease.totalBytes;
  if (ownBytes - marginWithin(rescue.marginBytes, ownBytes) >= usageBytes) return ownBytes;
  const nearBytes = rescue.marginBytes + spacingBytes(usageBytes, rescue.marginBytes);
  return Math.max(ownBytes, ceilToPage(usageBytes + nearBytes));
}

function withoutPolicy(state: RescueState, lease: Lease, receiver: Followed): LeaseReturn | null {
  if (!receiver.mayReceive) {
    // Nobody watches over it any more: only what it uses stays, and a little.
    const apartBytes = marginWithin(state.terms.rescue.marginBytes, receiver.originalLimitBytes) / 4;
    const bytes = Math.min(
      lease.totalBytes,
      floorToPage(receiver.limitBytes - receiver.usageBytes - apartBytes),
    );
    if (bytes < Math.min(CRUMB_BYTES, lease.totalBytes)) return null;
    return { number: lease.number, bytes, donors: lease.partsOf(bytes), why: "policy" };
  }
  const room = receiver.limitBytes - lowestLimitBytes(receiver, lease, receiver.usageBytes, state.terms);
  return backTo(lease, room, "policy", (number) => state.cgroups.get(number)?.mayGive === false);
}

function whatDonorsNeed(
  state: RescueState,
  lease: Lease,
  receiver: Followed,
  nowUs: number,
): LeaseReturn | null {
  const room = receiver.limitBytes - lowestLimitBytes(receiver, lease, receiver.usageBytes, state.terms);
  const back = backTo(lease, room, "donor-needs", (number) => {
    const donor = state.cgroups.get(number);
    return donor !== undefined && donorNeeds(donor, state.terms);
  });
  for (const { number } of back?.donors ?? []) {
    const donor = state.cgroups.get(number);
    if (donor !== undefined) donor.restsUntilUs = nowUs + state.terms.rescue.returnAfterMs * 1000;
  }
  return back;
}

/** Half of the margin that it was left with is used up, or it uses more than it usually does. */
function donorNeeds(donor: Followed, terms: RescueTerms): boolean {
  const marginBytes = amountBytes(terms.rescue.donorMargin, donor.originalLimitBytes);
  return (
    donor.usageBytes > donor.limitBytes - marginBytes / 2 ||
    donor.usageBytes > donor.medianBytes * MEDIAN_FACTOR
  );
}

/** The parts of some donors, as far as there is room. */
function backTo(
  lease: Lease,
  roomBytes: number,
  why: "policy" | "donor-needs",
  isMeant: (number: number) => boolean,
): LeaseReturn | null {
  const donors: { number: number; bytes: number }[] = [];
  let left = roomBytes;
  for (const part of lease.partsOf(lease.donorsBytes)) {
    if (!isMeant(part.number)) continue;
    const bytes = Math.min(part.bytes, left);
    if (bytes <= 0 || bytes < Math.min(part.bytes, CRUMB_BYTES)) continue;
    left -= bytes;
    donors.push({ number: part.number, bytes });
  }
  if (donors.length === 0) return null;
  return { number: lease.number, bytes: roomBytes - left, donors, why };
}

/** What the receiver has done without for the policy's time, by the highest it came to in it, and hysteresis. */
function whatIsUnneeded(
  state: RescueState,
  lease: Lease,
  receiver: Followed,
  nowUs: number,
): LeaseReturn | null {
  const { terms } = state;
  const waitUs = state.waitUs(receiver);
  const peakBytes = lease.peak.max * PEAK_FACTOR;
  if (nowUs - lease.raisedUs < waitUs || nowUs - lease.peakSinceUs < waitUs || Number.isNaN(peakBytes)) {
    return null;
  }
  const bytes = receiver.limitBytes - lowestLimitBytes(receiver, lease, peakBytes, terms);
  if (bytes <= 0 || bytes < Math.min(lease.totalBytes, terms.rescue.addMinBytes)) return null;
  return { number: lease.number, bytes, donors: lease.partsOf(bytes), why: "unneeded" };
}
