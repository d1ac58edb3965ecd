import { type LimitAdvice, recommendLimit } from "../../core/calibration/recommend.ts";
import type { CgroupStatistics } from "../../core/calibration/summary.ts";
import { limitCommand, type SystemdUnit, unitOf } from "../../core/calibration/systemd.ts";
import type { Dataset } from "../../workers/common/dataset-reader.ts";

export interface CgroupRecommendation {
  readonly path: string;
  /** What it has now; null: none, or not known. */
  readonly limitBytes: number | null;
  readonly advice: LimitAdvice;
  /** Null: it is no systemd unit. */
  readonly unit: SystemdUnit | null;
  /** What sets the limit by hand. */
  readonly command: string;
}

/** @param statistics full ones. The root, which can have no limit, and mere ancestors are left out */
export function recommendationsOf(
  statistics: readonly CgroupStatistics[],
  datasets: readonly Dataset[],
  marginShare: number,
): CgroupRecommendation[] {
  const wanted = new Map<string, 1 | 2>();
  for (const { cgroups, manifest } of datasets) {
    for (const { path, onlyAncestor } of cgroups.values())
      if (!onlyAncestor && manifest.cgroupVersion !== null) wanted.set(path, manifest.cgroupVersion);
  }
  return statistics.flatMap(({ path, full, maxBytes, medianBytes }) => {
    const version = wanted.get(path);
    if (full === null || version === undefined || path === "/") return [];
    const { limitBytes, timeAtLimitS, peakBytes } = full.limits;
    const { p99Bytes } = full;
    const evidence = { limitBytes, p99Bytes, maxBytes, medianBytes, timeAtLimitS, peakBytes };
    const advice = recommendLimit(evidence, marginShare);
    return [{ path, limitBytes, advice, unit: unitOf(path), command: limitCommand(path, advice, version) }];
  });
}
