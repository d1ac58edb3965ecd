import { type GroupOf, INEXACT_HIGH_WORD, type UsageColumns, WORD } from "./columns.ts";
import { addCounts, coverValues, emptyWindow, PAGE_SHIFT, type Window, widthOf } from "./window.ts";

/** What one pass over usage found out, plain data that can go from thread to thread. */
export interface CountedUsage {
  /** One of each, a group. */
  readonly windows: readonly Window[];
  /** Numbers of the pages (4 KiB) that the least and the highest value lie in; infinite without values. */
  readonly lowestPage: Float64Array;
  readonly highestPage: Float64Array;
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

const PAGE_BYTES = 2 ** PAGE_SHIFT;
const HIGH_SHIFT = 32 - PAGE_SHIFT;
/** Upper words with bits from here on make numbers of pages of more than 31 bits: 8 TiB. */
export const FAR_HIGH_SHIFT = PAGE_SHIFT - 1;
const PAGES_MAX = 2 ** 31;

/** Of a group, side by side, so that a row meets one line of the cache for all of it. */
const State = { basePage: 0, pageShift: 1, length: 2, lowest: 3, highest: 4, countsAt: 5 } as const;
const STATE_WORDS = 8;

/**
 * The first pass: counts values into a window for each group, that moves and becomes coarser with what it meets. As
 * long as a bucket can hold only one value (see {@link resolution}), the counts are the exact distribution.
 *
 * A row costs a few nanoseconds, which decides how long a calibration takes. So it is all in integers of 32 bits, by
 * pages; only values from 8 TiB on, and those outside of their window, take the long way.
 */
export class UsageCounter {
  readonly #length: number;
  readonly #windows: Window[];
  readonly #state: Int32Array;
  readonly #counts: Uint32Array;
  /** Pages of values that took the long way. */
  readonly #lowestFar: Float64Array;
  readonly #highestFar: Float64Array;
  readonly #absent: Float64Array;
  /** Rows of a batch that have to take the long way. */
  #farRows = new Int32Array(0);
  #lowBits = 0;
  #strangers = 0;

  constructor(groups: number) {
    this.#length = bucketsPerGroup(groups);
    this.#windows = Array.from({ length: groups }, emptyWindow);
    this.#counts = new Uint32Array(groups * this.#length);
    this.#state = new Int32Array(groups * STATE_WORDS);
    for (let group = 0; group < groups; group++) {
      this.#state[group * STATE_WORDS + State.lowest] = PAGES_MAX - 1;
      this.#state[group * STATE_WORDS + State.highest] = -1;
      this.#state[group * STATE_WORDS + State.countsAt] = group * this.#length;
    }
    this.#lowestFar = new Float64Array(groups).fill(Number.POSITIVE_INFINITY);
    this.#highestFar = new Float64Array(groups).fill(Number.NEGATIVE_INFINITY);
    this.#absent = new Float64Array(groups);
  }

