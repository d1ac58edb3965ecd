/** What may still be lent to a cgroup, and which limit would suit it so that nothing need be lent. */
import { formatDuration, formatShare } from "../units.ts";
import { ceilToPage, floorToPage } from "./amount.ts";
import type { Followed } from "./followed.ts";
import type { Recommendation } from "./report.ts";
import type { RescueTerms } from "./terms.ts";

/** A loan that is still needed after so many times the time after which it would go back is needed for good. */
const KEPT_WAITS = 10;

/** What the policy still lets be lent, and which of its caps it has come to. */
export interface Lendable {
  readonly bytes: number;
  readonly cap: "rescues" | "share" | null;
}

export function lendable(cgroup: Followed, nowUs: number, terms: RescueTerms): Lendable {
  const { rescue } = terms;
  const sinceUs = nowUs - rescue.rescuesWithinMs * 1000;
  let rescues = 0;
  for (const timeUs of cgroup.rescuesUs) if (timeUs > sinceUs) rescues++;
  if (rescues >= rescue.rescuesMax) return { bytes: 0, cap: "rescues" };
  const left = floorToPage(rescue.lendShareMax * cgroup.originalLimitBytes - cgroup.lentBytes);
  const bytes = left > 0 ? left : 0;
  return { bytes, cap: bytes < rescue.addMinBytes ? "share" : null };
}

/**
 * A recommendation, once for each time a cgroup comes to a cap, and once for each loan that is kept.
 * @returns null when there is nothing new to say
 */
export function advise(
  cgroup: Followed,
  { cap }: Lendable,
  nowUs: number,
  terms: RescueTerms,
): Recommendation | null {
  const { rescue } = terms;
  // A small cap on what is lent says nothing of a cgroup that was never in need.
  if (cap === null || (cap === "share" && cgroup.lease === null)) cgroup.cappedSaid = false;
  else if (!cgroup.cappedSaid) {
    cgroup.cappedSaid = true;
    return recommend(
      cgroup,
      terms,
      cap === "rescues"
        ? `it was rescued ${rescue.rescuesMax} times within ${formatDuration(rescue.rescuesWithinMs)}, as often as rescues_max allows`
        : `it was lent ${formatShare(rescue.lendShareMax)} of its limit, as much as lend_max allows`,
    );
  }
  const keptMs = (nowUs - (cgroup.lease?.beganUs ?? nowUs)) / 1000;
  if (cgroup.lease === null || cgroup.keptSaid || keptMs < KEPT_WAITS * rescue.returnAfterMs) return null;
  cgroup.keptSaid = true;
  return recommend(cgroup, terms, `it has needed what it was lent for ${formatDuration(keptMs)}`);
}

/** As much as it was ever seen to use, in a rescue too, and the margin at which the kernel would speak. */
function recommend(cgroup: Followed, terms: RescueTerms, why: string): Recommendation {
  const { statistics, calibration } = cgroup;
  let mostBytes = cgroup.originalLimitBytes;
  for (const bytes of [
    statistics.maxBytes,
    statistics.maxApartBytes,
    cgroup.usageBytes,
    calibration?.maxBytes ?? Number.NaN,
  ]) {
    if (bytes > mostBytes) mostBytes = bytes;
  }
  return {
    path: cgroup.path,
    limitBytes: cgroup.originalLimitBytes,
    recommendedBytes: ceilToPage(mostBytes + terms.rescue.marginBytes),
    why,
  };
}
