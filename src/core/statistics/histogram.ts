/**
 * How an amount of memory is distributed over time, in bounded memory, old samples counting less and less.
 *
 * Log-linear buckets: 64 of equal width in each doubling from one page up, so the middle of a bucket is within 1/128
 * (0.78 %) of every value in it. Below a page they are 64 bytes wide. Only the doublings that occurred take memory, 256
 * bytes each: 4.6 KiB for a cgroup that went from one page to 1 GiB, at most 8.3 KiB (from nothing to 16 TiB).
 *
 * Nothing is ever scaled down for a sample: a newer one is given more weight instead, twice as much after each half-life
 * (forward decay: Cormode et al., "Forward Decay", ICDE 2009). Once in 60 half-lives all weights are scaled back.
 */

const BUCKETS_PER_DOUBLING = 64;
const LINEAR_BELOW_BYTES = 4096;
const LARGEST_BYTES = LINEAR_BELOW_BYTES * (2 ** 32 - 1);
/** Far below what a 32-bit float holds (2^127), together with the samples there can be. */
const WEIGHT_MAX = 2 ** 60;
/**
 * Samples that come closer than this part of a half-life are passed over: a 32-bit float can be counted up 2^24 times,
 * and so there are never more than 2^22 / ln 2. With a half-life of a day that is one in 21 ms.
 */
const SAMPLES_PER_HALF_LIFE = 2 ** 22;

/** Largest relative error of a quantile of amounts of at least one page. */
export const RELATIVE_ERROR_MAX = 1 / (2 * BUCKETS_PER_DOUBLING);

function bucketOf(bytes: number): number {
  if (bytes < LINEAR_BELOW_BYTES) return Math.floor((bytes * BUCKETS_PER_DOUBLING) / LINEAR_BELOW_BYTES);
  const pages = Math.min(bytes, LARGEST_BYTES) / LINEAR_BELOW_BYTES;
  const doubling = 31 - Math.clz32(pages);
  const within = Math.floor((pages / 2 ** doubling - 1) * BUCKETS_PER_DOUBLING);
  return (doubling + 1) * BUCKETS_PER_DOUBLING + within;
}

function middleOf(bucket: number): number {
  const doubling = Math.floor(bucket / BUCKETS_PER_DOUBLING) - 1;
  const within = (bucket % BUCKETS_PER_DOUBLING) + 0.5;
  if (doubling < 0) return (within * LINEAR_BELOW_BYTES) / BUCKETS_PER_DOUBLING;
  return LINEAR_BELOW_BYTES * 2 ** doubling * (1 + within / BUCKETS_PER_DOUBLING);
}

export class DecayingHistogram {
  readonly #halfLifeUs: number;
  /** Weights of the doublings from `#first` on, gaps between them included. */
  #weights: Float32Array = new Float32Array(0);
  #first = 0;
  #total = 0;
  /** Sum of weight times bytes. */
  #moment = 0;
  /** When a sample weighed 1, and what the newest one weighed. */
  #unitUs = Number.NaN;
  #newestUs = Number.NEGATIVE_INFINITY;
  #newest = 1;

  /** @param halfLifeUs above 0, finite */
  constructor(halfLifeUs: number) {
    this.#halfLifeUs = halfLifeUs;
  }

  /** Bytes of memory that the buckets take. */
  get memoryBytes(): number {
    return this.#weights.byteLength;
  }

  /** How many samples of now all of them are worth. */
  get effectiveSamples(): number {
    return this.#total / this.#newest;
  }

  /** NaN before the first sample. */
  get meanBytes(): number {
    return this.#moment / this.#total;
  }

  /**
   * Takes a sample. Times must not go back.
   * @returns false when it comes too soon after the last one to be counted
   */
  add(timeUs: number, bytes: number): boolean {
    if (timeUs - this.#newestUs < this.#halfLifeUs / SAMPLES_PER_HALF_LIFE) return false;
    if (Number.isNaN(this.#unitUs)) this.#unitUs = timeUs;
    let weight = 2 ** ((timeUs - this.#unitUs) / this.#halfLifeUs);
    if (weight > WEIGHT_MAX) {
      this.#scaleBack(weight);
      this.#unitUs = timeUs;
      weight = 1;
    }
    const at = this.#place(bucketOf(bytes));
    this.#weights[at] = (this.#weights[at] as number) + weight;
    this.#total += weight;
    this.#moment += weight * bytes;
    this.#newest = weight;
    this.#newestUs = timeUs;
    return true;
  }

  /**
   * The smallest amount that at least the share `q` (0 to 1) of the weight does not exceed; the middle of its bucket.
   * NaN before the first sample.
   */
  quantile(q: number): number {
    const weights = this.#weights;
    const wanted = q * this.#total;
    let passed = 0;
    let last = -1;
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i] as number;
      if (weight === 0) continue;
      passed += weight;
      last = i;
      if (passed >= wanted) break;
    }
    return last < 0 ? Number.NaN : middleOf(this.#first * BUCKETS_PER_DOUBLING + last);
  }

  #scaleBack(by: number): void {
    // Infinity after very long silence: all that was is forgotten.
    for (let i = 0; i < this.#weights.length; i++) this.#weights[i] = (this.#weights[i] as number) / by;
    this.#total /= by;
    this.#moment /= by;
  }

  /** Where a bucket is in `#weights`, which grows by whole doublings when it has to. */
  #place(bucket: number): number {
    const doubling = Math.floor(bucket / BUCKETS_PER_DOUBLING);
    const count = this.#weights.length / BUCKETS_PER_DOUBLING;
    const first = count === 0 ? doubling : Math.min(this.#first, doubling);
    const end = count === 0 ? doubling + 1 : Math.max(this.#first + count, doubling + 1);
    if (end - first > count) {
      const wider = new Float32Array((end - first) * BUCKETS_PER_DOUBLING);
      wider.set(this.#weights, (this.#first - first) * BUCKETS_PER_DOUBLING * (count === 0 ? 0 : 1));
      this.#weights = wider;
      this.#first = first;
    }
    return bucket - this.#first * BUCKETS_PER_DOUBLING;
  }
}
