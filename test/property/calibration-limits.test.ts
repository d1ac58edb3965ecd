/** Time at the limit, hits and peaks against a plain reading of their definitions, however the rows are split. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DetailColumns } from "../../src/core/calibration/columns.ts";
import {
  addDetail,
  AT_LIMIT_SHARE,
  type LimitHistories,
  type LimitTime,
  LimitTimer,
  mergeHistories,
  mergeLimitTime,
  peakWithin,
} from "../../src/core/calibration/limits.ts";
import { usageColumns, wordColumn } from "../support/calibration-rows.ts";

const seed = process.env["PLIMSOLL_SEED"];
const RUNS = { numRuns: 200, ...(seed === undefined ? {} : { seed: Number(seed) }) };
/** Cgroups 1 and 2 are of interest, 3 is not. */
const GROUP_OF = Int32Array.from([-1, 0, 1, -1]);

interface DetailRow {
  readonly timeUs: number;
  readonly cgroup: number;
  readonly limit: number | null;
  readonly hits: number | null;
  readonly peak: number | null;
}
interface UsageRow {
  readonly timeUs: number;
  readonly cgroup: number;
  readonly usageBytes: number | null;
}

function detailColumns(rows: readonly DetailRow[]): DetailColumns {
  return {
    ...usageColumns(rows.map(({ timeUs, cgroup }) => ({ timeUs, cgroup, usageBytes: null }))),
    limit: wordColumn(rows.map(({ limit }) => limit)),
    hits: wordColumn(rows.map(({ hits }) => hits)),
    peak: wordColumn(rows.map(({ peak }) => peak)),
  };
}

function historiesOf(parts: readonly (readonly DetailRow[])[]): LimitHistories {
  const all: LimitHistories = new Map();
  for (const part of parts) {
    const histories: LimitHistories = new Map();
    addDetail(histories, detailColumns(part), GROUP_OF);
    mergeHistories(all, histories);
  }
  return all;
}

function limitTimes(
  parts: readonly (readonly UsageRow[])[],
  histories: LimitHistories,
): Map<number, LimitTime> {
  const all = new Map<number, LimitTime>();
  for (const part of parts) {
    const timer = new LimitTimer(histories, GROUP_OF.length);
    timer.add(usageColumns(part), GROUP_OF);
    for (const [number, later] of timer.finish()) {
      const earlier = all.get(number);
      all.set(number, earlier === undefined ? later : mergeLimitTime(earlier, later));
    }
  }
  return all;
}

/** Every sample holds until its cgroup's next; the limit is that of the last look at it, or else of the first one. */
function naiveAtLimitUs(usage: readonly UsageRow[], detail: readonly DetailRow[], number: number): number {
  const own = usage.filter(({ cgroup }) => cgroup === number);
  const looks = detail.filter(({ cgroup }) => cgroup === number);
  let total = 0;
  own.forEach(({ timeUs, usageBytes }, i) => {
    const look = looks.findLast((each) => each.timeUs <= timeUs) ?? looks[0];
    const limit = look?.limit ?? null;
    const next = own[i + 1];
    const at = usageBytes !== null && limit !== null && usageBytes >= limit * AT_LIMIT_SHARE;
    if (at && next !== undefined) total += next.timeUs - timeUs;
  });
  return total;
}

function naiveHits(detail: readonly DetailRow[], number: number): number | null {
  const hits = detail.flatMap((row) => (row.cgroup === number && row.hits !== null ? [row.hits] : []));
  if (hits.length === 0) return null;
  return hits.reduce(
    (sum, value, i) => sum + (i === 0 ? 0 : Math.max(0, value - (hits[i - 1] as number))),
    0,
  );
}

function naivePeak(detail: readonly DetailRow[], number: number): number | null {
  const peaks = detail.flatMap((row) => (row.cgroup === number && row.peak !== null ? [row.peak] : []));
  const [first, last] = [peaks[0], peaks.at(-1)];
  return first !== undefined && last !== undefined && last > first ? last : null;
}

/** Rows in the order of time, cut into parts at random. */
function timed<T extends object>(row: fc.Arbitrary<T>): fc.Arbitrary<(T & { timeUs: number })[][]> {
  const step = fc.record({ row, afterUs: fc.integer({ min: 0, max: 2e6 }), cut: fc.boolean() });
  return fc.array(step, { maxLength: 60, size: "max" }).map((steps) => {
    const parts: (T & { timeUs: number })[][] = [[]];
    let timeUs = 1e9;
    for (const { row: each, afterUs, cut } of steps) {
      timeUs += afterUs;
      if (cut) parts.push([]);
      parts.at(-1)?.push({ ...each, timeUs });
    }
    return parts;
  });
}

const number = fc.integer({ min: 1, max: 3 });
const detailParts = timed(
  fc.record({
    cgroup: number,
    limit: fc.option(fc.constantFrom(1000, 2000, 2 ** 40), { freq: 4 }),
    hits: fc.option(fc.integer({ min: 0, max: 50 }), { freq: 4 }),
    peak: fc.option(fc.integer({ min: 0, max: 5000 }), { freq: 4 }),
  }),
);
const usageParts = timed(
  fc.record({
    cgroup: number,
    usageBytes: fc.option(fc.constantFrom(0, 989, 990, 1000, 1979, 1980, 2 ** 41), { freq: 6 }),
  }),
);

describe("limits", () => {
  test("time at the limit is the sum of what each sample holds", () => {
    fc.assert(
      fc.property(usageParts, detailParts, (usage, detail) => {
        const found = limitTimes(usage, historiesOf(detail));
        for (const each of [1, 2]) {
          const atLimitUs = found.get(each)?.atLimitUs ?? 0;
          expect(atLimitUs).toBe(naiveAtLimitUs(usage.flat(), detail.flat(), each));
        }
        expect(found.has(3)).toBe(false);
      }),
      RUNS,
    );
  });

  test("hits are what the counter rose by; the peak counts where it moved", () => {
    fc.assert(
      fc.property(detailParts, (detail) => {
        const histories = historiesOf(detail);
        for (const each of [1, 2]) {
          const history = histories.get(each);
          expect(history?.hits ?? null).toBe(naiveHits(detail.flat(), each));
          expect(history === undefined ? null : peakWithin(history)).toBe(naivePeak(detail.flat(), each));
        }
      }),
      RUNS,
    );
  });
});
