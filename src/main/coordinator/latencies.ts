import { build, type Histogram } from "hdr-histogram-js";

/** From 1 µs to a minute, to two significant digits. */
const RANGE = {
  lowestDiscernibleValue: 1,
  highestTrackableValue: 60_000_000,
  numberOfSignificantValueDigits: 2,
} as const;

export interface LatencySummary {
  readonly count: number;
  readonly medianUs: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

/** How long things took, by name, in HDR histograms of bounded size. */
export class Latencies {
  readonly #histograms = new Map<string, Histogram>();

  /** Counts one time; beyond a minute it counts as a minute. */
  add(name: string, us: number): void {
    let histogram = this.#histograms.get(name);
    if (histogram === undefined) {
      histogram = build({ ...RANGE, bitBucketSize: 32 });
      this.#histograms.set(name, histogram);
    }
    histogram.recordValue(Math.min(RANGE.highestTrackableValue, Math.max(1, Math.round(us))));
  }

  summary(): Record<string, LatencySummary> {
    return Object.fromEntries(
      [...this.#histograms].map(([name, histogram]) => [
        name,
        {
          count: histogram.totalCount,
          medianUs: histogram.getValueAtPercentile(50),
          p99Us: histogram.getValueAtPercentile(99),
          maxUs: histogram.maxValue,
        },
      ]),
    );
  }
}
