/** The statistics against a reading of their definitions that sorts, for values and splits of every kind. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { UsageColumns } from "../../src/core/calibration/columns.ts";
import { type CountedUsage, mergeCounted, UsageCounter } from "../../src/core/calibration/counts.ts";
import {
  growthOf,
  mergeMoments,
  type Moments,
  MomentsCounter,
  NO_MOMENTS,
} from "../../src/core/calibration/moments.ts";
import { mergeRangeCounts, RangeCounter, type Ranges } from "../../src/core/calibration/ranges.ts";
import { RankSearch } from "../../src/core/calibration/search.ts";
import { type CgroupStatistics, summarize, wantedRanks } from "../../src/core/calibration/summary.ts";
import { type UsageRow, usageColumns } from "../support/calibration-rows.ts";

const seed = process.env["PLIMSOLL_SEED"];
const RUNS = { numRuns: 150, ...(seed === undefined ? {} : { seed: Number(seed) }) };
const PASSES_MAX = 8;
const ROWS_PER_BATCH = 9;
/** Cgroups 1 to 3 in groups of their own, 4 and 5 in one, 6 in none. */
const GROUP_OF = Int32Array.from([-1, 0, 1, 2, 3, 3, -1]);
const GROUPS = 4;
const NO_LIMITS = { limitBytes: null, timeAtLimitS: null, limitHits: null, peakBytes: null };

interface Computed {
  readonly statistics: readonly (CgroupStatistics | null)[];
  readonly passes: number;
  readonly strangers: number;
}

/** Batches of a part, small, so that most rows meet a window that others have set. */
function batchesOf(rows: readonly UsageRow[]): UsageColumns[] {
  const starts = Array.from(
    { length: Math.ceil(rows.length / ROWS_PER_BATCH) },
    (_, i) => i * ROWS_PER_BATCH,
  );
  return starts.map((start) => usageColumns(rows.slice(start, start + ROWS_PER_BATCH)));
}

/** As the batch pool does it: parts are counted apart and merged, pass by pass. */
function compute(parts: readonly (readonly UsageRow[])[], groups = GROUPS, groupOf = GROUP_OF): Computed {
  const counted = parts
    .map((rows) => {
      const counter = new UsageCounter(groups);
      for (const batch of batchesOf(rows)) counter.add(batch, groupOf);
      return counter.finish();
    })
    .reduce(mergeCounted);
  const batches = parts.flatMap(batchesOf);
  const search = new RankSearch(counted, wantedRanks(true));
  let passes = 1;
  for (let ranges = search.ranges(); ranges !== null; ranges = search.ranges()) {
    passes++;
    expect(passes).toBeLessThanOrEqual(PASSES_MAX);
    search.take(ranges, countRanges(ranges, batches, groupOf));
  }
  const moments = momentsOf(batches, groups, groupOf);
  return { statistics: statisticsOf(counted, search, moments), passes, strangers: counted.strangers };
}

function countRanges(ranges: Ranges, batches: readonly UsageColumns[], groupOf: Int32Array): Uint32Array {
  return batches
    .map((batch) => {
      const counter = new RangeCounter(ranges);
      counter.add(batch, groupOf);
      return counter.counts;
    })
    .reduce(
      (into, from) => {
        mergeRangeCounts(into, from);
        return into;
      },
      new Uint32Array(ranges.bucketsAt.at(-1) ?? 0),
    );
}

/** Of each group, merged over the parts and, as its lives, over the numbers that bear the path. */
function momentsOf(batches: readonly UsageColumns[], groups: number, groupOf: Int32Array): Moments[] {
  const merged = Array.from({ length: groups }, () => NO_MOMENTS);
  for (const batch of batches) {
    const counter = new MomentsCounter(groupOf.length);
    counter.add(batch, groupOf);
    for (const [number, moments] of counter.finish(0)) {
      const group = groupOf[number] as number;
      merged[group] = mergeMoments(merged[group] as Moments, moments);
    }
  }
  return merged;
}

