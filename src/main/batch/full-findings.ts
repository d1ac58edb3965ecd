import {
  type LimitHistories,
  type LimitHistory,
  type LimitTime,
  mergeLimitTime,
  peakWithin,
} from "../../core/calibration/limits.ts";
import { mergeMoments, type Moments, NO_MOMENTS } from "../../core/calibration/moments.ts";
import type { FullParts, LimitStatistics } from "../../core/calibration/summary.ts";
import type { PartFound } from "../../workers/batch/task.ts";
import type { Dataset } from "../../workers/common/dataset-reader.ts";

/** One cgroup of one dataset, from its beginning to its end. */
interface Life {
  readonly history: LimitHistory | undefined;
  readonly limitTime: LimitTime | undefined;
  readonly moments: Moments | undefined;
}

/** Puts together what the parts of a calibration found beyond the distribution, life by life. */
export class FullFindings {
  readonly #histories: readonly LimitHistories[];
  readonly #moments: Map<number, Moments>[];
  readonly #limitTimes: Map<number, LimitTime>[];

  /** @param histories one a dataset */
  constructor(histories: readonly LimitHistories[]) {
    this.#histories = histories;
    this.#moments = histories.map(() => new Map());
    this.#limitTimes = histories.map(() => new Map());
  }

  histories(dataset: number): LimitHistories {
    return this.#histories[dataset] ?? new Map();
  }

  /** Takes in what a part of a dataset found. The parts of one must come in their order. */
  take(dataset: number, found: PartFound | undefined): void {
    const moments = this.#moments[dataset] as Map<number, Moments>;
    for (const [number, each] of found?.moments ?? [])
      moments.set(number, mergeMoments(moments.get(number) ?? NO_MOMENTS, each));
    const times = this.#limitTimes[dataset] as Map<number, LimitTime>;
    for (const [number, later] of found?.limitTimes ?? []) {
      const earlier = times.get(number);
      times.set(number, earlier === undefined ? later : mergeLimitTime(earlier, later));
    }
  }

  /** One a group: its lives over all datasets. */
  partsOf(groups: number, datasets: readonly Dataset[], groupOf: readonly Int32Array[]): FullParts[] {
    const lives: Life[][] = Array.from({ length: groups }, () => []);
    const inodes: Set<number>[] = lives.map(() => new Set());
    datasets.forEach(({ cgroups }, dataset) => {
      for (const { number, inode } of cgroups.values()) {
        const group = groupOf[dataset]?.[number] ?? -1;
        const moments = this.#moments[dataset]?.get(number);
        if (group < 0) continue;
        if (moments !== undefined) inodes[group]?.add(inode);
        lives[group]?.push({
          history: this.#histories[dataset]?.get(number),
          limitTime: this.#limitTimes[dataset]?.get(number),
          moments,
        });
      }
    });
    return lives.map((each, group) => ({
      moments: each.reduce((all, { moments }) => mergeMoments(all, moments ?? NO_MOMENTS), NO_MOMENTS),
      limits: limitsOf(each),
      inodes: [...(inodes[group] as Set<number>)],
    }));
  }
}

function limitsOf(lives: readonly Life[]): LimitStatistics {
  // The last one that has samples: a path's present limit is that of its present life.
  const known = lives
    .filter(({ history }) => history !== undefined)
    .toSorted((a, b) => (a.moments?.lastTimeS ?? -Infinity) - (b.moments?.lastTimeS ?? -Infinity));
  const limit = known.at(-1)?.history?.limitsBytes.at(-1) ?? Number.NaN;
  const atLimitUs = known.map(({ limitTime }) => limitTime?.atLimitUs ?? 0);
  const hits = known.flatMap(({ history }) => history?.hits ?? []);
  const peaks = known.flatMap(({ history }) => (history === undefined ? [] : (peakWithin(history) ?? [])));
  return {
    limitBytes: Number.isNaN(limit) ? null : limit,
    timeAtLimitS: known.length === 0 ? null : sum(atLimitUs) / 1e6,
    limitHits: hits.length === 0 ? null : sum(hits),
    peakBytes: peaks.length === 0 ? null : peaks.reduce((highest, peak) => Math.max(highest, peak)),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
