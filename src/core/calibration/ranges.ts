import { type GroupOf, groupAt, type UsageColumns, valueOf } from "./columns.ts";
import { FAR_HIGH_SHIFT } from "./counts.ts";
import { PAGE_SHIFT } from "./window.ts";

const HIGH_SHIFT = 32 - PAGE_SHIFT;
const FAR_BYTES = 2 ** (32 + FAR_HIGH_SHIFT);

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

/** A further pass: counts only values within the ranges. */
export class RangeCounter {
  /** Of all ranges' buckets, one after the other. */
  readonly counts: Uint32Array;
  readonly #ranges: Ranges;
  /** All ranges begin and end at pages below 8 TiB: 31 bits are enough. */
  readonly #byPages: boolean;
  readonly #basePages: Int32Array;
  readonly #pageShifts: Int32Array;
  readonly #inverses: Float64Array;

  constructor(ranges: Ranges) {
    const { bases, shifts, bucketsAt } = ranges;
    this.#ranges = ranges;
    this.counts = new Uint32Array(bucketsAt.at(-1) ?? 0);
    this.#byPages = shifts.every((shift, range) => {
      const buckets = (bucketsAt[range + 1] as number) - (bucketsAt[range] as number);
      return shift >= PAGE_SHIFT && (bases[range] as number) + buckets * 2 ** shift <= FAR_BYTES;
    });
    this.#basePages = Int32Array.from(bases, (base) => Math.floor(base / 2 ** PAGE_SHIFT));
    this.#pageShifts = Int32Array.from(shifts, (shift) => shift - PAGE_SHIFT);
    this.#inverses = Float64Array.from(shifts, (shift) => 2 ** -shift);
  }

  add(batch: UsageColumns, groupOf: GroupOf): void {
    if (this.#byPages) this.#addByPages(batch, groupOf);
    else this.#addByBytes(batch, groupOf);
  }

  /** As the first pass does it, for the same reasons. */
  #addByPages({ rows, cgroups, cgroupValidity, usage }: UsageColumns, groupOf: GroupOf): void {
    const { validity } = usage;
    const words = new Int32Array(usage.words.buffer, usage.words.byteOffset, rows * 2);
    const { firstOf, bucketsAt } = this.#ranges;
    const basePages = this.#basePages;
    const pageShifts = this.#pageShifts;
    const counts = this.counts;
    const numbers = groupOf.length;
    for (let row = 0; row < rows; row++) {
      const bit = 1 << (row & 7);
      const number = cgroups[row] as number;
      const known = cgroupValidity === null || ((cgroupValidity[row >> 3] as number) & bit) !== 0;
      const group = known && number >= 0 && number < numbers ? (groupOf[number] as number) : -1;
      if (group < 0) continue;
      const end = firstOf[group + 1] as number;
      let range = firstOf[group] as number;
      if (range === end) continue;
      const high = words[row * 2 + 1] as number;
      if (
        high >>> FAR_HIGH_SHIFT !== 0 ||
        (validity !== null && ((validity[row >> 3] as number) & bit) === 0)
      )
        continue;
      const page = (high << HIGH_SHIFT) | ((words[row * 2] as number) >>> PAGE_SHIFT);
      for (; range < end; range++) {
        const at = (page - (basePages[range] as number)) >>> (pageShifts[range] as number);
        const first = bucketsAt[range] as number;
        if (at < (bucketsAt[range + 1] as number) - first) {
          counts[first + at] = ((counts[first + at] as number) + 1) | 0;
          break;
        }
      }
    }
  }

  #addByBytes(batch: UsageColumns, groupOf: GroupOf): void {
    const { firstOf, bases, bucketsAt } = this.#ranges;
    for (let row = 0; row < batch.rows; row++) {
      const group = groupAt(batch, row, groupOf);
      if (group < 0) continue;
      // NaN, for null, is in no range.
      const value = valueOf(batch.usage, row);
      for (let range = firstOf[group] as number; range < (firstOf[group + 1] as number); range++) {
        const at = Math.floor((value - (bases[range] as number)) * (this.#inverses[range] as number));
        const first = bucketsAt[range] as number;
        if (at >= 0 && at < (bucketsAt[range + 1] as number) - first) {
          this.counts[first + at] = (this.counts[first + at] as number) + 1;
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
