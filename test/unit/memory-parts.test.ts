/** What the analysis of memory is made of, part by part. PLIMSOLL_SEED=N plays a run again. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FillRate } from "../../src/core/memory/fill-rate.ts";
import { GrowthTracker } from "../../src/core/memory/growth.ts";
import { distanceBytes, memoryLines } from "../../src/core/memory/lines.ts";
import { nextIntervalUs, worthChanging } from "../../src/core/memory/pace.ts";
import { PressureRates } from "../../src/core/memory/rates.ts";
import { builtIn, frame, TOTAL_BYTES, withMemory } from "../support/memory-frames.ts";
import { MiB } from "../support/victim-host.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

const S = 1e6;

/** Feeds a rate with memory that goes down by so many bytes a second. */
function falling(bytesPerSecond: number, seconds: number, stepUs = 10_000): FillRate {
  const fill = new FillRate();
  for (let us = 0; us <= seconds * S; us += stepUs) fill.update(us, 1e12 - (bytesPerSecond * us) / S);
  return fill;
}

describe("fill rate", () => {
  test("finds a steady rate, and how long memory lasts", () => {
    const fill = falling(500 * MiB, 5);
    expect(fill.bytesPerUs * S).toBeCloseTo(500 * MiB, -4);
    expect(fill.timeToUseUs(1000 * MiB) / S).toBeCloseTo(2, 1);
    expect(fill.timeToUseUs(-5)).toBe(0);
  });

  test("sees a burst within a few samples, and one quiet sample does not fool it", () => {
    const fill = falling(0, 5);
    expect(fill.timeToUseUs(1)).toBe(Number.POSITIVE_INFINITY);
    for (let i = 1; i <= 3; i++) fill.update(5 * S + i * 10_000, 1e12 - i * 5 * MiB);
    expect(fill.bytesPerUs * S).toBeGreaterThan(300 * MiB);
    const long = falling(500 * MiB, 5);
    long.update(5 * S + 100_000, 1e12 - 2500 * MiB);
    expect(long.bytesPerUs * S).toBeGreaterThan(400 * MiB);
  });

  test("memory that comes back, noise below 4 KiB a second and absent figures are no rate", () => {
    expect(falling(-500 * MiB, 3).bytesPerUs).toBe(0);
    expect(falling(2000, 20).bytesPerUs).toBe(0);
    const fill = falling(500 * MiB, 3);
    const before = fill.bytesPerUs;
    fill.update(Number.NaN, 1);
    fill.update(4 * S, Number.NaN);
    fill.update(1 * S, 0);
    expect(fill.bytesPerUs).toBe(before);
  });

  test("is never negative and never NaN, whatever the samples", () => {
    const sample = fc.tuple(fc.nat({ max: 10_000_000 }), fc.oneof(fc.constant(Number.NaN), fc.nat()));
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 50 }), (samples) => {
        const fill = new FillRate();
        let us = 0;
        for (const [elapsedUs, available] of samples) {
          fill.update((us += elapsedUs), available);
          expect(fill.bytesPerUs).toBeGreaterThanOrEqual(0);
          expect(fill.timeToUseUs(1000)).toBeGreaterThan(0);
        }
      }),
    );
  });
});

describe("pace", () => {
  const CALM_US = 100_000;
  const SHORTEST_US = 1000;
  const next = (fill: FillRate, bytes: number): number => nextIntervalUs(fill, bytes, CALM_US, SHORTEST_US);

  test("calm far from a line, eight samples to a line that comes nearer, never below the shortest", () => {
    expect(next(falling(0, 1), 10_000 * MiB)).toBe(CALM_US);
    expect(next(falling(0, 1), 0)).toBe(5000);
    expect(next(falling(0, 1), Number.NaN)).toBe(CALM_US);
    expect(next(falling(500 * MiB, 5), 20 * MiB)).toBeCloseTo(5000, -2);
    expect(next(falling(500 * MiB, 5), 10 * MiB)).toBeCloseTo(2500, -2);
    expect(next(falling(500 * MiB, 5), 0)).toBe(SHORTEST_US);
  });

  test("nearer or faster is never later", () => {
    const rate = fc.integer({ min: 0, max: 4000 });
    const distance = fc.integer({ min: 0, max: 20_000 });
    fc.assert(
      fc.property(rate, rate, distance, distance, (a, b, c, d) => {
        const [slow, fast] = [falling(Math.min(a, b) * MiB, 2), falling(Math.max(a, b) * MiB, 2)];
        const [near, far] = [Math.min(c, d) * MiB, Math.max(c, d) * MiB];
        expect(next(slow, near)).toBeLessThanOrEqual(next(slow, far));
        expect(next(fast, far)).toBeLessThanOrEqual(next(slow, far));
        expect(next(fast, near)).toBeGreaterThanOrEqual(SHORTEST_US);
        expect(next(slow, far)).toBeLessThanOrEqual(CALM_US);
      }),
      { numRuns: 50 },
    );
  });

  test("a change of less than a quarter is not worth a call", () => {
    expect([74, 76, 100, 124, 126].map((wanted) => worthChanging(100, wanted))).toEqual([
      true,
      false,
      false,
      false,
      true,
    ]);
  });
});

