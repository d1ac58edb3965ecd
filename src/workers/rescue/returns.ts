import type { LeaseReturn, ReturnOutcome, ReturnReport } from "../../core/rescue/report.ts";
import { marginWithin } from "../../core/rescue/thresholds.ts";
import { monotonicUs } from "../common/clock.ts";
import type { Donor } from "./donor.ts";
import type { Receiver } from "./receiver.ts";
import type { Receivers } from "./receivers.ts";
import type { Refusal, Transaction } from "./transaction.ts";

/** A part of the margin is to be free when a limit has come down, so that it need not go up again at once. */
const ROOM_SHARE = 0.25;

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
  const receiver = lease.bytes > 0 ? cgroupOf(lease.number, receivers) : null;
  transaction.begin();
  let limitAfterBytes = Number.NaN;
  let outcome: ReturnOutcome = "returned";
  if (receiver !== null) {
    const limitBytes = receiver.limit.read();
    // Never below what it was: what is asked for twice goes back once.
    const ownBytes = transaction.originalOf(receiver.limit, receiver.identity.inode);
    limitAfterBytes = Math.max(limitBytes - lease.bytes, Math.min(ownBytes || limitBytes, limitBytes));
    const roomBytes = marginWithin(marginBytes, limitAfterBytes) * ROOM_SHARE;
    if (receiver.usageBytes() + roomBytes > limitAfterBytes) outcome = "waits";
    else if (limitAfterBytes < limitBytes) lower(receiver, transaction, limitBytes, limitAfterBytes);
  }
  const donors: ReturnReport["donors"][number][] = [];
  for (const { number, bytes } of lease.donors) {
    const donor = receivers.donor(number);
    const limitBytes = donor?.limit.read() ?? Number.NaN;
    if (donor === null || !Number.isFinite(limitBytes)) continue;
    // Nor above what it was, unless it was lent something itself and stands above that anyway.
    const ownBytes = transaction.originalOf(donor.limit, donor.identity.inode);
    const backBytes = limitBytes < ownBytes ? Math.min(limitBytes + bytes, ownBytes) : limitBytes + bytes;
    if (!Number.isNaN(ownBytes)) transaction.add(donor.limit, donor.identity.inode, limitBytes, backBytes);
    const after = Number.isNaN(ownBytes) ? limitBytes : backBytes;
    donors.push({ number, path: donor.identity.path, returnedBytes: bytes, limitAfterBytes: after });
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

/** The cgroup whose limit is to come down: a receiver, or one that the policy names no longer. */
function cgroupOf(number: number, receivers: Receivers): Receiver | Donor | null {
  return receivers.slotOf(number)?.receiver ?? receivers.donor(number);
}

function lower(cgroup: Receiver | Donor, transaction: Transaction, fromBytes: number, toBytes: number): void {
  if ("change" in cgroup) cgroup.change(transaction, fromBytes, toBytes);
  else transaction.add(cgroup.limit, cgroup.identity.inode, fromBytes, toBytes);
}
