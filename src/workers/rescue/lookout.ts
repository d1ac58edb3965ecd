import type { Receiver } from "./receiver.ts";
import type { Slot } from "./receivers.ts";

/** Who was given memory is looked at so often from then on … */
export const LOOK_MS = 1;
/** … until nothing has been given for this long. */
const LOOKS_FOR_US = 300_000;
/** What it would grow by in this time is to be free below its limit: four looks, as one may come late. */
const AHEAD_US = 4000;
/** Growth that was seen is forgotten by this factor a look. */
const FORGET = 0.9;

interface Watched {
  readonly slot: Slot;
  readonly receiver: Receiver;
  untilUs: number;
  usageBytes: number;
  seenUs: number;
  bytesPerUs: number;
}

/**
 * Looks at those who were just given memory, every millisecond for a while: who grows on is given more before it stands
 * at its limit again, rather than after. It also keeps the way to a limit in the processor's caches, which a program
 * that touches a gigabyte a second empties between two notices.
 */
export class Lookout {
  #watched: Watched[] = [];

  /** Somebody is looked at: the thread is to wait {@link LOOK_MS} at most. */
  get busy(): boolean {
    return this.#watched.length > 0;
  }

  /** It was given memory at `nowUs`. */
  watch(slot: Slot, nowUs: number): void {
    const { receiver } = slot;
    if (receiver === null) return;
    for (const each of this.#watched) {
      if (each.receiver === receiver) {
        each.untilUs = nowUs + LOOKS_FOR_US;
        return;
      }
    }
    this.#watched.push({
      slot,
      receiver,
      untilUs: nowUs + LOOKS_FOR_US,
      usageBytes: receiver.lastUsageBytes,
      seenUs: nowUs,
      bytesPerUs: 0,
    });
  }

  /** Calls back for each that would be at its limit soon, with what is to be free below it. */
  look(nowUs: number, giveMore: (slot: Slot, nearBytes: number) => void): void {
    let over = false;
    for (const each of this.#watched) {
      const { slot, receiver } = each;
      if (slot.receiver !== receiver || nowUs > each.untilUs) {
        over = true;
        continue;
      }
      const usageBytes = receiver.usageBytes();
      const sinceUs = nowUs - each.seenUs;
      if (!(sinceUs > 0) || Number.isNaN(usageBytes)) continue;
      each.bytesPerUs = Math.max((usageBytes - each.usageBytes) / sinceUs, each.bytesPerUs * FORGET, 0);
      each.usageBytes = usageBytes;
      each.seenUs = nowUs;
      if (each.bytesPerUs > 0) giveMore(slot, each.bytesPerUs * AHEAD_US);
    }
    if (over) {
      this.#watched = this.#watched.filter(
        ({ slot, receiver, untilUs }) => slot.receiver === receiver && nowUs <= untilUs,
      );
    }
  }
}