describe("lines", () => {
  test("shares of the total, and what is off is never reached", () => {
    const lines = memoryLines(builtIn, TOTAL_BYTES);
    expect(lines).toEqual({
      warningBytes: 0.1 * TOTAL_BYTES,
      criticalBytes: 0.05 * TOTAL_BYTES,
      walkBytes: 0.2 * TOTAL_BYTES,
    });
    const off = memoryLines(withMemory({ warning: null, critical: null }), TOTAL_BYTES);
    expect(off).toMatchObject({ warningBytes: -Infinity, criticalBytes: -Infinity });
    expect(distanceBytes(off, 7)).toBe(7);
  });

  test("the distance is to the next line below", () => {
    const lines = { warningBytes: 100, criticalBytes: 50, walkBytes: 200 };
    expect([300, 101, 100, 51, 50, 1].map((available) => distanceBytes(lines, available))).toEqual([
      200, 1, 50, 1, 50, 1,
    ]);
  });
});

describe("pressure rates", () => {
  /** Counters that go up by so much a second, for so long. */
  function rates(seconds: number, pages: number, stallShare: number, columns = {}): PressureRates {
    const found = new PressureRates();
    for (let ms = 0; ms <= seconds * 1000; ms += 100) {
      const counters = { refaultedFilePages: (pages * ms) / 1000, fullStallUs: stallShare * ms * 1000 };
      found.update(frame(ms, 0.5, { ...counters, ...columns }));
    }
    return found;
  }

  test("finds steady rates; without PSI the stall is 0", () => {
    expect(rates(10, 800, 0.3).pagesPerSecond).toBeCloseTo(800, 0);
    expect(rates(10, 800, 0.3).stallShare).toBeCloseTo(0.3, 2);
    expect(rates(10, 800, 0, { fullStallUs: Number.NaN }).stallShare).toBe(0);
  });

  test("a counter that was reset, or a clock that stands, counts for nothing", () => {
    const found = rates(10, 800, 0.3);
    const before = [found.pagesPerSecond, found.stallShare];
    found.update(frame(10_000, 0.5, { refaultedFilePages: 1e9, fullStallUs: 1e12 }));
    expect([found.pagesPerSecond, found.stallShare]).toEqual(before);
    found.update(frame(10_100, 0.5, { refaultedFilePages: 0, fullStallUs: 0 }));
    expect(found.pagesPerSecond).toBeGreaterThanOrEqual(0);
    expect(found.stallShare).toBeGreaterThanOrEqual(0);
  });

  test("pages swapped in that are refaults too count once", () => {
    const found = new PressureRates();
    for (let ms = 0; ms <= 10_000; ms += 100)
      found.update(frame(ms, 0.5, { swappedInPages: ms, refaultedAnonPages: ms, refaultedFilePages: 0 }));
    expect(found.pagesPerSecond).toBeCloseTo(1000, 0);
  });
});

describe("growth", () => {
  const FOREVER_AGO = -1e12;

  function grow(tracker: GrowthTracker, seconds: number, bytesAt: (second: number) => number): number {
    let grown = 0;
    for (let second = 0; second <= seconds; second++) {
      tracker.beginWalk();
      grown = tracker.grown(7, 1, FOREVER_AGO, 0, bytesAt(second), second * S);
      tracker.endWalk(second * S);
    }
    return grown;
  }

  test("a steady leak comes to about 43 s of itself, a burst to its height, and both fade", () => {
    expect(grow(new GrowthTracker(), 600, (s) => s * MiB) / MiB).toBeCloseTo(43, -0.5);
    expect(grow(new GrowthTracker(), 100, (s) => (s < 100 ? 50 : 1050) * MiB)).toBe(1000 * MiB);
    expect(grow(new GrowthTracker(), 130, (s) => (s < 100 ? 50 : 1050) * MiB) / MiB).toBeCloseTo(500, -1.5);
    expect(grow(new GrowthTracker(), 400, () => 500 * MiB)).toBe(0);
  });

  test("what was there before the first walk has not grown; what began since has, all of it", () => {
    const tracker = new GrowthTracker();
    tracker.beginWalk();
    expect(tracker.grown(7, 1, FOREVER_AGO, 0, 900, S)).toBe(0);
    tracker.endWalk(S);
    tracker.beginWalk();
    expect(tracker.grown(8, 2, 1.5 * S, 0, 700, 2 * S)).toBe(700);
    // Forked from 7, with whose memory it began.
    expect(tracker.grown(9, 3, 1.5 * S, 7, 1000, 2 * S)).toBe(100);
    // The number 7 has a new owner.
    expect(tracker.grown(7, 99, 1.5 * S, 0, 300, 2 * S)).toBe(300);
    tracker.endWalk(2 * S);
  });

  test("who was not in a walk is forgotten", () => {
    const tracker = new GrowthTracker();
    for (let walk = 0; walk < 50; walk++) {
      tracker.beginWalk();
      for (let pid = walk * 100; pid < walk * 100 + 10; pid++) tracker.grown(pid, 1, 0, 0, 1, walk * S);
      tracker.endWalk(walk * S);
      expect(tracker.size).toBe(10);
    }
  });

  test("growth is never below zero nor above what there is", () => {
    const amounts = fc.array(fc.nat({ max: 2 ** 40 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(amounts, (bytes) => {
        const tracker = new GrowthTracker();
        bytes.forEach((amount, i) => {
          tracker.beginWalk();
          const grown = tracker.grown(7, 1, FOREVER_AGO, 0, amount, i * S);
          expect(grown).toBeGreaterThanOrEqual(0);
          expect(grown).toBeLessThanOrEqual(amount);
          tracker.endWalk(i * S);
        });
      }),
    );
  });
});
