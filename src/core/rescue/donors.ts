/** Who could lend: cgroups that use less than they usually do. */
import { amountBytes } from "../policy/policy.ts";
import { ceilToPage, floorToPage, PAGE_BYTES } from "./amount.ts";
import type { Followed } from "./followed.ts";
import { usageIsFresh } from "./headroom.ts";
import { DONORS_MAX, type DonorOrder } from "./order.ts";
import type { RescueTerms } from "./terms.ts";
import { marginWithin } from "./thresholds.ts";

export interface Donor {
  readonly cgroup: Followed;
  readonly slackBytes: number;
  readonly floorBytes: number;
}

/**
 * The limit that a donor keeps in any case: the highest of the least it was seen to use, what it uses now and a margin,
 * and what the kernel protects for it. One that may be rescued itself keeps so far from its limit that it need not be.
 */
export function floorBytes(cgroup: Followed, terms: RescueTerms): number {
  const { rescue } = terms;
  const marginBytes = amountBytes(rescue.donorMargin, cgroup.originalLimitBytes);
  const apartBytes = cgroup.mayReceive ? marginWithin(rescue.marginBytes, cgroup.originalLimitBytes) : 0;
  return ceilToPage(
    Math.max(
      cgroup.leastBytes,
      cgroup.usageBytes + Math.max(marginBytes, apartBytes),
      cgroup.minBytes,
      cgroup.lowBytes,
    ),
  );
}

/** All that could lend to somebody, most slack first. */
export function findDonors(cgroups: Iterable<Followed>, nowUs: number, terms: RescueTerms): Donor[] {
  const donors: Donor[] = [];
  for (const cgroup of cgroups) {
    if (!cgroup.mayGive || !cgroup.hasLimit || cgroup.lease !== null) continue;
    if (!Number.isNaN(cgroup.strangeSinceUs) || nowUs < cgroup.restsUntilUs) continue;
    if (!usageIsFresh(cgroup, nowUs, terms)) continue;
    const floor = floorBytes(cgroup, terms);
    const slackBytes = floorToPage(cgroup.limitBytes - floor);
    // Not below an unknown median either: NaN.
    if (slackBytes < PAGE_BYTES || !(cgroup.usageBytes < cgroup.medianBytes)) continue;
    donors.push({ cgroup, slackBytes, floorBytes: floor });
  }
  return donors.toSorted((a, b) => b.slackBytes - a.slackBytes || (a.cgroup.path < b.cgroup.path ? -1 : 1));
}

/**
 * Those of which this receiver may be given: none that lies in it or that it lies in, and of donors that lie in each
 * other only the one with most slack, as the other's is part of it.
 */
export function donorsFor(receiver: Followed, donors: readonly Donor[]): DonorOrder[] {
  const chosen: Donor[] = [];
  for (const donor of donors) {
    if (chosen.length === DONORS_MAX) break;
    if (donor.cgroup.isRelatedTo(receiver)) continue;
    if (chosen.some(({ cgroup }) => cgroup.isRelatedTo(donor.cgroup))) continue;
    chosen.push(donor);
  }
  return chosen.map(({ cgroup, slackBytes, floorBytes }) => ({
    number: cgroup.number,
    slackBytes,
    floorBytes,
  }));
}
