import { PollSet } from "../../native/poll.ts";
import type { Notice } from "./receiver.ts";
import type { Slot } from "./receivers.ts";

/** Entries before those of the receivers. */
const FIXED = 2;
const WAKE = 0;
const KERNEL_LOG = 1;
const NO_DESCRIPTOR = -1;

/** What the rescue thread waits for: being woken, the kernel log, and the notices of all receivers. */
export class Notices {
  #poll = new PollSet(FIXED);
  #entries: { readonly slot: Slot; readonly notice: Notice }[] = [];
  readonly #fixed: readonly { readonly descriptor: number; readonly events: number }[];

  constructor(
    wake: { descriptor: number; events: number },
    kernelLog: { descriptor: number; events: number } | null,
  ) {
    this.#fixed = [wake, kernelLog ?? { descriptor: NO_DESCRIPTOR, events: 0 }];
    this.watch([]);
  }

  /** Waits for these receivers from now on. */
  watch(slots: readonly Slot[]): void {
    this.#entries = slots.flatMap((slot) =>
      (slot.receiver?.notices ?? []).map((notice) => ({ slot, notice })),
    );
    this.#poll = new PollSet(FIXED + this.#entries.length);
    this.#fixed.forEach(({ descriptor, events }, i) => this.#poll.set(i, descriptor, events));
    this.#entries.forEach(({ notice }, i) => this.#poll.set(FIXED + i, notice.descriptor, notice.events));
  }

  wait(timeoutMs: number): void {
    this.#poll.wait(timeoutMs);
  }

  get woken(): boolean {
    return this.#poll.happened(WAKE) !== 0;
  }

  get kernelSpoke(): boolean {
    return this.#poll.happened(KERNEL_LOG) !== 0;
  }

  /** Calls back for each receiver that the kernel spoke of in the last wait. */
  each(act: (slot: Slot, notice: Notice) => void): void {
    // The list may be replaced by what is done.
    const entries = this.#entries;
    const poll = this.#poll;
    for (let i = 0; i < entries.length; i++) {
      if (poll.happened(FIXED + i) === 0) continue;
      const { slot, notice } = entries[i] as (typeof entries)[number];
      act(slot, notice);
    }
  }
}
