/**
 * What everything above a cgroup can bear: a limit is only worth its ancestors'.
 *
 * File cache counts as used, although the kernel would reclaim it before it kills. To lean on that would lend one
 * workload's working set to another, and reclaim stalls whoever allocates: a rescue is to be felt by nobody.
 */
import { amountBytes } from "../policy/policy.ts";
import { floorToPage } from "./amount.ts";
import type { Followed } from "./followed.ts";
import type { HostMemory, RescueTerms } from "./terms.ts";

/** Figures older than this many intervals of the sampler, and than this time, are no figures. */
const STALE_INTERVALS = 5;
const STALE_US = 3_000_000;

export interface Headroom {
  /** Up to the threshold of every limit above, and of the host. */
  readonly freeBytes: number;
  /** Up to the limits themselves, and the host's reserve. */
  readonly bearableBytes: number;
}

const NONE: Headroom = { freeBytes: 0, bearableBytes: 0 };

/** Usage is known, from not too long ago. */
export function usageIsFresh(cgroup: Followed, nowUs: number, terms: RescueTerms): boolean {
  const staleUs = Math.max(STALE_US, STALE_INTERVALS * terms.cgroups.intervalMs * 1000);
  return cgroup.usageBytes >= 0 && nowUs - cgroup.usageUs <= staleUs;
}

/**
 * What was lent and is not used yet will be: it is counted at everything above the receiver.
 * @returns the sum, which the host has promised
 */
export function countPromises(cgroups: Iterable<Followed>, receivers: readonly Followed[]): number {
  for (const cgroup of cgroups) cgroup.promisedBytes = 0;
  let sum = 0;
  for (const receiver of receivers) {
    const unused = unusedLoanBytes(receiver);
    sum += unused;
    for (let above = receiver.parent; above !== null; above = above.parent) above.promisedBytes += unused;
  }
  return sum;
}

function unusedLoanBytes(cgroup: Followed): number {
  const unused = Math.min(cgroup.lentBytes, cgroup.limitBytes - cgroup.usageBytes);
  return unused > 0 ? unused : 0;
}

/**
 * Counted as it will be when the receiver is at its limit, for that is when it will ask: what it may still use until
 * then is no headroom, so a fast growth since the last look makes nothing wrong.
 * @param promisedBytes as {@link countPromises} returned it
 */
export function headroomAbove(
  receiver: Followed,
  promisedBytes: number,
  nowUs: number,
  host: HostMemory,
  terms: RescueTerms,
): Headroom {
  if (!usageIsFresh(receiver, nowUs, terms)) return NONE;
  const { globalThreshold, hostReserve } = terms.rescue;
  const untilLimitBytes = Math.max(0, receiver.limitBytes - receiver.usageBytes);
  // Its own promise is within that.
  const ownBytes = unusedLoanBytes(receiver);

  const hostTakenBytes = untilLimitBytes + promisedBytes - ownBytes;
  const hostUsedBytes = host.totalBytes - host.availableBytes;
  let bearable = host.availableBytes - amountBytes(hostReserve, host.totalBytes) - hostTakenBytes;
  let free = Math.min(bearable, globalThreshold * host.totalBytes - hostUsedBytes - hostTakenBytes);
  for (let above = receiver.parent; above !== null; above = above.parent) {
    const limitBytes = above.certainLimitBytes;
    if (limitBytes === Number.POSITIVE_INFINITY) continue;
    if (Number.isNaN(limitBytes) || !usageIsFresh(above, nowUs, terms)) return NONE;
    const willUseBytes = above.usageBytes + untilLimitBytes + above.promisedBytes - ownBytes;
    bearable = Math.min(bearable, limitBytes - willUseBytes);
    free = Math.min(free, globalThreshold * limitBytes - willUseBytes);
  }
  // NaN, of a host that is not known, is not above 0.
  const bearableBytes = bearable > 0 ? floorToPage(bearable) : 0;
  return { freeBytes: free > 0 ? Math.min(bearableBytes, floorToPage(free)) : 0, bearableBytes };
}
