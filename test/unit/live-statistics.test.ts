/** Live statistics against plain ones over the same samples. PLIMSOLL_SEED=N plays a run again. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DecayingHistogram, RELATIVE_ERROR_MAX } from "../../src/core/statistics/histogram.ts";
import { LiveStatistics } from "../../src/core/statistics/live.ts";
import { RecentExtremes } from "../../src/core/statistics/recent-extremes.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

const MiB = 2 ** 20;
const HOUR_US = 3.6e9;
const SECOND_US = 1e6;
const page = fc.oneof(
  fc.constantFrom(0, 1, 2 ** 20, 2 ** 32 - 1),
  fc.nat({ max: 2 ** 20 }),
  fc.nat({ max: 2 ** 28 }),
);
const usages = fc.array(
  page.map((pages) => pages * 4096),
  { minLength: 1, maxLength: 300 },
);

/** The smallest value that at least the share `q` of the weight does not exceed. */
function weightedQuantile(samples: readonly { bytes: number; weight: number }[], q: number): number {
  const sorted = samples.toSorted((a, b) => a.bytes - b.bytes);
  const wanted = q * sorted.reduce((sum, { weight }) => sum + weight, 0);
  let passed = 0;
  for (const { bytes, weight } of sorted) {
    passed += weight;
    if (passed >= wanted) return bytes;
  }
  return sorted.at(-1)?.bytes ?? Number.NaN;
}

function expectNear(found: number, exact: number, relative: number): void {
  expect(Math.abs(found - exact)).toBeLessThanOrEqual(exact * relative + 1e-6);
}

describe("the histogram", () => {
  test("has every quantile within its relative error", () => {
    fc.assert(
      fc.property(usages, fc.integer({ min: 1, max: 100 }), (all, percent) => {
        // Of that share no rank lies between two samples, where rounding could choose either.
        const q = (Math.ceil((percent / 100) * all.length) - 0.5) / all.length;
        const histogram = new DecayingHistogram(HOUR_US * 1e6);
        for (const [i, bytes] of all.entries()) histogram.add(i * HOUR_US * 10, bytes);
        const weights = all.map((bytes) => ({ bytes, weight: 1 }));
        const exact = weightedQuantile(weights, q);
        const found = histogram.quantile(q);
        // Nothing is used: the first 64 bytes' middle.
        if (exact === 0) expect(found).toBe(32);
        else expectNear(found, exact, RELATIVE_ERROR_MAX);
      }),
      { numRuns: 500 },
    );
  });

  test("the error is below one percent, and takes less memory than 8.3 KiB whatever comes", () => {
    expect(RELATIVE_ERROR_MAX).toBeLessThan(0.01);
    const histogram = new DecayingHistogram(HOUR_US);
    for (let i = 0; i < 54; i++) histogram.add(i * SECOND_US, 2 ** i);
    histogram.add(60 * SECOND_US, 0);
    expect(histogram.memoryBytes).toBeLessThanOrEqual(8.3 * 1024);
    const usual = new DecayingHistogram(HOUR_US);
    for (let i = 0; i < 1000; i++) usual.add(i * SECOND_US, 100 * MiB + i * MiB);
    expect(usual.memoryBytes).toBeLessThanOrEqual(1.25 * 1024);
  });

  test("a sample counts half after each half-life, however long the life", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(page, fc.integer({ min: 1, max: 20_000 })), { minLength: 1, maxLength: 80 }),
        fc.constantFrom(0.1, 0.5, 0.9),
        (steps, q) => {
          // Up to 1,600 half-lives: the weights are scaled back on the way, several times.
          const halfLifeUs = 1000 * SECOND_US;
          const histogram = new DecayingHistogram(halfLifeUs);
          let nowUs = 5e12;
          const samples = steps.map(([pages, seconds]) => {
            nowUs += seconds * SECOND_US;
            histogram.add(nowUs, pages * 4096);
            return { bytes: pages * 4096, timeUs: nowUs };
          });
          const weighted = samples.map(({ bytes, timeUs }) => ({
            bytes,
            weight: 2 ** ((timeUs - nowUs) / halfLifeUs),
          }));
          const total = weighted.reduce((sum, { weight }) => sum + weight, 0);
          expectNear(histogram.effectiveSamples, total, 1e-9);
          const mean = weighted.reduce((sum, { bytes, weight }) => sum + bytes * weight, 0) / total;
          expectNear(histogram.meanBytes, mean, 1e-6);
          // Where rounding of the weights could move the rank over a sample, either is right.
          const near = [q - 1e-6, q, q + 1e-6].map((share) => weightedQuantile(weighted, share));
          const found = histogram.quantile(q);
          expect(
            near.some((exact) => Math.abs(found - exact) <= Math.max(32, exact * RELATIVE_ERROR_MAX)),
          ).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("samples that come too close for its precision are passed over, and the rest has the same statistics", () => {
    const histogram = new DecayingHistogram(86_400 * SECOND_US);
    let taken = 0;
    for (let i = 0; i < 1000; i++) if (histogram.add(i * 1000, 64 * MiB)) taken++;
    // One in 20.6 ms, of samples each millisecond.
    expect(taken).toBe(48);
    expectNear(histogram.quantile(0.5), 64 * MiB, RELATIVE_ERROR_MAX);
  });

  test("knows nothing before the first sample", () => {
    const histogram = new DecayingHistogram(HOUR_US);
    expect(histogram.quantile(0.5)).toBeNaN();
    expect(histogram.meanBytes).toBeNaN();
    expect(histogram.effectiveSamples).toBe(0);
  });
});

describe("recent extremes", () => {
  test("are those of the last seven to eight epochs, exactly", () => {
    const walk = fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer()), { minLength: 1 });
    fc.assert(
      fc.property(walk, (steps) => {
        const extremes = new RecentExtremes(100);
        const seen: { timeUs: number; value: number }[] = [];
        let timeUs = 12_345;
        for (const [later, value] of steps) {
          timeUs += later;
          seen.push({ timeUs, value });
          extremes.add(timeUs, value);
          const firstEpoch = Math.floor(timeUs / 100) - 7;
          const values = seen.filter((each) => Math.floor(each.timeUs / 100) >= firstEpoch);
          expect(extremes.min).toBe(Math.min(...values.map((each) => each.value)));
          expect(extremes.max).toBe(Math.max(...values.map((each) => each.value)));
        }
      }),
    );
  });

  test("are not known before the first value", () => {
    expect(new RecentExtremes(100).min).toBeNaN();
    expect(new RecentExtremes(100).max).toBeNaN();
  });
});