function statisticsOf(counted: CountedUsage, search: RankSearch, moments: Moments[]): Computed["statistics"] {
  return counted.windows.map((_, group) =>
    summarize(`/g${group}`, group, counted, search, {
      moments: moments[group] as Moments,
      limits: NO_LIMITS,
      inodes: [],
    }),
  );
}

/** The definitions, with BigInt where a double might not be enough. */
function naive(rows: readonly UsageRow[], group: number): Record<string, number> | null {
  const own = rows.filter(({ cgroup }) => cgroup !== null && (GROUP_OF[cgroup] ?? -1) === group);
  const values = own.flatMap(({ usageBytes }) => (usageBytes === null ? [] : [usageBytes]));
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const at = (i: number): number => sorted[i] as number;
  const n = sorted.length;
  const nearestRank = (percent: number): number => {
    const rank = Number((BigInt(percent) * BigInt(n) + 99n) / 100n);
    return at(rank - 1);
  };
  const doubled = BigInt(at(Math.floor((n - 1) / 2))) + BigInt(at(Math.floor(n / 2)));
  return {
    samples: n,
    absentSamples: own.length - n,
    minBytes: at(0),
    maxBytes: at(n - 1),
    medianBytes: Number(doubled / 2n) + Number(doubled % 2n) / 2,
    p90Bytes: nearestRank(90),
    p95Bytes: nearestRank(95),
    p99Bytes: nearestRank(99),
  };
}

function exactPart(statistics: CgroupStatistics | null): Record<string, number> | null {
  if (statistics === null) return null;
  const { samples, absentSamples, minBytes, maxBytes, medianBytes, full } = statistics;
  const { p90Bytes, p95Bytes, p99Bytes } = full as NonNullable<typeof full>;
  return { samples, absentSamples, minBytes, maxBytes, medianBytes, p90Bytes, p95Bytes, p99Bytes };
}

const page = 4096;
const usage = fc.oneof(
  fc.integer({ min: 0, max: 300 }).map((pages) => pages * page),
  fc.integer({ min: 0, max: 2 ** 24 }).map((pages) => pages * page),
  fc.integer({ min: 0, max: 2 ** 20 }),
  fc.maxSafeNat().map((bytes) => bytes - (bytes % page)),
  fc.maxSafeNat(),
  fc.constantFrom(0, page, 2 ** 32, 2 ** 32 - page, 2 ** 32 + page, Number.MAX_SAFE_INTEGER),
);
/** Of one kind, so that there are also data sets all of pages, all small, all alike. */
const usages = fc.oneof(
  fc.constant(usage),
  fc.constant(fc.integer({ min: 25_000, max: 60_000 }).map((pages) => pages * page)),
  fc.constant(fc.integer({ min: 0, max: 2 ** 18 }).map((pages) => pages * 65_536)),
  fc.constant(fc.constantFrom(7 * page, 8 * page)),
  // Buckets next to the wanted one are full too.
  fc.constant(
    fc
      .tuple(fc.integer({ min: 0, max: 15 }), fc.constantFrom(0, 40_000))
      .map(([near, far]) => (near + far) * page),
  ),
  // What 32 bits of a page's number cannot tell apart.
  fc.constant(
    fc
      .tuple(fc.integer({ min: 0, max: 30_000 }), fc.constantFrom(0, 0, 0, 2 ** 43, 2 ** 44, 2 ** 50))
      .map(([pages, far]) => pages * page + far),
  ),
);
const parts = usages.chain((kind) =>
  fc.array(
    fc.array(
      fc.record({
        timeUs: fc.option(fc.integer({ min: 0, max: 1e12 }), { freq: 20 }),
        cgroup: fc.option(fc.integer({ min: -1, max: 8 }), { freq: 20 }),
        usageBytes: fc.option(kind, { freq: 10 }),
      }),
      { maxLength: 60, size: "max" },
    ),
    { minLength: 1, maxLength: 4, size: "max" },
  ),
);

