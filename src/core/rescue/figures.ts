import type { RescueState } from "./state.ts";

/** What the guard knows of one cgroup that it follows, for `plimsoll status --cgroups`. Null is not known, or none. */
export interface CgroupFigures {
  readonly path: string;
  readonly usageBytes: number | null;
  readonly limitBytes: number | null;
  /** Of the limit so much is lent; so much of it was lent to others. */
  readonly lentBytes: number;
  readonly reducedBytes: number;
  readonly mayReceive: boolean;
  readonly mayGive: boolean;
  /** Statistics of ordinary life, older samples counting less; those taken during rescues are in none but the last two. */
  readonly minBytes: number | null;
  readonly maxBytes: number | null;
  readonly medianBytes: number | null;
  readonly p90Bytes: number | null;
  readonly p95Bytes: number | null;
  readonly p99Bytes: number | null;
  readonly meanBytes: number | null;
  readonly growthBytesPerSecond: number | null;
  readonly samples: number;
  readonly samplesApart: number;
  readonly maxApartBytes: number | null;
}

function known(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** Of all followed cgroups, by path. */
export function cgroupFigures(state: RescueState): CgroupFigures[] {
  return [...state.cgroups.values()]
    .map((cgroup) => {
      const summary = cgroup.statistics.summary();
      return {
        path: cgroup.path,
        usageBytes: known(cgroup.usageBytes),
        limitBytes: known(cgroup.limitBytes),
        lentBytes: cgroup.lentBytes,
        reducedBytes: cgroup.reducedBytes,
        mayReceive: cgroup.mayReceive,
        mayGive: cgroup.mayGive,
        minBytes: known(summary.minBytes),
        maxBytes: known(summary.maxBytes),
        medianBytes: known(summary.medianBytes),
        p90Bytes: known(summary.p90Bytes),
        p95Bytes: known(summary.p95Bytes),
        p99Bytes: known(summary.p99Bytes),
        meanBytes: known(summary.meanBytes),
        growthBytesPerSecond: known(summary.growthBytesPerSecond),
        samples: summary.samples,
        samplesApart: summary.samplesApart,
        maxApartBytes: known(summary.maxApartBytes),
      };
    })
    .toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}
