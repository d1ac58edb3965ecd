/**
 * The standing order of a rescue: made ahead by the analysis, carried out by the rescue thread when the kernel speaks.
 * It says what there is, not how much to take: how much is known only at the moment (amount.ts).
 */

/** More donors than these are left out of one order; those with most slack come first. */
export const DONORS_MAX = 16;

export interface DonorOrder {
  /** Number of the donor's cgroup. */
  number: number;
  /** At most this may be taken: what its limit is above its floor. What is taken is in proportion to it. */
  slackBytes: number;
  /** Its limit is never written below this. */
  floorBytes: number;
}

export interface RescueOrder {
  /** Number of the receiver's cgroup. */
  number: number;
  /** The receiver's limit that all of this was reckoned from: what it was raised by since is given already. */
  limitBytes: number;
  /** By step 1: what can be added out of the global limit, without taking from anybody. */
  freeBytes: number;
  /** By step 2: what the whole path above the receiver, and the host, can bear at all. */
  bearableBytes: number;
  /** What the policy still lets be lent to this cgroup. */
  lendableBytes: number;
  /** How fast it grew lately, bytes a second. */
  growthBytesPerSecond: number;
  donors: DonorOrder[];
}