describe("counting", () => {
  test("finds what sorting finds, however the rows are split", () => {
    fc.assert(
      fc.property(parts, (split) => {
        const rows = split.flat();
        const { statistics, strangers } = compute(split);
        for (let group = 0; group < GROUPS; group++)
          expect(exactPart(statistics[group] ?? null)).toEqual(naive(rows, group));
        const belonging = rows.filter(({ cgroup }) => cgroup !== null && (GROUP_OF[cgroup] ?? -1) >= 0);
        expect(strangers).toBe(rows.length - belonging.length);
      }),
      RUNS,
    );
  });

  test("with few buckets for each of many groups too", () => {
    const groups = 20_000;
    const groupOf = new Int32Array(9).fill(-1).map((_, number) => (number > 0 ? number * 2000 : -1));
    fc.assert(
      fc.property(fc.array(usage, { minLength: 1, maxLength: 300, size: "max" }), (values) => {
        const rows = values.map((usageBytes, i) => ({ timeUs: i, cgroup: 1, usageBytes }));
        const { statistics } = compute([rows], groups, groupOf);
        expect(exactPart(statistics[2000] ?? null)).toEqual(naive(rows, 0));
      }),
      { ...RUNS, numRuns: 20 },
    );
  });

  test("one pass is enough for pages within 64 MiB, two for pages within 64 GiB", () => {
    const rows = (spread: number): UsageRow[] =>
      Array.from({ length: 4000 }, (_, i) => ({
        timeUs: i,
        cgroup: 1,
        usageBytes: 2 ** 33 + ((i * 2_654_435_761) % spread) * page,
      }));
    expect(compute([rows(8000)]).passes).toBe(1);
    expect(compute([rows(2 ** 24)]).passes).toBe(2);
  });
});

describe("moments", () => {
  test("mean and growth are those of the definitions, however the rows are split", () => {
    fc.assert(
      fc.property(parts, (split) => {
        const { statistics } = compute(split);
        const timed = split
          .flat()
          .filter((row) => row.cgroup === 1 && row.usageBytes !== null && row.timeUs !== null);
        const full = statistics[0]?.full;
        if (timed.length === 0) {
          expect(full?.meanBytes ?? null).toBeNull();
          return;
        }
        const bytes = timed.map(({ usageBytes }) => usageBytes as number);
        const seconds = timed.map(({ timeUs }) => (timeUs as number) / 1e6);
        const [meanS, meanBytes] = [mean(seconds), mean(bytes)];
        expect((full?.meanBytes as number) / (meanBytes || 1)).toBeCloseTo(meanBytes === 0 ? 0 : 1, 9);
        const across = sum(seconds.map((s) => (s - meanS) ** 2));
        const slope = sum(seconds.map((s, i) => (s - meanS) * ((bytes[i] as number) - meanBytes))) / across;
        if (new Set(seconds).size === 1) expect(full?.growthBytesPerSecond).toBeNull();
        else {
          const scale = Math.max(1, ...bytes) / Math.sqrt(across);
          expect(((full?.growthBytesPerSecond as number) - slope) / scale).toBeCloseTo(0, 6);
        }
      }),
      RUNS,
    );
  });

  test("a straight line has its slope, also a day after the clock's begin and over many parts", () => {
    const split = Array.from({ length: 10 }, (_, part) =>
      Array.from({ length: 500 }, (_, i) => {
        const s = part * 500 + i;
        return { timeUs: 86_400e6 + s * 1e6, cgroup: 1, usageBytes: 50 * 2 ** 20 + s * page };
      }),
    );
    const moments = momentsOf(split.map(usageColumns), GROUPS, GROUP_OF)[0] as Moments;
    expect(growthOf(moments)).toBeCloseTo(page, 6);
    expect(moments.lastTimeS - moments.firstTimeS).toBeCloseTo(4999, 6);
  });
});

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
