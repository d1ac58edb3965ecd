/** Which receiver has which slot of the board, and what stands there. */
import { emptyRescueOrder, RESCUE_SLOTS } from "./board.ts";
import type { DonorOrder, RescueOrder } from "./order.ts";
import type { SlotOrder } from "./terms.ts";

/** What there is to give counts as changed when it sank by so much (the smaller), or rose by so much (the larger). */
const SUNK_BYTES = 1 << 20;
const SUNK_SHARE = 1 / 64;
const RISEN_BYTES = 1 << 20;
const RISEN_SHARE = 1 / 16;
/** Growth counts as changed from this share on. */
const GROWTH_SHARE = 1 / 8;

export class OrderBook {
  /** What was last handed out for each slot. Null: not known, as at the start, when the board may hold anything. */
  readonly #standing: (RescueOrder | null)[] = Array.from({ length: RESCUE_SLOTS }, () => null);
  readonly #slotOf = new Map<number, number>();

  /** No receiver has a slot, and the board is known to be empty. */
  get empty(): boolean {
    return this.#slotOf.size === 0 && this.#standing[0] !== null;
  }

  /**
   * Keeps the slots of the receivers that go on, frees those of the others, and gives free ones to new receivers.
   * @param numbers in the order in which new ones get slots
   * @returns how many got none
   */
  assign(numbers: readonly number[]): number {
    const present = new Set(numbers);
    for (const number of this.#slotOf.keys()) {
      if (!present.has(number)) this.#slotOf.delete(number);
    }
    const taken = new Set(this.#slotOf.values());
    let slot = 0;
    let without = 0;
    for (const number of numbers) {
      if (this.#slotOf.has(number)) continue;
      while (taken.has(slot)) slot++;
      if (slot >= RESCUE_SLOTS) {
        without++;
        continue;
      }
      taken.add(slot);
      this.#slotOf.set(number, slot);
    }
    return without;
  }

  has(number: number): boolean {
    return this.#slotOf.has(number);
  }

  /**
   * What of `orders` is to be written, and the slots to be emptied.
   * @param orders of all receivers that have a slot
   */
  renew(orders: readonly RescueOrder[]): SlotOrder[] {
    const changed: SlotOrder[] = [];
    const used = new Set<number>();
    for (const order of orders) {
      const slot = this.#slotOf.get(order.number);
      if (slot === undefined) continue;
      used.add(slot);
      const standing = this.#standing[slot] ?? null;
      if (standing !== null && !differs(standing, order)) continue;
      this.#standing[slot] = order;
      changed.push({ slot, order });
    }
    for (let slot = 0; slot < RESCUE_SLOTS; slot++) {
      if (used.has(slot) || this.#standing[slot]?.number === 0) continue;
      const order = emptyRescueOrder();
      this.#standing[slot] = order;
      changed.push({ slot, order });
    }
    return changed;
  }

  /** Events were answered since: the rescue thread deducted from its copies, so all of them are to be written anew. */
  forget(): void {
    for (const slot of this.#slotOf.values()) this.#standing[slot] = null;
  }
}

function differs(before: RescueOrder, now: RescueOrder): boolean {
  return (
    before.number !== now.number ||
    before.limitBytes !== now.limitBytes ||
    bytesDiffer(before.freeBytes, now.freeBytes) ||
    bytesDiffer(before.bearableBytes, now.bearableBytes) ||
    bytesDiffer(before.lendableBytes, now.lendableBytes) ||
    Math.abs(before.growthBytesPerSecond - now.growthBytesPerSecond) >
      GROWTH_SHARE * Math.max(before.growthBytesPerSecond, now.growthBytesPerSecond) ||
    before.donors.length !== now.donors.length ||
    before.donors.some((donor, i) => donorDiffers(donor, now.donors[i] as DonorOrder))
  );
}

function bytesDiffer(before: number, now: number): boolean {
  if (now < before) return now === 0 || before - now > Math.min(SUNK_BYTES, before * SUNK_SHARE);
  return (before === 0 && now > 0) || now - before > Math.max(RISEN_BYTES, before * RISEN_SHARE);
}

/** Of a donor nothing more than it has now may be taken: every loss of slack counts. */
function donorDiffers(before: DonorOrder, now: DonorOrder): boolean {
  return (
    before.number !== now.number ||
    now.slackBytes < before.slackBytes ||
    now.floorBytes > before.floorBytes ||
    bytesDiffer(before.slackBytes, now.slackBytes)
  );
}
