import type { LeaseReturn, ReturnOutcome, ReturnReport } from "../../core/rescue/report.ts";
import { monotonicUs } from "../common/clock.ts";
import type { Receivers } from "./receivers.ts";
import type { Refusal, Transaction } from "./transaction.ts";

/** The cgroup whose limit is to come down: a receiver, or one that the policy names no longer. */
interface Lowered {
  usageBytes(): number;
  limitBytes(): number;
  change(transaction: Transaction, fromBytes: number, toBytes: number): void;
}

/**
 * Gives back what was lent: the receiver's limit down, then the donors' up. Where the receiver's usage leaves no room
 * for that it waits: on v1 the kernel would refuse, on v2 it would kill.
 */
export function returnLease(
  lease: LeaseReturn,
  receivers: Receivers,
  transaction: Transaction,
  marginBytes: number,
): ReturnReport {
  const receiver = lease.bytes > 0 ? lowered(lease.number, receivers) : null;
  transaction.begin();
  let limitAfterBytes = Number.NaN;
  let outcome: ReturnOutcome = "returned";
  if (receiver !== null) {
    const limitBytes = receiver.limitBytes();
    limitAfterBytes = limitBytes - lease.bytes;
    if (receiver.usageBytes() + marginBytes > limitAfterBytes) outcome = "waits";
    else receiver.change(transaction, limitBytes, limitAfterBytes);
  }
  const donors: ReturnReport["donors"][number][] = [];
  for (const { number, bytes } of lease.donors) {
    const donor = receivers.donor(number);
    const limitBytes = donor?.limit.read() ?? Number.NaN;
    if (donor === null || !Number.isFinite(limitBytes)) continue;
    transaction.add(donor.limit, donor.identity.inode, limitBytes, limitBytes + bytes);
    donors.push({
      number,
      path: donor.identity.path,
      returnedBytes: bytes,
      limitAfterBytes: limitBytes + bytes,
    });
  }
  const refusal: Refusal | null = outcome === "waits" ? null : transaction.commit();
  if (refusal !== null) outcome = refusal.code === "EBUSY" ? "waits" : "refused";
  if (outcome === "returned") transaction.settle();
  return {
    number: lease.number,
    path: receivers.identity(lease.number)?.path ?? "",
    why: lease.why,
    outcome,
    refusal: refusal === null ? null : `${refusal.path}: ${refusal.code}`,
    returnedBytes: outcome === "returned" && receiver !== null ? lease.bytes : 0,
    limitAfterBytes,
    donors: outcome === "returned" ? donors : [],
    timeUs: monotonicUs(),
    wallMs: Date.now(),
  };
}

function lowered(number: number, receivers: Receivers): Lowered | null {
  const receiver = receivers.slotOf(number)?.receiver;
  if (receiver !== undefined && receiver !== null) return receiver;
  const donor = receivers.donor(number);
  if (donor === null) return null;
  return {
    usageBytes: () => donor.usageBytes(),
    limitBytes: () => donor.limit.read(),
    change: (transaction, fromBytes, toBytes) =>
      transaction.add(donor.limit, donor.identity.inode, fromBytes, toBytes),
  };
}
