import { type GroupOf, groupAt, type UsageColumns, valueOf } from "./columns.ts";

/** Parts of the scale that a further pass looks at more closely. Plain data, the same for all threads. */
export interface Ranges {
  /** Of group g are the ranges from `firstOf[g]` to below `firstOf[g + 1]`; no two of them overlap. */
  readonly firstOf: Int32Array;
  /** Lower edge of each, in bytes, and how wide its buckets are: 2^shift bytes. */
  readonly bases: Float64Array;
  readonly shifts: Uint8Array;
  /** Where each one's buckets begin in the counts of all; the last entry is how many there are in all. */
  readonly bucketsAt: Int32Array;
}

/** A further pass: counts only values within the ranges. @param counts is added to; `bucketsAt`'s last entry long */
export class RangeCounter {
  readonly counts: Uint32Array;
  readonly #ranges: Ranges;
  readonly #inverses: Float64Array;

  constructor(ranges: Ranges) {
    this.#ranges = ranges;
    this.#inverses = Float64Array.from(ranges.shifts, (shift) => 2 ** -shift);
    this.counts = new Uint32Array(ranges.bucketsAt.at(-1) ?? 0);
  }

  add(batch: UsageColumns, groupOf: GroupOf): void {
    const { firstOf, bases, bucketsAt } = this.#ranges;
    const inverses = this.#inverses;
    const counts = this.counts;
    for (let row = 0; row < batch.rows; row++) {
      const group = groupAt(batch, row, groupOf);
      if (group < 0) continue;
      const end = firstOf[group + 1] as number;
      let range = firstOf[group] as number;
      if (range === end) continue;
      // NaN, for null, is in no range.
      const value = valueOf(batch.usage, row);
      for (; range < end; range++) {
        const at = (value - (bases[range] as number)) * (inverses[range] as number);
        const first = bucketsAt[range] as number;
        if (at >= 0 && at < (bucketsAt[range + 1] as number) - first) {
          const place = first + (at | 0);
          counts[place] = (counts[place] as number) + 1;
          break;
        }
      }
    }
  }
}

/** Adds what another part of the data counted within the same ranges. */
export function mergeRangeCounts(into: Uint32Array, from: Uint32Array): void {
  for (let i = 0; i < into.length; i++) into[i] = (into[i] as number) + (from[i] as number);
}
