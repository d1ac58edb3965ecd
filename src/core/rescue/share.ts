/**
 * Who gives what, at the moment of an event, out of a standing order. Called while the workload waits: it fills what
 * it is given and allocates nothing.
 */
import { ceilToPage, floorToPage, PAGE_BYTES } from "./amount.ts";
import { DONORS_MAX, type DonorOrder, type RescueOrder } from "./order.ts";

export interface ShareOut {
  /** 1: the limit is raised alone; 2: after reducing donors; 0: nothing can be given. */
  step: 0 | 1 | 2;
  /** What the limit is raised by, whole pages. In step 2 the sum of `reducedBytes`, to the byte. */
  addedBytes: number;
  /** What of `freeBytes` of the order was deducted for it: in step 2 there may be less than was added. */
  freeBytes: number;
  /** Why not: the policy lends no more, or nobody has enough to give. Null when something is given. */
  refusal: "cap" | "no-plan" | null;
  /** How many of the donors below give something. */
  donors: number;
  /** Of each donor its number, what its limit is reduced by, and what it must not be written below. */
  readonly numbers: Float64Array;
  readonly reducedBytes: Float64Array;
  readonly floorBytes: Float64Array;
}

export function emptyShareOut(): ShareOut {
  return {
    step: 0,
    addedBytes: 0,
    freeBytes: 0,
    refusal: "no-plan",
    donors: 0,
    numbers: new Float64Array(DONORS_MAX),
    reducedBytes: new Float64Array(DONORS_MAX),
    floorBytes: new Float64Array(DONORS_MAX),
  };
}

/**
 * Decides what one event gives: all that is wanted by step 1, else all of it by step 2, else as much as the richer of
 * the two has, if that is at least `addMinBytes`; else nothing. Donors give in proportion to their slack. What is given
 * is deducted from `order`, so that the next event before a newer order does not give it again.
 * @param wantedBytes from {@link amountBytes}; less than `addMinBytes` counts as that
 */
export function shareOut(
  order: RescueOrder,
  wantedBytes: number,
  addMinBytes: number,
  into: ShareOut,
): ShareOut {
  into.step = 0;
  into.addedBytes = 0;
  into.freeBytes = 0;
  into.donors = 0;
  const lendableBytes = atLeastNothing(order.lendableBytes);
  const mostBytes = Math.min(lendableBytes, atLeastNothing(order.bearableBytes));
  const aloneBytes = Math.min(mostBytes, atLeastNothing(order.freeBytes));
  const togetherBytes = Math.min(mostBytes, slackBytes(order));
  const least = Math.max(PAGE_BYTES, ceilToPage(addMinBytes));
  const wanted = wantedBytes > least ? ceilToPage(wantedBytes) : least;

  if (wanted <= aloneBytes) give(order, 1, wanted, into);
  else if (wanted <= togetherBytes) give(order, 2, wanted, into);
  else if (aloneBytes >= togetherBytes && aloneBytes >= least) give(order, 1, aloneBytes, into);
  else if (togetherBytes >= least) give(order, 2, togetherBytes, into);
  else into.refusal = lendableBytes < least ? "cap" : "no-plan";
  return into;
}

/** Whether an event now would be given anything: who could not be helped must be neither paused nor slowed down. */
export function canGive(order: RescueOrder, addMinBytes: number): boolean {
  const mostBytes = Math.min(atLeastNothing(order.lendableBytes), atLeastNothing(order.bearableBytes));
  const richestBytes = Math.max(atLeastNothing(order.freeBytes), slackBytes(order));
  return Math.min(mostBytes, richestBytes) >= Math.max(PAGE_BYTES, ceilToPage(addMinBytes));
}

/**
 * To be called before {@link shareOut}: an order that was made while a raise was still unknown to the analysis does not
 * give the same again.
 * @param limitBytes the receiver's limit as it is
 */
export function catchUp(order: RescueOrder, limitBytes: number): void {
  const aheadBytes = limitBytes - order.limitBytes;
  if (aheadBytes > 0) deduct(order, aheadBytes);
}

