import { DONORS_MAX, type RescueOrder } from "./order.ts";

/**
 * Standing orders of rescues in shared memory: one slot a receiver, each under a sequence lock of its own. The analysis
 * alone writes; the rescue thread alone reads.
 */

/** More receivers than these have no standing order; the guard says so. */
export const RESCUE_SLOTS = 256;

const HEAD_DOUBLES = 7;
const DONOR_DOUBLES = 3;
const SLOT_DOUBLES = HEAD_DOUBLES + DONORS_MAX * DONOR_DOUBLES;
const SEQUENCES_BYTES = RESCUE_SLOTS * 4;

const Head = { number: 0, free: 1, bearable: 2, lendable: 3, growth: 4, donors: 5, limit: 6 } as const;

/** An order without anything to give, its donors allocated once so that reading makes nothing. */
export function emptyRescueOrder(): RescueOrder {
  return {
    number: 0,
    limitBytes: 0,
    freeBytes: 0,
    bearableBytes: 0,
    lendableBytes: 0,
    growthBytesPerSecond: 0,
    donors: [],
  };
}

export class RescueBoard {
  readonly memory: SharedArrayBuffer;
  readonly #sequences: Int32Array;
  readonly #doubles: Float64Array;

  constructor(memory = new SharedArrayBuffer(SEQUENCES_BYTES + RESCUE_SLOTS * SLOT_DOUBLES * 8)) {
    this.memory = memory;
    this.#sequences = new Int32Array(memory, 0, RESCUE_SLOTS);
    this.#doubles = new Float64Array(memory, SEQUENCES_BYTES);
  }

  /** Replaces the order in `slot`; number 0 empties it. */
  write(slot: number, order: Readonly<RescueOrder>): void {
    const d = this.#doubles;
    const at = slot * SLOT_DOUBLES;
    const donors = Math.min(order.donors.length, DONORS_MAX);
    Atomics.add(this.#sequences, slot, 1);
    d[at + Head.number] = order.number;
    d[at + Head.limit] = order.limitBytes;
    d[at + Head.free] = order.freeBytes;
    d[at + Head.bearable] = order.bearableBytes;
    d[at + Head.lendable] = order.lendableBytes;
    d[at + Head.growth] = order.growthBytesPerSecond;
    d[at + Head.donors] = donors;
    for (let i = 0; i < donors; i++) {
      const donor = order.donors[i] as RescueOrder["donors"][number];
      const to = at + HEAD_DOUBLES + i * DONOR_DOUBLES;
      d[to] = donor.number;
      d[to + 1] = donor.slackBytes;
      d[to + 2] = donor.floorBytes;
    }
    Atomics.add(this.#sequences, slot, 1);
  }

  /** How often the slot has been written; odd while it is. A reader that kept it knows whether there is news. */
  sequence(slot: number): number {
    return Atomics.load(this.#sequences, slot);
  }

  /** Number of the cgroup whose order is in `slot`, 0 for none. */
  numberAt(slot: number): number {
    return this.#doubles[slot * SLOT_DOUBLES + Head.number] as number;
  }

  /** Reads the order as one whole. @returns false while it is being written */
  read(slot: number, into: RescueOrder): boolean {
    const before = this.sequence(slot);
    if ((before & 1) !== 0) return false;
    const d = this.#doubles;
    const at = slot * SLOT_DOUBLES;
    into.number = d[at + Head.number] as number;
    into.limitBytes = d[at + Head.limit] as number;
    into.freeBytes = d[at + Head.free] as number;
    into.bearableBytes = d[at + Head.bearable] as number;
    into.lendableBytes = d[at + Head.lendable] as number;
    into.growthBytesPerSecond = d[at + Head.growth] as number;
    const donors = d[at + Head.donors] as number;
    while (into.donors.length < donors) into.donors.push({ number: 0, slackBytes: 0, floorBytes: 0 });
    into.donors.length = donors;
    for (let i = 0; i < donors; i++) {
      const donor = into.donors[i] as RescueOrder["donors"][number];
      const from = at + HEAD_DOUBLES + i * DONOR_DOUBLES;
      donor.number = d[from] as number;
      donor.slackBytes = d[from + 1] as number;
      donor.floorBytes = d[from + 2] as number;
    }
    return this.sequence(slot) === before;
  }
}
