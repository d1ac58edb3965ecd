import { type GroupOf, groupAt, type UsageColumns, valueOf } from "./columns.ts";

/** What mean and growth of one group are reckoned from: centred sums, which lose nothing when they are merged. */
export interface Moments {
  readonly samples: number;
  readonly meanTimeS: number;
  readonly meanBytes: number;
  /** Sums of (time - mean)^2 and of (time - mean)(bytes - mean). */
  readonly timeSquares: number;
  readonly products: number;
  /** Of the samples, in seconds as the means. */
  readonly firstTimeS: number;
  readonly lastTimeS: number;
}

export const NO_MOMENTS: Moments = {
  samples: 0,
  meanTimeS: 0,
  meanBytes: 0,
  timeSquares: 0,
  products: 0,
  firstTimeS: Number.POSITIVE_INFINITY,
  lastTimeS: Number.NEGATIVE_INFINITY,
};

/** Chan, Golub and LeVeque's formula for sums of two parts (1979). */
export function mergeMoments(a: Moments, b: Moments): Moments {
  if (a.samples === 0) return b;
  if (b.samples === 0) return a;
  const samples = a.samples + b.samples;
  const time = b.meanTimeS - a.meanTimeS;
  const bytes = b.meanBytes - a.meanBytes;
  const weight = (a.samples * b.samples) / samples;
  return {
    samples,
    meanTimeS: a.meanTimeS + (time * b.samples) / samples,
    meanBytes: (a.meanBytes * a.samples + b.meanBytes * b.samples) / samples,
    timeSquares: a.timeSquares + b.timeSquares + time * time * weight,
    products: a.products + b.products + time * bytes * weight,
    firstTimeS: Math.min(a.firstTimeS, b.firstTimeS),
    lastTimeS: Math.max(a.lastTimeS, b.lastTimeS),
  };
}

/** Slope of the line of least squares, bytes a second; null where the samples are all of one moment. */
export function growthOf({ products, timeSquares, firstTimeS, lastTimeS }: Moments): number | null {
  return lastTimeS > firstTimeS ? products / timeSquares : null;
}

/** Sums of one dataset's samples, a cgroup each by its number; times from the first that is met, so that they stay small. */
export class MomentsCounter {
  readonly #samples: Float64Array;
  readonly #time: Float64Array;
  readonly #bytes: Float64Array;
  readonly #timeSquares: Float64Array;
  readonly #products: Float64Array;
  readonly #first: Float64Array;
  readonly #last: Float64Array;
  #originUs = Number.NaN;

  /** @param numbers one more than the highest number of a cgroup */
  constructor(numbers: number) {
    this.#samples = new Float64Array(numbers);
    this.#time = new Float64Array(numbers);
    this.#bytes = new Float64Array(numbers);
    this.#timeSquares = new Float64Array(numbers);
    this.#products = new Float64Array(numbers);
    this.#first = new Float64Array(numbers).fill(Number.POSITIVE_INFINITY);
    this.#last = new Float64Array(numbers).fill(Number.NEGATIVE_INFINITY);
  }

  /** A sample without time is left out. */
  add(batch: UsageColumns, groupOf: GroupOf): void {
    for (let row = 0; row < batch.rows; row++) {
      if (groupAt(batch, row, groupOf) < 0) continue;
      const number = batch.cgroups[row] as number;
      const bytes = valueOf(batch.usage, row);
      const us = valueOf(batch.time, row);
      if (Number.isNaN(bytes) || Number.isNaN(us)) continue;
      if (Number.isNaN(this.#originUs)) this.#originUs = us;
      const time = (us - this.#originUs) / 1e6;
      increase(this.#samples, number, 1);
      increase(this.#time, number, time);
      increase(this.#bytes, number, bytes);
      increase(this.#timeSquares, number, time * time);
      increase(this.#products, number, time * bytes);
      if (time < (this.#first[number] as number)) this.#first[number] = time;
      if (time > (this.#last[number] as number)) this.#last[number] = time;
    }
  }

  /**
   * By number; of cgroups without samples there is nothing.
   * @param offsetS is added to all times: from the dataset's clock to the wall's
   */
  finish(offsetS: number): Map<number, Moments> {
    const originS = this.#originUs / 1e6 + offsetS;
    const moments = new Map<number, Moments>();
    this.#samples.forEach((samples, number) => {
      if (samples === 0) return;
      const time = this.#time[number] as number;
      const bytes = this.#bytes[number] as number;
      moments.set(number, {
        samples,
        meanTimeS: originS + time / samples,
        meanBytes: bytes / samples,
        timeSquares: (this.#timeSquares[number] as number) - (time * time) / samples,
        products: (this.#products[number] as number) - (time * bytes) / samples,
        firstTimeS: originS + (this.#first[number] as number),
        lastTimeS: originS + (this.#last[number] as number),
      });
    });
    return moments;
  }
}

function increase(sums: Float64Array, at: number, by: number): void {
  sums[at] = (sums[at] as number) + by;
}
