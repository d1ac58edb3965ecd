/**
 * What a cgroup uses, learned while the guard runs: the statistics of `plimsoll calibrate`, kept in bounded memory, in
 * which a sample counts half after a half-life. Quantiles are within 0.8 % (histogram.ts), minimum and maximum exact.
 */
import { DecayingHistogram } from "./histogram.ts";
import { RecentExtremes } from "./recent-extremes.ts";

/** The median is sought again when the samples since make up this part of all: it has moved by as many ranks at most. */
const MEDIAN_DRIFT = 0.01;

/** All bytes; NaN before the first sample. */
export interface UsageStatistics {
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly medianBytes: number;
  readonly p90Bytes: number;
  readonly p95Bytes: number;
  readonly p99Bytes: number;
  readonly meanBytes: number;
  /** The fastest growth between two samples next to each other; 0 when there was none. */
  readonly growthBytesPerSecond: number;
  /** All that were taken. */
  readonly samples: number;
  /** How many samples of now they are worth. */
  readonly effectiveSamples: number;
  /** Those kept apart, and the largest of them ever. */
  readonly samplesApart: number;
  readonly maxApartBytes: number;
}

export class LiveStatistics {
  readonly #histogram: DecayingHistogram;
  readonly #usage: RecentExtremes;
  readonly #growth: RecentExtremes;
  #samples = 0;
  #lastUs = Number.NaN;
  #lastBytes = Number.NaN;
  #samplesApart = 0;
  #maxApartBytes = Number.NaN;
  #medianBytes = Number.NaN;
  #sinceMedian = 0;

  /** @param halfLifeUs above 0, finite */
  constructor(halfLifeUs: number) {
    this.#histogram = new DecayingHistogram(halfLifeUs);
    this.#usage = new RecentExtremes(halfLifeUs);
    this.#growth = new RecentExtremes(halfLifeUs);
  }

  /** Takes a sample of ordinary life. Absent figures and times that go back are passed over. */
  add(timeUs: number, bytes: number): void {
    if (!(bytes >= 0) || Number.isNaN(timeUs) || timeUs < this.#lastUs) return;
    this.#samples++;
    this.#usage.add(timeUs, bytes);
    if (timeUs > this.#lastUs) {
      this.#growth.add(timeUs, Math.max(0, ((bytes - this.#lastBytes) / (timeUs - this.#lastUs)) * 1e6));
    }
    this.#lastUs = timeUs;
    this.#lastBytes = bytes;
    if (this.#histogram.add(timeUs, bytes)) this.#sinceMedian++;
  }

  /** A sample taken while a rescue changed what the cgroup could use: counted, and nothing is learned from it. */
  addApart(bytes: number): void {
    if (!(bytes >= 0)) return;
    this.#samplesApart++;
    if (!(this.#maxApartBytes >= bytes)) this.#maxApartBytes = bytes;
    // What is grown across a rescue is none of ordinary life's growth.
    this.#lastBytes = Number.NaN;
  }

  get minBytes(): number {
    return this.#usage.min;
  }

  get maxBytes(): number {
    return this.#usage.max;
  }

  get effectiveSamples(): number {
    return this.#histogram.effectiveSamples;
  }

  get maxApartBytes(): number {
    return this.#maxApartBytes;
  }

  /** Sought anew only when enough came since, so it may be asked for often. NaN before the first sample. */
  get medianBytes(): number {
    if (
      Number.isNaN(this.#medianBytes) ||
      this.#sinceMedian > MEDIAN_DRIFT * this.#histogram.effectiveSamples
    ) {
      this.#medianBytes = this.quantile(0.5);
      this.#sinceMedian = 0;
    }
    return this.#medianBytes;
  }

  /** @param q share of the samples, 0 to 1. NaN before the first sample. */
  quantile(q: number): number {
    const bytes = this.#histogram.quantile(q);
    return Math.min(this.#usage.max, Math.max(this.#usage.min, bytes));
  }

  /** Bytes of memory that the histogram takes. */
  get memoryBytes(): number {
    return this.#histogram.memoryBytes;
  }

  /** Everything there is to know, sought at the moment. */
  summary(): UsageStatistics {
    const growth = this.#growth.max;
    return {
      minBytes: this.minBytes,
      maxBytes: this.maxBytes,
      medianBytes: this.quantile(0.5),
      p90Bytes: this.quantile(0.9),
      p95Bytes: this.quantile(0.95),
      p99Bytes: this.quantile(0.99),
      meanBytes: this.#histogram.meanBytes,
      growthBytesPerSecond: Number.isNaN(growth) ? 0 : growth,
      samples: this.#samples,
      effectiveSamples: this.effectiveSamples,
      samplesApart: this.#samplesApart,
      maxApartBytes: this.#maxApartBytes,
    };
  }
}
