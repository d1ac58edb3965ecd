/** From what is known to what is to be done: standing orders, returns, recommendations. Called after each sweep. */
import { adoptOutstanding } from "./adopt.ts";
import { advise, type Lendable, lendable } from "./advice.ts";
import { RESCUE_SLOTS } from "./board.ts";
import { donorsFor, findDonors } from "./donors.ts";
import type { Followed } from "./followed.ts";
import { countPromises, headroomAbove } from "./headroom.ts";
import type { RescueOrder } from "./order.ts";
import type { Recommendation } from "./report.ts";
import { dueReturns } from "./returns.ts";
import type { RescueState } from "./state.ts";
import type { HostMemory, RescuePlan } from "./terms.ts";

const NOTHING: RescuePlan = { orders: [], returns: [], recommendations: [], limitations: [] };

/**
 * What to write to the board, what to ask the rescue thread to give back, and what to put on record.
 * @param nowUs CLOCK_MONOTONIC
 */
export function plan(state: RescueState, nowUs: number, host: HostMemory): RescuePlan {
  state.arrange();
  if (!adoptOutstanding(state, nowUs)) return NOTHING;
  const receivers = findReceivers(state);
  if (receivers.length === 0 && state.loans.none && state.book.empty) return NOTHING;

  const without = state.book.assign(receivers.map(({ number }) => number));
  // Before the orders: what goes back is nobody's headroom.
  const returns = dueReturns(state, nowUs);
  const recommendations: Recommendation[] = [];
  const orders = receivers.length === 0 ? [] : makeOrders(state, receivers, nowUs, host, recommendations);
  return {
    orders: state.book.renew(orders),
    returns,
    recommendations,
    limitations: state.sayOnce(without > 0, crowded(without)),
  };
}

/** Who has a limit and may be given memory, by path: a cgroup without a limit needs no rescue. */
function findReceivers(state: RescueState): Followed[] {
  const receivers: Followed[] = [];
  for (const cgroup of state.cgroups.values()) {
    if (cgroup.mayReceive && cgroup.hasLimit) receivers.push(cgroup);
  }
  return receivers.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function makeOrders(
  state: RescueState,
  receivers: readonly Followed[],
  nowUs: number,
  host: HostMemory,
  recommendations: Recommendation[],
): RescueOrder[] {
  const { terms } = state;
  const borrowers: Followed[] = [];
  for (const { number } of state.loans.open) {
    const cgroup = state.cgroups.get(number);
    if (cgroup !== undefined) borrowers.push(cgroup);
  }
  const promisedBytes = countPromises(state.cgroups.values(), borrowers);
  const donors = findDonors(state.cgroups.values(), nowUs, terms);
  const orders: RescueOrder[] = [];
  for (const receiver of receivers) {
    if (!state.book.has(receiver.number)) continue;
    const left: Lendable = lendable(receiver, nowUs, terms);
    const advice = advise(receiver, left, nowUs, terms);
    if (advice !== null) recommendations.push(advice);
    const { freeBytes, bearableBytes } = headroomAbove(receiver, promisedBytes, nowUs, host, terms);
    orders.push({
      number: receiver.number,
      limitBytes: receiver.limitBytes,
      freeBytes,
      bearableBytes,
      lendableBytes: left.bytes,
      growthBytesPerSecond: receiver.growth.bytesPerUs * 1e6,
      donors: donorsFor(receiver, donors),
    });
  }
  return orders;
}

function crowded(without: number): string {
  return `${without} cgroups that rescue.cgroups names have no standing order, as there is room for ${RESCUE_SLOTS}: they are not rescued; name fewer`;
}
