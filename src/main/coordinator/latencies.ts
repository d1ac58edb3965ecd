// Not the package's entry: that brings encoders and WebAssembly along, 14 MiB resident (Node 20.20, x64).
import histogram32 from "hdr-histogram-js/dist/Int32Histogram.js";

/** From 1 µs to a minute, to two significant digits: 11 KiB a histogram. */
const LOWEST_US = 1;
const HIGHEST_US = 60_000_000;
const SIGNIFICANT_DIGITS = 2;

// CommonJS: its default export is a property of the module.
const Int32Histogram = histogram32.default;

export interface LatencySummary {
  readonly count: number;
  readonly medianUs: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

/** How long things took, by name, in HDR histograms of bounded size. */
export class Latencies {
  readonly #histograms = new Map<string, InstanceType<typeof Int32Histogram>>();

  /** Counts one time; beyond a minute it counts as a minute. */
  add(name: string, us: number): void {
    let histogram = this.#histograms.get(name);
    if (histogram === undefined) {
      histogram = new Int32Histogram(LOWEST_US, HIGHEST_US, SIGNIFICANT_DIGITS);
      this.#histograms.set(name, histogram);
    }
    histogram.recordValue(Math.min(HIGHEST_US, Math.max(LOWEST_US, Math.round(us))));
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
