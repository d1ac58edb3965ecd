import { type GroupOf, groupAt, INEXACT_HIGH_WORD, type UsageColumns, WORD } from "./columns.ts";
import { addCounts, coverValues, emptyWindow, type Window } from "./window.ts";

/** What one pass over usage found out, plain data that can go from thread to thread. */
export interface CountedUsage {
  /** One of each, a group. */
  readonly windows: readonly Window[];
  readonly lowest: Float64Array;
  readonly highest: Float64Array;
  readonly samples: Float64Array;
  readonly absent: Float64Array;
  /** Lower words of all values, or-ed: the bits that are clear here are clear in every one. */
  readonly lowBits: number;
  /** Rows of cgroups that belong to no group. */
  readonly strangers: number;
}

/** All buckets of one pass together: they must stay in a core's cache, else each row waits for memory. */
const BUCKETS_IN_ALL = 2 ** 22;
const LENGTH_MIN = 2 ** 8;
const LENGTH_MAX = 2 ** 14;

/** How many buckets a group may have, a power of two, where there are so many groups. */
export function bucketsPerGroup(groups: number): number {
  const share = 2 ** Math.floor(Math.log2(BUCKETS_IN_ALL / Math.max(1, groups)));
  return Math.min(LENGTH_MAX, Math.max(LENGTH_MIN, share));
}

/**
 * The first pass: counts values into a window for each group, that grows and becomes coarser with what it meets. As
 * long as a bucket can hold only one value (see {@link resolution}), the counts are the exact distribution.
 */
export class UsageCounter {
  readonly #lengthMax: number;
  readonly #windows: Window[];
  readonly #base: Float64Array;
  readonly #inverse: Float64Array;
  readonly #counts: Uint32Array[];
  readonly #lowest: Float64Array;
  readonly #highest: Float64Array;
  readonly #absent: Float64Array;
  #lowBits = 0;
  #strangers = 0;

  constructor(groups: number) {
    this.#lengthMax = bucketsPerGroup(groups);
    this.#windows = Array.from({ length: groups }, emptyWindow);
    this.#base = new Float64Array(groups);
    this.#inverse = new Float64Array(groups);
    this.#counts = this.#windows.map(({ counts }) => counts);
    this.#lowest = new Float64Array(groups).fill(Number.POSITIVE_INFINITY);
    this.#highest = new Float64Array(groups).fill(Number.NEGATIVE_INFINITY);
    this.#absent = new Float64Array(groups);
  }

  add(batch: UsageColumns, groupOf: GroupOf): void {
    const { words, validity } = batch.usage;
    const base = this.#base;
    const inverse = this.#inverse;
    const counts = this.#counts;
    const lowest = this.#lowest;
    const highest = this.#highest;
    let lowBits = this.#lowBits;
    for (let row = 0; row < batch.rows; row++) {
      const group = groupAt(batch, row, groupOf);
      if (group < 0) {
        this.#strangers++;
        continue;
      }
      const high = words[row * 2 + 1] as number;
      const absent = validity !== null && ((validity[row >> 3] as number) & (1 << (row & 7))) === 0;
      if (absent || high >= INEXACT_HIGH_WORD) {
        this.#absent[group] = (this.#absent[group] as number) + 1;
        continue;
      }
      const low = words[row * 2] as number;
      lowBits |= low;
      const value = high * WORD + low;
      if (value < (lowest[group] as number)) lowest[group] = value;
      if (value > (highest[group] as number)) highest[group] = value;
      const at = (value - (base[group] as number)) * (inverse[group] as number);
      let own = counts[group] as Uint32Array;
      if (at >= 0 && at < own.length) {
        own[at | 0] = (own[at | 0] as number) + 1;
      } else {
        own = this.#widen(group, value);
        const place = Math.floor((value - (base[group] as number)) * (inverse[group] as number));
        own[place] = (own[place] as number) + 1;
      }
    }
    this.#lowBits = lowBits;
  }

  finish(): CountedUsage {
    return {
      windows: this.#windows,
      lowest: this.#lowest,
      highest: this.#highest,
      samples: Float64Array.from(this.#windows, ({ counts }) =>
        counts.reduce((sum, count) => sum + count, 0),
      ),
      absent: this.#absent,
      lowBits: this.#lowBits,
      strangers: this.#strangers,
    };
  }

  #widen(group: number, value: number): Uint32Array {
    const window = this.#windows[group] as Window;
    coverValues(window, value, value, this.#lengthMax);
    this.#base[group] = window.base;
    this.#inverse[group] = 2 ** -window.shift;
    this.#counts[group] = window.counts;
    return window.counts;
  }
}

/**
 * Adds what another part of the data counted. Both must be of the same groups.
 * @throws RangeError when a group has more samples than can be counted
 */
export function mergeCounted(into: CountedUsage, from: CountedUsage): CountedUsage {
  const lengthMax = bucketsPerGroup(into.windows.length);
  into.windows.forEach((window, group) => {
    const other = from.windows[group] as Window;
    const samples = (into.samples[group] as number) + (from.samples[group] as number);
    if (samples >= WORD) throw new RangeError(`more than ${WORD - 1} samples of one cgroup`);
    into.samples[group] = samples;
    into.absent[group] = (into.absent[group] as number) + (from.absent[group] as number);
    if ((from.samples[group] as number) === 0) return;
    const lowest = from.lowest[group] as number;
    const highest = from.highest[group] as number;
    coverValues(window, lowest, highest, lengthMax, other.shift);
    addCounts(window, other);
    into.lowest[group] = Math.min(into.lowest[group] as number, lowest);
    into.highest[group] = Math.max(into.highest[group] as number, highest);
  });
  return {
    ...into,
    lowBits: into.lowBits | from.lowBits,
    strangers: into.strangers + from.strangers,
  };
}

/** Two values that differ do so by 2^this at least. */
export function resolution({ lowBits }: Pick<CountedUsage, "lowBits">): number {
  return lowBits === 0 ? 32 : 31 - Math.clz32(lowBits & -lowBits);
}
