/** When a level begins to stand, and when it ends. PLIMSOLL_SEED=N plays a run again. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FillRate } from "../../src/core/memory/fill-rate.ts";
import { Level } from "../../src/core/memory/level.ts";
import { MemoryLevels } from "../../src/core/memory/levels.ts";
import { PressureRates } from "../../src/core/memory/rates.ts";
import type { Policy } from "../../src/core/policy/policy.ts";
import { Mem } from "../../src/core/samples.ts";
import {
  builtIn,
  frame,
  TOTAL_BYTES,
  withCritical,
  withMemory,
  withThrashing,
} from "../support/memory-frames.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

/** Plays frames; what changed is told as "ms level change". */
function play(
  frames: readonly Float64Array[],
  policy: Policy = builtIn,
): { changes: string[]; levels: MemoryLevels } {
  const levels = new MemoryLevels();
  const fill = new FillRate();
  const rates = new PressureRates();
  const changes: string[] = [];
  for (const each of frames) {
    fill.update(each[Mem.timeUs] as number, each[Mem.availableBytes] as number);
    rates.update(each);
    levels.update(each, policy, fill, rates);
    const ms = (each[Mem.timeUs] as number) / 1000;
    changes.push(...levels.changes.map(({ level, change }) => `${ms} ${level} ${change}`));
  }
  return { changes, levels };
}

test("a level that a new policy has switched off ends at the next sample", () => {
  const { levels } = play(frames([0.02]), withCritical({ forMs: 0 }));
  expect(levels.critical.stands).toBe(true);
  const off = { ...builtIn, memory: { ...builtIn.memory, warning: null, critical: null, thrashing: null } };
  levels.update(frame(100, 0.02), off, new FillRate(), new PressureRates());
  expect(levels.changes).toContainEqual({ level: "critical", change: "ended" });
  expect(levels.worst).toBe(null);
  levels.update(frame(200, 0.02), off, new FillRate(), new PressureRates());
  expect(levels.changes).toEqual([]);
});

/** A frame every 100 ms. */
function frames(shares: readonly number[], columns: Parameters<typeof frame>[2] = {}): Float64Array[] {
  return shares.map((share, i) => frame(i * 100, share, columns));
}

describe("one level", () => {
  test("stands after its time without a break, ends only at its own end", () => {
    const level = new Level();
    expect(level.update(0, true, false, 200)).toBeNull();
    expect(level.update(100, false, false, 200)).toBeNull();
    expect(level.update(200, true, false, 200)).toBeNull();
    expect(level.sinceUs).toBe(200);
    expect(level.update(399, true, false, 200)).toBeNull();
    expect(level.update(400, true, false, 200)).toBe("began");
    expect(level.update(500, false, false, 200)).toBeNull();
    expect(level.stands).toBe(true);
    expect(level.update(600, false, true, 200)).toBe("ended");
    expect(level.stands).toBe(false);
  });

  test("changes alternate, whatever happens", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.boolean(), fc.nat({ max: 300 }))), (steps) => {
        const level = new Level();
        let timeUs = 0;
        let stands = false;
        for (const [begins, ends, elapsed] of steps) {
          const change = level.update((timeUs += elapsed), begins, ends, 250);
          if (change !== null) {
            expect(change).toBe(stands ? "ended" : "began");
            stands = !stands;
          }
          expect(level.stands).toBe(stands);
        }
      }),
    );
  });
});

describe("levels on headroom", () => {
  test("begin below their line and end over their recovery", () => {
    const { recover } = builtIn.memory.critical ?? { recover: { share: 0 } };
    const recovered = "share" in recover ? recover.share : 0;
    expect(recovered).toBeGreaterThan(0.05);
    const { changes } = play(frames([0.2, 0.099, 0.049, 0.051, recovered - 0.001, recovered + 0.001, 0.3]));
    expect(changes).toEqual([
      "100 warning began",
      "200 critical began",
      "500 critical ended",
      "600 warning ended",
    ]);
  });

  test("noise within the band never flaps", () => {
    const band = fc.array(fc.double({ min: 0.0501, max: 0.0599, noNaN: true }), { maxLength: 60 });
    fc.assert(
      fc.property(band, (noise) => {
        const policy = withCritical({ recover: { share: 0.06 } });
        // From above it has not begun, from below it has not ended.
        const ofCritical = (shares: number[]): string[] =>
          play(frames(shares), policy).changes.filter((change) => change.includes("critical"));
        expect(ofCritical([0.2, ...noise])).toEqual([]);
        expect(ofCritical([0.2, 0.04, ...noise])).toEqual(["100 critical began"]);
      }),
    );
  });

  test("with swap both must be low, and exactly then", () => {
    const share = fc.double({ min: 0, max: 0.2, noNaN: true });
    let begun = 0;
    fc.assert(
      fc.property(share, share, fc.boolean(), (available, swapFree, hasSwap) => {
        const swap = hasSwap ? { swapTotalBytes: 2 ** 30, swapFreeBytes: swapFree * 2 ** 30 } : {};
        const { levels } = play(frames([available], swap));
        expect(levels.critical.stands).toBe(available < 0.05 && (!hasSwap || swapFree < 0.05));
        if (levels.critical.stands) begun++;
      }),
      { numRuns: 500 },
    );
    expect(begun).toBeGreaterThan(20);
  });

  test("free swap over its line by a fifth ends it too", () => {
    const low = { swapTotalBytes: 1000, swapFreeBytes: 10 };
    const changesWith = (swapFreeBytes: number): string[] =>
      play([frame(0, 0.04, low), frame(100, 0.04, { ...low, swapFreeBytes })]).changes.filter((change) =>
        change.includes("critical"),
      );
    expect(changesWith(55)).toEqual(["0 critical began"]);
    expect(changesWith(61)).toEqual(["0 critical began", "100 critical ended"]);
  });

  test("must last for its time, a quarter of it under stall, and no longer than half of what is left", () => {
    const policy = withCritical({ forMs: 2000 });
    const began = (each: Float64Array[]): string | undefined =>
      play(each, policy).changes.find((change) => change.includes("critical"));
    const low = Array.from({ length: 40 }, () => 0.04);
    expect(began(frames(low))).toBe("2000 critical began");
    const stalled = low.map((share, i) => frame(i * 100, share, { fullStallUs: i * 50_000 }));
    expect(began(stalled)).toBe("500 critical began");
    // A tenth of a percent every 100 ms: what is left at 4 % lasts 4 s, and less every time.
    const sinking = Array.from({ length: 40 }, (_, i) => 0.06 - i * 0.001);
    expect(Number(began(frames(sinking))?.split(" ")[0])).toBeLessThan(1100 + 2000);
  });

  test("what is off, or absent, never stands", () => {
    expect(play(frames([0.001]), withMemory({ warning: null, critical: null })).changes).toEqual([]);
    expect(play([frame(0, 0.01, { availableBytes: Number.NaN })]).changes).toEqual([]);
    expect(play([frame(0, 0.01, { totalBytes: Number.NaN })]).changes).toEqual([]);
  });
});

