import { ExitCode, Fault, invariant } from "../fault.ts";
import { bucketsPerGroup, type CountedUsage, resolution } from "./counts.ts";
import type { Ranges } from "./ranges.ts";
import { PAGE_SHIFT, type Window } from "./window.ts";

/** A rank that is looked for: it is known to lie in the bucket of 2^shift bytes that begins at `base`. */
interface Wanted {
  readonly group: number;
  /** Among all of the group's values, from 0. */
  readonly rank: number;
  readonly base: number;
  readonly shift: number;
  /** Among the values of that bucket, from 0. */
  readonly within: number;
}

/**
 * Exact order statistics by counting. Each pass over the data says in which bucket a rank lies, and the next one looks
 * into that bucket alone, until a bucket can hold but one value. Usage in whole 4 KiB pages is known after the first
 * pass where it stays within 64 MiB, and else after the second (up to 1 TiB of range); any numbers of 53 bits after four.
 * With more than 256 groups there are fewer buckets for each, and so it may take a pass or two more.
 */
export class RankSearch {
  readonly #counted: CountedUsage;
  readonly #resolution: number;
  readonly #values: ReadonlyMap<number, number>[];
  /** The wanted ranks of each range that was last asked for. */
  #asked: Wanted[][];

  /** @param ranksOf which ranks (from 0) of a group with so many samples are wanted */
  constructor(counted: CountedUsage, ranksOf: (samples: number) => readonly number[]) {
    this.#counted = counted;
    this.#resolution = resolution(counted);
    this.#values = counted.windows.map(() => new Map());
    const wanted = counted.windows.flatMap((window, group) => {
      const samples = counted.samples[group] as number;
      const ranks = [...new Set(samples === 0 ? [] : ranksOf(samples))].toSorted((a, b) => a - b);
      return locate(group, ranks, ranks, window);
    });
    this.#asked = this.#settle(wanted);
  }

  /** What the next pass has to count; null: all is known. */
  ranges(): Ranges | null {
    if (this.#asked.length === 0) return null;
    const lengthMax = bucketsPerGroup(this.#asked.length);
    const firstOf = new Int32Array(this.#counted.windows.length + 1);
    const bucketsAt = new Int32Array(this.#asked.length + 1);
    const bases = new Float64Array(this.#asked.length);
    const shifts = new Uint8Array(this.#asked.length);
    this.#asked.forEach(([first], range) => {
      const { group, base, shift } = first as Wanted;
      const fine = Math.max(this.#resolution, shift - Math.log2(lengthMax));
      bases[range] = base;
      shifts[range] = fine;
      bucketsAt[range + 1] = (bucketsAt[range] as number) + 2 ** (shift - fine);
      firstOf[group + 1] = range + 1;
    });
    // Groups without a range begin and end where the one before them ended.
    for (let group = 1; group < firstOf.length; group++)
      firstOf[group] = Math.max(firstOf[group] as number, firstOf[group - 1] as number);
    return { firstOf, bases, shifts, bucketsAt };
  }

  /** Takes in what a pass counted within {@link ranges}. @throws Fault when the data is not what it was */
  take(ranges: Ranges, counts: Uint32Array): void {
    const wanted = this.#asked.flatMap((asked, range) => {
      const window = {
        base: ranges.bases[range] as number,
        shift: ranges.shifts[range] as number,
        counts: counts.subarray(ranges.bucketsAt[range], ranges.bucketsAt[range + 1]),
      };
      const { group } = asked[0] as Wanted;
      return locate(
        group,
        asked.map(({ rank }) => rank),
        asked.map(({ within }) => within),
        window,
      );
    });
    this.#asked = this.#settle(wanted);
  }

  /** The value of a rank that was wanted, once {@link ranges} is null. */
  valueAt(group: number, rank: number): number {
    const value = this.#values[group]?.get(rank);
    invariant(value !== undefined, `rank ${rank} of group ${group} was found`);
    return value;
  }

  /** Writes down what is known, and gathers the rest by the bucket that is to be looked into. */
  #settle(wanted: readonly Wanted[]): Wanted[][] {
    const open: Wanted[][] = [];
    for (const each of wanted) {
      const { group, rank, base, shift } = each;
      const value = this.#known(each);
      if (value !== null) {
        (this.#values[group] as Map<number, number>).set(rank, value);
        continue;
      }
      const last = open.at(-1);
      const same = last?.[0]?.group === group && last[0].base === base && last[0].shift === shift;
      if (same) last.push(each);
      else open.push([each]);
    }
    return open;
  }

  #known({ group, rank, base, shift }: Wanted): number | null {
    if (shift <= this.#resolution) return base;
    if (this.#resolution < PAGE_SHIFT) return null;
    if (rank === 0) return (this.#counted.lowestPage[group] as number) * 2 ** PAGE_SHIFT;
    const last = rank === (this.#counted.samples[group] as number) - 1;
    return last ? (this.#counted.highestPage[group] as number) * 2 ** PAGE_SHIFT : null;
  }
}

/** Finds the buckets in which ranks lie. @param withins the ranks, in rising order, among what the window counted */
function locate(
  group: number,
  ranks: readonly number[],
  withins: readonly number[],
  { base, shift, counts }: Window,
): Wanted[] {
  const found: Wanted[] = [];
  let before = 0;
  for (let i = 0; i < counts.length && found.length < ranks.length; i++) {
    const end = before + (counts[i] as number);
    while (found.length < ranks.length && (withins[found.length] as number) < end) {
      const within = (withins[found.length] as number) - before;
      found.push({
        group,
        rank: ranks[found.length] as number,
        base: base + i * 2 ** shift,
        shift,
        within,
      });
    }
    before = end;
  }
  if (found.length < ranks.length) {
    throw new Fault(
      ExitCode.fault,
      `expected the same samples in each pass over the data, found ${before} where there had been more; leave it as it is while it is read`,
    );
  }
  return found;
}