describe("live statistics", () => {
  function fed(samples: readonly (readonly [number, number])[], halfLifeUs = HOUR_US): LiveStatistics {
    const statistics = new LiveStatistics(halfLifeUs);
    for (const [timeUs, bytes] of samples) statistics.add(timeUs, bytes);
    return statistics;
  }

  test("minimum and maximum are exact, quantiles lie between them", () => {
    fc.assert(
      fc.property(usages, (all) => {
        const summary = fed(all.map((bytes, i) => [i * SECOND_US, bytes])).summary();
        expect(summary.minBytes).toBe(Math.min(...all));
        expect(summary.maxBytes).toBe(Math.max(...all));
        expect(summary.samples).toBe(all.length);
        const ordered = [
          summary.minBytes,
          summary.medianBytes,
          summary.p90Bytes,
          summary.p95Bytes,
          summary.p99Bytes,
          summary.maxBytes,
        ];
        expect(ordered).toEqual(ordered.toSorted((a, b) => a - b));
      }),
    );
  });

  test("the median that is kept is never more than a hundredth of the ranks behind", () => {
    fc.assert(
      fc.property(fc.array(page, { minLength: 1, maxLength: 2000, size: "max" }), (all) => {
        const statistics = new LiveStatistics(HOUR_US * 1000);
        const sorted: number[] = [];
        for (const [i, pages] of all.entries()) {
          statistics.add(i * SECOND_US, pages * 4096);
          sorted.push(pages * 4096);
          if (i % 50 !== 0) {
            void statistics.medianBytes;
            continue;
          }
          sorted.sort((a, b) => a - b);
          const at = (q: number): number =>
            sorted[Math.min(i, Math.max(0, Math.ceil(q * (i + 1)) - 1))] as number;
          const median = statistics.medianBytes;
          expect(median).toBeGreaterThanOrEqual(at(0.48) * (1 - RELATIVE_ERROR_MAX) - 32);
          expect(median).toBeLessThanOrEqual(at(0.52) * (1 + RELATIVE_ERROR_MAX) + 32);
        }
      }),
      { numRuns: 30 },
    );
  });

  test("growth is the fastest between two samples next to each other", () => {
    const summary = fed([
      [0, 10 * MiB],
      [SECOND_US, 30 * MiB],
      [3 * SECOND_US, 10 * MiB],
      [3.5 * SECOND_US, 25 * MiB],
    ]).summary();
    expect(summary.growthBytesPerSecond).toBe(30 * MiB);
    expect(fed([[0, MiB]]).summary().growthBytesPerSecond).toBe(0);
  });

  test("an old peak is forgotten", () => {
    const statistics = fed([[0, 900 * MiB]], 10 * SECOND_US);
    for (let s = 1; s <= 90; s++) statistics.add(s * SECOND_US, 100 * MiB);
    expect(statistics.maxBytes).toBe(100 * MiB);
    expect(statistics.quantile(0.999)).toBe(100 * MiB);
  });

  test("absent figures and times that go back are passed over", () => {
    const statistics = fed([
      [SECOND_US, 5 * MiB],
      [2 * SECOND_US, Number.NaN],
      [Number.NaN, 7 * MiB],
      [0, 9 * MiB],
      [3 * SECOND_US, -1],
    ]);
    expect(statistics.summary()).toMatchObject({ samples: 1, maxBytes: 5 * MiB });
  });

  test("samples kept apart are counted, and nothing else is learned from them", () => {
    const sample = fc.tuple(page, fc.boolean());
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1, maxLength: 100 }), (all) => {
        const with_ = new LiveStatistics(HOUR_US);
        const without = new LiveStatistics(HOUR_US);
        const apart: number[] = [];
        for (const [i, [pages, isApart]] of all.entries()) {
          if (isApart) with_.addApart(pages * 4096);
          else with_.add(i * SECOND_US, pages * 4096);
          if (isApart) without.addApart(0);
          else without.add(i * SECOND_US, pages * 4096);
          if (isApart) apart.push(pages * 4096);
        }
        const { maxApartBytes, ...learned } = with_.summary();
        const { maxApartBytes: _, ...expected } = without.summary();
        expect(learned).toEqual(expected);
        expect(maxApartBytes).toBe(apart.length === 0 ? Number.NaN : Math.max(...apart));
        expect(learned.samplesApart).toBe(apart.length);
      }),
    );
  });
});
