import { type DetailColumns, type GroupOf, groupAt, type UsageColumns, valueOf } from "./columns.ts";

/** A cgroup counts as being at its limit from this share of it on: what is left is reclaimed as fast as it is used. */
export const AT_LIMIT_SHARE = 0.99;

/** What the detail table says of one cgroup's limit. Plain data; of one dataset, by the cgroup's number. */
export interface LimitHistory {
  /** When each limit was first seen, in rising order, and the limits; NaN: none. */
  readonly timesUs: number[];
  readonly limitsBytes: number[];
  /** How often usage met the limit between the first and the last row; null: the kernel does not tell. */
  hits: number | null;
  /** The counter in the first and the last row that has it; NaN before. */
  firstHits: number;
  lastHits: number;
  /** Likewise the kernel's own mark of highest usage. */
  firstPeakBytes: number;
  lastPeakBytes: number;
}

export type LimitHistories = Map<number, LimitHistory>;

/** Takes in a batch of the detail table; batches come in the order of time. */
export function addDetail(histories: LimitHistories, batch: DetailColumns, groupOf: GroupOf): void {
  for (let row = 0; row < batch.rows; row++) {
    const timeUs = valueOf(batch.time, row);
    if (groupAt(batch, row, groupOf) < 0 || Number.isNaN(timeUs)) continue;
    const number = batch.cgroups[row] as number;
    let history = histories.get(number);
    if (history === undefined) {
      history = emptyHistory();
      histories.set(number, history);
    }
    addStep(history, timeUs, valueOf(batch.limit, row));
    const hits = valueOf(batch.hits, row);
    addHits(history, hits, hits, Number.isNaN(hits) ? null : 0);
    const peak = valueOf(batch.peak, row);
    addPeak(history, peak, peak);
  }
}

/** Adds what a later part of the same dataset said. */
export function mergeHistories(into: LimitHistories, later: LimitHistories): void {
  for (const [number, history] of later) {
    const own = into.get(number);
    if (own === undefined) {
      into.set(number, history);
      continue;
    }
    history.timesUs.forEach((timeUs, i) => addStep(own, timeUs, history.limitsBytes[i] as number));
    addHits(own, history.firstHits, history.lastHits, history.hits);
    addPeak(own, history.firstPeakBytes, history.lastPeakBytes);
  }
}

/** The highest usage while it was recorded, where the kernel's mark was moved up meanwhile; null: it was set before. */
export function peakWithin({ firstPeakBytes, lastPeakBytes }: LimitHistory): number | null {
  return lastPeakBytes > firstPeakBytes ? lastPeakBytes : null;
}

function emptyHistory(): LimitHistory {
  return {
    timesUs: [],
    limitsBytes: [],
    hits: null,
    firstHits: Number.NaN,
    lastHits: Number.NaN,
    firstPeakBytes: Number.NaN,
    lastPeakBytes: Number.NaN,
  };
}

function addStep(history: LimitHistory, timeUs: number, limitBytes: number): void {
  if (history.timesUs.length > 0 && Object.is(history.limitsBytes.at(-1), limitBytes)) return;
  history.timesUs.push(timeUs);
  history.limitsBytes.push(limitBytes);
}

/** A counter that went down was set back (failcnt can be written): what it counted before stands. */
function addHits(history: LimitHistory, first: number, last: number, within: number | null): void {
  if (within === null) return;
  const between = Number.isNaN(history.lastHits) ? 0 : Math.max(0, first - history.lastHits);
  history.hits = (history.hits ?? 0) + between + within;
  if (Number.isNaN(history.firstHits)) history.firstHits = first;
  history.lastHits = last;
}

function addPeak(history: LimitHistory, first: number, last: number): void {
  if (Number.isNaN(history.firstPeakBytes)) history.firstPeakBytes = first;
  if (!Number.isNaN(last)) history.lastPeakBytes = last;
}

/** How long one cgroup was at its limit in one stretch of the data, and what it takes to put two stretches together. */
export interface LimitTime {
  readonly atLimitUs: number;
  readonly firstTimeUs: number;
  readonly lastTimeUs: number;
  readonly lastAtLimit: boolean;
}

/** @param later begins where `earlier` ends: a sample holds until the next one of the same cgroup */
export function mergeLimitTime(earlier: LimitTime, later: LimitTime): LimitTime {
  const between = earlier.lastAtLimit ? Math.max(0, later.firstTimeUs - earlier.lastTimeUs) : 0;
  return {
    ...later,
    atLimitUs: earlier.atLimitUs + between + later.atLimitUs,
    firstTimeUs: earlier.firstTimeUs,
  };
}

/**
 * Adds up the time in which usage was at {@link AT_LIMIT_SHARE} of the limit that held then, or above. A sample holds
 * until the next one of its cgroup, also an absent one; the last of all holds for no time. Of one dataset.
 */
export class LimitTimer {
  readonly #histories: readonly (LimitHistory | undefined)[];
  readonly #step: Int32Array;
  readonly #atLimitUs: Float64Array;
  readonly #firstUs: Float64Array;
  readonly #lastUs: Float64Array;
  readonly #at: Uint8Array;

  /** @param numbers one more than the highest number of a cgroup */
  constructor(histories: LimitHistories, numbers: number) {
    this.#histories = Array.from({ length: numbers }, (_, number) => histories.get(number));
    this.#step = new Int32Array(numbers).fill(-1);
    this.#atLimitUs = new Float64Array(numbers);
    this.#firstUs = new Float64Array(numbers).fill(Number.NaN);
    this.#lastUs = new Float64Array(numbers).fill(Number.NaN);
    this.#at = new Uint8Array(numbers);
  }

  add(batch: UsageColumns, groupOf: GroupOf): void {
    for (let row = 0; row < batch.rows; row++) {
      const timeUs = valueOf(batch.time, row);
      if (groupAt(batch, row, groupOf) < 0 || Number.isNaN(timeUs)) continue;
      const number = batch.cgroups[row] as number;
      const lastUs = this.#lastUs[number] as number;
      if (Number.isNaN(lastUs)) this.#firstUs[number] = timeUs;
      else if (this.#at[number] === 1 && timeUs > lastUs)
        this.#atLimitUs[number] = (this.#atLimitUs[number] as number) + timeUs - lastUs;
      this.#lastUs[number] = timeUs;
      const limit = this.#limitAt(number, timeUs);
      // Absent usage and an absent limit are NaN, and compare as false.
      this.#at[number] = valueOf(batch.usage, row) >= limit * AT_LIMIT_SHARE ? 1 : 0;
    }
  }

  /** By number; of cgroups without samples there is nothing. */
  finish(): Map<number, LimitTime> {
    const times = new Map<number, LimitTime>();
    this.#lastUs.forEach((lastTimeUs, number) => {
      if (Number.isNaN(lastTimeUs)) return;
      times.set(number, {
        atLimitUs: this.#atLimitUs[number] as number,
        firstTimeUs: this.#firstUs[number] as number,
        lastTimeUs,
        lastAtLimit: this.#at[number] === 1,
      });
    });
    return times;
  }

  #limitAt(number: number, timeUs: number): number {
    const history = this.#histories[number];
    if (history === undefined) return Number.NaN;
    let step = this.#step[number] as number;
    while (step + 1 < history.timesUs.length && (history.timesUs[step + 1] as number) <= timeUs) step++;
    this.#step[number] = step;
    // Before the first look at it the limit was most likely the same.
    return history.limitsBytes[Math.max(0, step)] as number;
  }
}