  add({ rows, cgroups, cgroupValidity, usage }: UsageColumns, groupOf: GroupOf): void {
    const { validity } = usage;
    // As signed numbers: the compiler keeps those in registers, and only their bits are looked at.
    const words = new Int32Array(usage.words.buffer, usage.words.byteOffset, rows * 2);
    if (this.#farRows.length < rows) this.#farRows = new Int32Array(rows);
    const state = this.#state;
    const counts = this.#counts;
    const absent = this.#absent;
    const farRows = this.#farRows;
    const numbers = groupOf.length;
    let lowBits = 0;
    let strangers = 0;
    let farCount = 0;
    for (let row = 0; row < rows; row++) {
      const bit = 1 << (row & 7);
      const number = cgroups[row] as number;
      const known = cgroupValidity === null || ((cgroupValidity[row >> 3] as number) & bit) !== 0;
      const group = known && number >= 0 && number < numbers ? (groupOf[number] as number) : -1;
      if (group < 0) {
        strangers++;
        continue;
      }
      if (validity !== null && ((validity[row >> 3] as number) & bit) === 0) {
        absent[group] = (absent[group] as number) + 1;
        continue;
      }
      const low = words[row * 2] as number;
      const high = words[row * 2 + 1] as number;
      const page = (high << HIGH_SHIFT) | (low >>> PAGE_SHIFT);
      const of = group * STATE_WORDS;
      // Below the window the difference is, without its sign, beyond any length.
      const at = (page - (state[of] as number)) >>> (state[of + State.pageShift] as number);
      if (high >>> FAR_HIGH_SHIFT === 0 && at < (state[of + State.length] as number)) {
        lowBits |= low;
        if (page < (state[of + State.lowest] as number)) state[of + State.lowest] = page;
        if (page > (state[of + State.highest] as number)) state[of + State.highest] = page;
        const place = (state[of + State.countsAt] as number) + at;
        counts[place] = ((counts[place] as number) + 1) | 0;
      } else {
        // Not at once: a call in this loop would double what every row costs.
        farRows[farCount++] = row;
      }
    }
    this.#lowBits |= lowBits;
    this.#strangers += strangers;
    for (let i = 0; i < farCount; i++) {
      const row = farRows[i] as number;
      const group = groupOf[cgroups[row] as number] as number;
      this.#countFar(group, usage.words[row * 2 + 1] as number, usage.words[row * 2] as number);
    }
  }

  finish(): CountedUsage {
    const samples = this.#windows.map(({ counts }) => counts.reduce((sum, count) => sum + count, 0));
    const state = (group: number, word: number): number => this.#state[group * STATE_WORDS + word] as number;
    const near = samples.map((_, group) => state(group, State.highest) >= 0);
    return {
      windows: this.#windows,
      lowestPage: this.#lowestFar.map((far, group) =>
        near[group] === true ? Math.min(far, state(group, State.lowest)) : far,
      ),
      highestPage: this.#highestFar.map((far, group) =>
        near[group] === true ? Math.max(far, state(group, State.highest)) : far,
      ),
      samples: Float64Array.from(samples),
      absent: this.#absent,
      lowBits: this.#lowBits,
      strangers: this.#strangers,
    };
  }

  /** The long way. A number that a double cannot hold counts as absent. */
  #countFar(group: number, high: number, low: number): void {
    if (high >= INEXACT_HIGH_WORD) {
      this.#absent[group] = (this.#absent[group] as number) + 1;
      return;
    }
    this.#lowBits |= low;
    const value = high * WORD + low;
    const page = Math.floor(value / PAGE_BYTES);
    this.#lowestFar[group] = Math.min(page, this.#lowestFar[group] as number);
    this.#highestFar[group] = Math.max(page, this.#highestFar[group] as number);
    const window = this.#windows[group] as Window;
    if (!reaches(window, value)) this.#widen(group, window, value);
    const place = Math.floor((value - window.base) / widthOf(window.shift));
    window.counts[place] = (window.counts[place] as number) + 1;
  }

  #widen(group: number, window: Window, value: number): void {
    const { base, shift, counts } = coverValues(window, value, value, this.#length);
    const of = group * STATE_WORDS;
    const countsAt = this.#state[of + State.countsAt] as number;
    this.#counts.set(counts, countsAt);
    window.base = base;
    window.shift = shift;
    window.counts = this.#counts.subarray(countsAt, countsAt + this.#length);
    const reachesFar = base + this.#length * widthOf(shift) > PAGES_MAX * PAGE_BYTES;
    this.#state[of + State.basePage] = base / PAGE_BYTES;
    this.#state[of + State.pageShift] = shift - PAGE_SHIFT;
    // Of one that the short way cannot reckon with, no value is within it.
    this.#state[of + State.length] = reachesFar ? 0 : this.#length;
  }
}

function reaches({ base, shift, counts }: Window, value: number): boolean {
  return value >= base && value < base + counts.length * widthOf(shift);
}

/**
 * Adds what another part of the data counted. Both must be of the same groups.
 * @throws RangeError when a group has more samples than can be counted
 */
export function mergeCounted(into: CountedUsage, from: CountedUsage): CountedUsage {
  const length = bucketsPerGroup(into.windows.length);
  into.windows.forEach((window, group) => {
    const other = from.windows[group] as Window;
    const samples = (into.samples[group] as number) + (from.samples[group] as number);
    if (samples >= WORD) throw new RangeError(`more than ${WORD - 1} samples of one cgroup`);
    into.samples[group] = samples;
    into.absent[group] = (into.absent[group] as number) + (from.absent[group] as number);
    if ((from.samples[group] as number) === 0) return;
    const lowest = from.lowestPage[group] as number;
    const highest = from.highestPage[group] as number;
    Object.assign(
      window,
      coverValues(window, lowest * PAGE_BYTES, highest * PAGE_BYTES, length, other.shift),
    );
    addCounts(window, other);
    into.lowestPage[group] = Math.min(into.lowestPage[group] as number, lowest);
    into.highestPage[group] = Math.max(into.highestPage[group] as number, highest);
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