describe("thrashing", () => {
  /** Ten seconds of one kind, with swap that is free. */
  function thrash(available: number, pagesPerSecond: number, stallShare: number): Float64Array[] {
    return Array.from({ length: 100 }, (_, i) =>
      frame(i * 100, available, {
        swapTotalBytes: TOTAL_BYTES,
        swapFreeBytes: TOTAL_BYTES / 2,
        swappedInPages: i * 0.1 * pagesPerSecond,
        fullStallUs: i * 100_000 * stallShare,
      }),
    );
  }

  test("needs all three at once: low memory, pages moved, everybody stalled", () => {
    fc.assert(
      fc.property(fc.boolean(), fc.boolean(), fc.boolean(), (low, moving, stalled) => {
        const { levels, changes } = play(thrash(low ? 0.12 : 0.4, moving ? 2000 : 100, stalled ? 0.5 : 0.05));
        expect(changes).toHaveLength(low && moving && stalled ? 1 : 0);
        expect(levels.thrashing.stands).toBe(low && moving && stalled);
        // Swap is free: no level on headroom stands.
        expect(levels.worst).toBe(low && moving && stalled ? "thrashing" : null);
      }),
    );
  });

  test("stall alone, however long, makes no level", () => {
    expect(play(thrash(0.5, 0, 1)).changes).toEqual([]);
  });

  test("calm use of swap is none", () => {
    const calm = Array.from({ length: 100 }, (_, i) =>
      frame(i * 100, 0.12, {
        swapTotalBytes: TOTAL_BYTES,
        swapFreeBytes: TOTAL_BYTES * (0.9 - i * 0.005),
        swappedOutPages: i * 5000,
        swappedInPages: i * 5,
        fullStallUs: i * 2000,
      }),
    );
    expect(play(calm).changes).toEqual([]);
  });

  test("lasts for its time first, ends when any one has halved, or memory is back", () => {
    const policy = withThrashing({ forMs: 3000 });
    const { changes } = play(thrash(0.12, 2000, 0.5), policy);
    const beganMs = Number(changes.find((change) => change.endsWith("thrashing began"))?.split(" ")[0]);
    expect(beganMs).toBeGreaterThanOrEqual(3000);
    expect(beganMs).toBeLessThan(4500);
    const last = thrash(0.12, 2000, 0.5).at(-1) as Float64Array;
    const after = (columns: Partial<Record<keyof typeof Mem, number>>): string[] => {
      const next = Array.from({ length: 30 }, (_, i) => {
        const copy = Float64Array.from(last);
        copy[Mem.timeUs] = (last[Mem.timeUs] as number) + (i + 1) * 100_000;
        copy[Mem.swappedInPages] = (last[Mem.swappedInPages] as number) + (i + 1) * 200;
        copy[Mem.fullStallUs] = (last[Mem.fullStallUs] as number) + (i + 1) * 50_000;
        for (const [name, value] of Object.entries(columns)) copy[Mem[name as keyof typeof Mem]] = value;
        return copy;
      });
      return play([...thrash(0.12, 2000, 0.5), ...next], policy).changes.slice(1);
    };
    expect(after({})).toEqual([]);
    for (const relief of [
      { availableBytes: 0.31 * TOTAL_BYTES },
      { swappedInPages: last[Mem.swappedInPages] as number },
      { fullStallUs: last[Mem.fullStallUs] as number },
    ]) {
      expect(after(relief)[0]).toMatch(/thrashing ended$/);
    }
  });
});
