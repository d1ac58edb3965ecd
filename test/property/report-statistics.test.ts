/** Statistics of a series: against polars, whatever the values and their order. */
import fc from "fast-check";
import pl from "nodejs-polars";
import { expect, test } from "vitest";
import { statisticsOf } from "../../src/core/report/statistics.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const whole = fc.integer({ min: 0, max: 2 ** 45 });
/** Many equal ones, runs, and figures of every size. */
const series = fc.oneof(
  fc.array(whole, { minLength: 1, maxLength: 300 }),
  fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 300 }),
  fc.array(whole, { minLength: 1, maxLength: 300 }).map((values) => values.toSorted((a, b) => a - b)),
  fc.array(whole, { minLength: 1, maxLength: 300 }).map((values) => values.toSorted((a, b) => b - a)),
);

function timesOf(values: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: values.length }, (_, i) => 1.7e12 + i * 1000);
}

/** Near enough for sums of the fourth power that two programs make in another order. */
function near(found: number | null, expected: number): boolean {
  return found !== null && Math.abs(found - expected) <= 1e-6 * Math.max(1, Math.abs(expected));
}

test("as polars has them", () => {
  fc.assert(
    fc.property(series, (values) => {
      const found = statisticsOf(timesOf(values), Float64Array.from(values));
      const column = pl.Series("values", values, pl.Float64);
      expect(found.count).toBe(values.length);
      expect(found.min).toBe(column.min());
      expect(found.max).toBe(column.max());
      expect(near(found.mean, column.mean() as number)).toBe(true);
      const quartiles = [0.25, 0.5, 0.75].map((share) => column.quantile(share, "linear"));
      [found.lowerQuartile, found.median, found.upperQuartile].forEach((quartile, i) => {
        expect(near(quartile, quartiles[i] as number)).toBe(true);
      });
      const distinct = new Set(values).size;
      if (values.length < 2) {
        expect(found.deviation).toBeNull();
        return;
      }
      const [row] = pl.DataFrame({ values: column }).select(pl.col("values").std()).toRecords();
      expect(near(found.deviation, row?.values as number)).toBe(true);
      if (distinct === 1) {
        expect([found.deviation, found.skewness, found.kurtosis]).toEqual([0, null, null]);
        return;
      }
      expect(near(found.skewness, column.skew() as number)).toBe(true);
      expect(near(found.kurtosis, column.kurtosis() as number)).toBe(true);
    }),
    fuzzSettings(200),
  );
});

test("what is not there is no sample; times are those of the first least and the first greatest", () => {
  fc.assert(
    fc.property(fc.array(fc.option(whole, { nil: Number.NaN }), { maxLength: 100 }), (values) => {
      const times = timesOf(values);
      const found = statisticsOf(times, Float64Array.from(values));
      const present = values.filter((value) => !Number.isNaN(value));
      expect(found.count).toBe(present.length);
      if (present.length === 0) {
        expect(new Set(Object.values(found))).toEqual(new Set([0, null]));
        return;
      }
      expect(found.minTimeMs).toBe(times[values.indexOf(Math.min(...present))]);
      expect(found.maxTimeMs).toBe(times[values.indexOf(Math.max(...present))]);
    }),
    fuzzSettings(),
  );
});

test("a change of one byte in 10^12 is seen", () => {
  const values = Float64Array.from({ length: 1000 }, (_, i) => 1e12 + (i % 2));
  const found = statisticsOf(timesOf(values), values);
  expect(found.deviation).toBeCloseTo(0.5, 2);
  expect(found.kurtosis).toBeCloseTo(-2, 6);
});

test.for([
  ["rising", (i: number) => i],
  ["falling", (i: number) => -i],
  ["all equal", () => 7],
  ["a saw", (i: number) => i % 1000],
  ["an organ pipe", (i: number) => Math.min(i, 1e6 - i)],
] as const)("a million values, %s, take no time that grows with their square", ([, value]) => {
  const values = Float64Array.from({ length: 1e6 }, (_, i) => value(i));
  const sorted = values.toSorted();
  const { lowerQuartile, median, upperQuartile } = statisticsOf(timesOf(values), values);
  const rank = (share: number): number => {
    const at = (values.length - 1) * share;
    const [low, high] = [sorted[Math.floor(at)] as number, sorted[Math.ceil(at)] as number];
    return low + (high - low) * (at % 1);
  };
  expect([lowerQuartile, median, upperQuartile]).toEqual([rank(0.25), rank(0.5), rank(0.75)]);
});