/**
 * Puts back into `order` what a share-out took that was not carried out.
 * @param refused index in `given` of the donor that could not give, which is left out from now on; -1 for none
 */
export function undoShareOut(order: RescueOrder, given: ShareOut, refused: number): void {
  for (let i = 0; i < given.donors; i++) {
    for (let j = 0; j < order.donors.length; j++) {
      const donor = order.donors[j] as DonorOrder;
      if (donor.number !== given.numbers[i]) continue;
      donor.slackBytes = i === refused ? 0 : donor.slackBytes + (given.reducedBytes[i] as number);
    }
  }
  order.freeBytes += given.freeBytes;
  order.bearableBytes += given.addedBytes;
  order.lendableBytes += given.addedBytes;
  order.limitBytes -= given.addedBytes;
}

/**
 * Takes what `given` took from its donors out of another standing order, as no donor can give the same twice.
 * @param order that of another receiver, which may name the same donors
 */
export function deductDonors(order: RescueOrder, given: ShareOut): void {
  if (given.step !== 2) return;
  for (let i = 0; i < given.donors; i++) {
    for (let j = 0; j < order.donors.length; j++) {
      const donor = order.donors[j] as DonorOrder;
      if (donor.number !== given.numbers[i]) continue;
      donor.slackBytes = Math.max(0, donor.slackBytes - (given.reducedBytes[i] as number));
    }
  }
}

/** Whole pages; nothing where it is negative or not known. */
function atLeastNothing(bytes: number): number {
  return bytes > 0 ? floorToPage(bytes) : 0;
}

function slackBytes(order: RescueOrder): number {
  let sum = 0;
  const count = Math.min(order.donors.length, DONORS_MAX);
  for (let i = 0; i < count; i++) sum += atLeastNothing((order.donors[i] as DonorOrder).slackBytes);
  return sum;
}

function give(order: RescueOrder, step: 1 | 2, addedBytes: number, into: ShareOut): void {
  into.step = step;
  into.addedBytes = addedBytes;
  into.refusal = null;
  if (step === 2) takeFromDonors(order, addedBytes, into);
  into.freeBytes = order.freeBytes;
  deduct(order, into.addedBytes);
  into.freeBytes -= order.freeBytes;
}

function deduct(order: RescueOrder, bytes: number): void {
  order.limitBytes += bytes;
  order.freeBytes = Math.max(0, order.freeBytes - bytes);
  order.bearableBytes = Math.max(0, order.bearableBytes - bytes);
  order.lendableBytes = Math.max(0, order.lendableBytes - bytes);
}

/**
 * In whole pages: each donor gives the difference of two neighbouring points on the line from 0 to all that is taken,
 * so the parts are within a page of the proportion and their sum is exact.
 */
function takeFromDonors(order: RescueOrder, addedBytes: number, into: ShareOut): void {
  const allPages = slackBytes(order) / PAGE_BYTES;
  const takenPages = addedBytes / PAGE_BYTES;
  const count = Math.min(order.donors.length, DONORS_MAX);
  let passedPages = 0;
  let givenPages = 0;
  let donors = 0;
  for (let i = 0; i < count; i++) {
    const donor = order.donors[i] as DonorOrder;
    const pages = atLeastNothing(donor.slackBytes) / PAGE_BYTES;
    passedPages += pages;
    // The last one's point is the whole, whatever the division's rounding.
    const point = passedPages === allPages ? takenPages : Math.floor((takenPages * passedPages) / allPages);
    const part = Math.min(pages, point - givenPages);
    if (!(part > 0)) continue;
    givenPages += part;
    into.numbers[donors] = donor.number;
    into.reducedBytes[donors] = part * PAGE_BYTES;
    into.floorBytes[donors] = donor.floorBytes;
    donor.slackBytes -= part * PAGE_BYTES;
    donors++;
  }
  into.donors = donors;
  // Equal to what was asked, except for amounts beyond 2^53 pages times pages.
  into.addedBytes = givenPages * PAGE_BYTES;
}
