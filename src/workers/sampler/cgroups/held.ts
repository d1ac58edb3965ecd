import type { FollowedCgroup } from "./followed.ts";

/** How much of a cgroup is held open, from nothing to all. What is not is opened for each look, at ten times the cost. */
export const Depth = { none: 0, usage: 1, stat: 2, details: 3 } as const;
export type Depth = (typeof Depth)[keyof typeof Depth];

/** What was closed for want of descriptors is held again when no more than this share of them is taken. */
const EASE_SHARE = 0.5;

/**
 * How many descriptors the cgroups may take, and who takes them. A held file of a cgroup also takes some 6 KiB of the
 * kernel's memory. When they run out, what is looked at least often is given up first.
 */
export class HeldDescriptors {
  readonly limit: number;
  #held = 0;
  /** What may be held of anybody. */
  #depth: Depth = Depth.details;
  #short = false;

  constructor(limit: number) {
    this.limit = limit;
  }

  get held(): number {
    return this.#held;
  }

  /** There was a file that could not be held. */
  get short(): boolean {
    return this.#short;
  }

  /**
   * Whether one more file may be held. For a cgroup's usage, others' files of less use are closed.
   * @param depth what the file belongs to
   */
  mayHold(depth: Depth, cgroups: Iterable<FollowedCgroup>): boolean {
    if (this.#depth < Depth.details && this.#held < this.limit * EASE_SHARE) this.#depth = Depth.details;
    if (depth > this.#depth) return false;
    while (this.#held >= this.limit) {
      this.#short = true;
      if (depth > Depth.usage || this.#depth <= Depth.usage) return false;
      this.#depth = this.#depth === Depth.details ? Depth.stat : Depth.usage;
      for (const cgroup of cgroups) {
        this.#held -= this.#depth === Depth.stat ? cgroup.closeDetails() : cgroup.closeStat();
      }
    }
    return true;
  }

  take(): void {
    this.#held++;
  }

  give(files: number): void {
    this.#held -= files;
  }
}
