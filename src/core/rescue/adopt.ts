/** Loans that were made before this life of the analysis, rebuilt from what the journal says about limits. */
import type { Followed } from "./followed.ts";
import { Lease } from "./lease.ts";
import type { OutstandingLimit } from "./report.ts";
import type { RescueState } from "./state.ts";

/** The journal, and the identities of its cgroups, are waited for so long; what is not there then is gone. */
const ADOPT_WITHIN_US = 10_000_000;

/**
 * Takes what is outstanding into the books, once all of it is known by number. Who lent to whom is not in the journal:
 * receivers are matched with donors in the order of their paths, and what no donor lent came out of the global limit.
 * @returns false while it has to be waited for: no order may be given before it is known what is lent
 */
export function adoptOutstanding(state: RescueState, nowUs: number): boolean {
  const { adoption } = state;
  if (adoption === null) return true;
  if (Number.isNaN(adoption.sinceUs)) adoption.sinceUs = nowUs;
  const patient = nowUs - adoption.sinceUs < ADOPT_WITHIN_US;
  const { limits } = adoption;
  if (patient && (limits === null || limits.some(({ path }) => state.byPath(path) === undefined)))
    return false;
  state.adoption = null;
  takeOver(state, limits ?? [], nowUs);
  for (const tell of adoption.later) tell();
  return true;
}

function takeOver(state: RescueState, limits: readonly OutstandingLimit[], nowUs: number): void {
  const receivers: { cgroup: Followed; bytes: number }[] = [];
  const donors: { cgroup: Followed; bytes: number }[] = [];
  for (const limit of limits.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    const cgroup = state.byPath(limit.path);
    const lentBytes = limit.presentLimitBytes - limit.originalLimitBytes;
    if (cgroup === undefined || !Number.isFinite(lentBytes) || lentBytes === 0) continue;
    // A row of the detail ring that is here already is no older.
    if (Number.isNaN(cgroup.limitBytes)) cgroup.limitBytes = limit.presentLimitBytes;
    // What was sampled while the books did not know of the rescue is not ordinary life's.
    cgroup.rescueBegan(Number.NEGATIVE_INFINITY);
    (lentBytes > 0 ? receivers : donors).push({ cgroup, bytes: Math.abs(lentBytes) });
  }
  match(state, receivers, donors, nowUs);
}

function match(
  state: RescueState,
  receivers: readonly { cgroup: Followed; bytes: number }[],
  donors: readonly { cgroup: Followed; bytes: number }[],
  nowUs: number,
): void {
  const { loans } = state;
  const left = donors.map(({ cgroup, bytes }) => ({ cgroup, bytes }));
  for (const { cgroup, bytes } of receivers) {
    const lease = cgroup.lease ?? loans.begin(cgroup, nowUs, state.waitUs(cgroup));
    let missing = bytes;
    for (const donor of left) {
      const part = Math.min(donor.bytes, missing);
      if (part <= 0) continue;
      donor.bytes -= part;
      missing -= part;
      loans.lend(lease, donor.cgroup, part);
    }
    lease.globalBytes += missing;
  }
  const orphan = new Lease(0, nowUs, 1, "receiver-gone");
  for (const { cgroup, bytes } of left) if (bytes > 0) loans.lend(orphan, cgroup, bytes);
  if (!orphan.empty) loans.closing.push(orphan);
}
