/** Thinning: no peak is lost, order stays, gaps stay, and there are no more points than were asked for. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Points, thin, thinSteps, usualDistanceMs, withGaps } from "../../src/core/report/thin.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const value = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -1000, max: 1000 }) },
  { weight: 1, arbitrary: fc.constant(Number.NaN) },
);
/** Times that rise by any step. */
const points = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 5000 }), value), { maxLength: 400 })
  .map((rows): Points => {
    let timeMs = 1.7e12;
    const timesMs = rows.map(([step]) => (timeMs += step));
    return { timesMs: Float64Array.from(timesMs), values: Float64Array.from(rows, ([, each]) => each) };
  });
const buckets = fc.integer({ min: 1, max: 50 });

/** Which bucket each time is in, by the definition. */
function bucketOf({ timesMs }: Points, count: number): (timeMs: number) => number {
  const beginMs = timesMs[0] as number;
  const widthMs = ((timesMs.at(-1) as number) - beginMs) / count;
  return (timeMs) => {
    let bucket = 0;
    while (bucket < count - 1 && !(timeMs < beginMs + (bucket + 1) * widthMs)) bucket++;
    return bucket;
  };
}

test("least and greatest of each bucket are there, at their times; nothing is there that was not", () => {
  fc.assert(
    fc.property(points, buckets, (from, count) => {
      const kept = thin(from, count);
      const valueAt = new Map(Array.from(from.timesMs, (timeMs, i) => [timeMs, from.values[i]]));
      kept.timesMs.forEach((timeMs, i) => {
        expect(valueAt.has(timeMs)).toBe(true);
        expect(kept.values[i]).toBe(valueAt.get(timeMs));
        if (i > 0) expect(timeMs).toBeGreaterThan(kept.timesMs[i - 1] as number);
      });
      if (from.values.length === 0) return;
      const inBucket = bucketOf(from, count);
      const extremes = (of: Points): string[] => {
        const found = new Map<number, [number, number]>();
        of.values.forEach((each, i) => {
          if (Number.isNaN(each)) return;
          const bucket = inBucket(of.timesMs[i] as number);
          const [min, max] = found.get(bucket) ?? [each, each];
          found.set(bucket, [Math.min(min, each), Math.max(max, each)]);
        });
        return [...found].map((each) => each.join(" "));
      };
      expect(extremes(kept)).toEqual(extremes(from));
    }),
    fuzzSettings(),
  );
});

test("so many points at most; first and last stay", () => {
  fc.assert(
    fc.property(points, buckets, (from, count) => {
      const kept = thin(from, count);
      const present = (of: Points): number[] =>
        Array.from(of.timesMs).filter((_, i) => !Number.isNaN(of.values[i] as number));
      const [all, left] = [present(from), present(kept)];
      expect(left.length).toBeLessThanOrEqual(2 * count + 2);
      expect([left[0], left.at(-1)]).toEqual([all[0], all.at(-1)]);
      const gaps = kept.values.length - left.length;
      expect(gaps).toBeLessThanOrEqual(
        from.values.length > 2 * count + 2 ? left.length + 1 : from.values.length,
      );
    }),
    fuzzSettings(),
  );
});

test("two points that are kept have a gap between them exactly where there was one", () => {
  fc.assert(
    fc.property(points, buckets, (from, count) => {
      const kept = thin(from, count);
      const gapBetween = (of: Points, fromMs: number, toMs: number): boolean =>
        of.values.some(
          (each, i) =>
            Number.isNaN(each) && (of.timesMs[i] as number) > fromMs && (of.timesMs[i] as number) < toMs,
        );
      const times = Array.from(kept.timesMs).filter((_, i) => !Number.isNaN(kept.values[i] as number));
      times.slice(1).forEach((timeMs, i) => {
        const before = times[i] as number;
        expect(gapBetween(kept, before, timeMs)).toBe(gapBetween(from, before, timeMs));
      });
    }),
    fuzzSettings(),
  );
});

test("of a line in steps each value can be told from what is left", () => {
  const steps = fc.array(fc.constantFrom(1, 2, Number.NaN), { minLength: 1, maxLength: 100 });
  fc.assert(
    fc.property(steps, (values) => {
      const timesMs = Float64Array.from(values, (_, i) => i);
      const kept = thinSteps({ timesMs, values: Float64Array.from(values) });
      expect(kept.timesMs.at(-1)).toBe(values.length - 1);
      values.forEach((each, i) => {
        const at = kept.timesMs.findLastIndex((timeMs) => timeMs <= i);
        expect(kept.values[at]).toBe(each);
      });
    }),
    fuzzSettings(),
  );
});

test("a gap is where nothing was sampled for more than three times as long as usual", () => {
  const timesMs = Float64Array.from([0, 1000, 2000, 4900, 5900, 9900, 10_900]);
  const values = timesMs.map((_, i) => i);
  expect(usualDistanceMs(timesMs)).toBe(1000);
  const gapped = withGaps({ timesMs, values });
  expect(Array.from(gapped.timesMs)).toEqual([0, 1000, 2000, 4900, 5900, 6900, 9900, 10_900]);
  expect(Array.from(gapped.values)).toEqual([0, 1, 2, 3, 4, Number.NaN, 5, 6]);
  const none: Points = { timesMs: new Float64Array(0), values: new Float64Array(0) };
  expect(withGaps(none)).toEqual(none);
});
