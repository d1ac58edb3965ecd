import type { CountedUsage } from "./counts.ts";
import { growthOf, type Moments } from "./moments.ts";
import type { RankSearch } from "./search.ts";

/** What was found out about one cgroup. Bytes are exact; a median of an even number of samples may be half a byte. */
export interface CgroupStatistics {
  readonly path: string;
  readonly samples: number;
  /** Rows in which usage could not be read. They are no samples. */
  readonly absentSamples: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  /** The middle sample, or the mean of the two in the middle. */
  readonly medianBytes: number;
  /** Null unless it was asked for. */
  readonly full: FullStatistics | null;
}

export interface FullStatistics {
  /** By nearest rank: the smallest sample that at least so many percent of all are not above. */
  readonly p90Bytes: number;
  readonly p95Bytes: number;
  readonly p99Bytes: number;
  /** Of the samples that have a time; null where none has. */
  readonly meanBytes: number | null;
  /** Slope of the line of least squares; null where all samples are of one moment. */
  readonly growthBytesPerSecond: number | null;
  /** Seconds since 1970; null where no sample has a time. */
  readonly firstTimeS: number | null;
  readonly lastTimeS: number | null;
  readonly limits: LimitStatistics;
  /** One a cgroup that bore the path. */
  readonly inodes: readonly number[];
}

/** Null, of each: the recording does not tell. */
export interface LimitStatistics {
  /** The last one that was seen; null also where there is none. */
  readonly limitBytes: number | null;
  readonly timeAtLimitS: number | null;
  readonly limitHits: number | null;
  /** The kernel's mark of highest usage, where it was moved up meanwhile. */
  readonly peakBytes: number | null;
}

const PERCENTILES = { p90Bytes: 90, p95Bytes: 95, p99Bytes: 99 } as const;

/** Place (from 0) of a percentile among so many samples in rising order, by nearest rank. */
export function percentileRank(percent: number, samples: number): number {
  return Math.max(0, Math.ceil((percent * samples) / 100) - 1);
}

/** The ranks that the statistics take; for {@link RankSearch}. */
export function wantedRanks(full: boolean): (samples: number) => readonly number[] {
  return (samples) => {
    const always = [0, Math.floor((samples - 1) / 2), Math.floor(samples / 2), samples - 1];
    if (!full) return always;
    return [...always, ...Object.values(PERCENTILES).map((percent) => percentileRank(percent, samples))];
  };
}

/** What only `full` takes, of one group. */
export interface FullParts {
  readonly moments: Moments;
  readonly limits: LimitStatistics;
  readonly inodes: readonly number[];
}

/** Of one group, once its ranks are found; null without samples. */
export function summarize(
  path: string,
  group: number,
  counted: CountedUsage,
  search: RankSearch,
  parts: FullParts | null,
): CgroupStatistics | null {
  const samples = counted.samples[group] as number;
  if (samples === 0) return null;
  const below = search.valueAt(group, Math.floor((samples - 1) / 2));
  const above = search.valueAt(group, Math.floor(samples / 2));
  const percentile = (percent: number): number => search.valueAt(group, percentileRank(percent, samples));
  return {
    path,
    samples,
    absentSamples: counted.absent[group] as number,
    minBytes: search.valueAt(group, 0),
    maxBytes: search.valueAt(group, samples - 1),
    // Not (below + above) / 2, which is not exact near 2^53.
    medianBytes: below + (above - below) / 2,
    full: parts === null ? null : fullOf(parts, percentile),
  };
}

function fullOf(
  { moments, limits, inodes }: FullParts,
  percentile: (percent: number) => number,
): FullStatistics {
  const timed = moments.samples > 0;
  return {
    p90Bytes: percentile(PERCENTILES.p90Bytes),
    p95Bytes: percentile(PERCENTILES.p95Bytes),
    p99Bytes: percentile(PERCENTILES.p99Bytes),
    meanBytes: timed ? moments.meanBytes : null,
    growthBytesPerSecond: growthOf(moments),
    firstTimeS: timed ? moments.firstTimeS : null,
    lastTimeS: timed ? moments.lastTimeS : null,
    limits,
    inodes,
  };
}
