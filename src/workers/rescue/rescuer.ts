import os from "node:os";
import type { RescuePolicy } from "../../core/policy/policy.ts";
import { amountBytes } from "../../core/rescue/amount.ts";
import { emptyRescueOrder } from "../../core/rescue/board.ts";
import type { DonorReport, RescueOutcome, RescueReport, RescueTrigger } from "../../core/rescue/report.ts";
import {
  catchUp,
  deductDonors,
  emptyShareOut,
  type ShareOut,
  shareOut,
  undoShareOut,
} from "../../core/rescue/share.ts";
import { monotonicUs } from "../common/clock.ts";
import type { Donor } from "./donor.ts";
import type { Receiver } from "./receiver.ts";
import type { Receivers, Slot } from "./receivers.ts";
import type { Refusal, Transaction } from "./transaction.ts";

/** It met its limit when so little is left below it: what the processors hold back of charged pages, and some. */
const MET_BYTES = 1024 * 1024 + 64 * 4096 * os.availableParallelism();

/** What a rescue is made of, besides the receiver. */
export interface RescueMeans {
  readonly receivers: Receivers;
  readonly transaction: Transaction;
  readonly idPrefix: string;
  /** Limits may be written: the policy is no dry run, and a guardian lives that would put them back. */
  readonly mayWrite: () => boolean;
}

/** Moves limits when the kernel says that a cgroup is about to die: the part of the rescue thread that is in a hurry. */
export class Rescuer {
  readonly #means: RescueMeans;
  readonly #share: ShareOut = emptyShareOut();
  readonly #facts = {
    growthBytesPerSecond: 0,
    sinceLastRaiseUs: Number.NaN,
    lastAddedBytes: 0,
    policy: null as unknown as RescuePolicy,
  };
  readonly #warmOrder = emptyRescueOrder();
  #count = 0;
  /** Donors that could not give this time. */
  readonly #refusedNumbers: number[] = [];

  constructor(means: RescueMeans, policy: RescuePolicy) {
    this.#means = means;
    this.#facts.policy = policy;
  }

  set policy(policy: RescuePolicy) {
    this.#facts.policy = policy;
  }

  /**
   * Gives a receiver what it needs now.
   * @param aheadBytes what is to be free below its limit, where that is known better than by the policy's margin
   * @returns null when there was nothing to do: it is not near its limit (any more), or has none
   */
  rescue(slot: Slot, trigger: RescueTrigger, wokenUs: number, aheadBytes = Number.NaN): RescueReport | null {
    const receiver = slot.receiver as Receiver;
    const usageBytes = receiver.usageBytes();
    const limitBytes = receiver.limitBytes();
    const nearBytes = this.#near(receiver, trigger, usageBytes, limitBytes, aheadBytes);
    const missingBytes = this.#missing(receiver, trigger, usageBytes, limitBytes, nearBytes);
    if (missingBytes < 0) return null;
    const { addMinBytes } = this.#facts.policy;
    const wantedBytes = Math.max(this.#amount(slot, receiver, wokenUs), missingBytes);
    const share = this.#share;
    catchUp(slot.order, limitBytes);
    this.#refusedNumbers.length = 0;
    let refusal: Refusal | null = null;
    for (let tries = slot.order.donors.length; tries >= 0; tries--) {
      shareOut(slot.order, wantedBytes, addMinBytes, share);
      if (share.step === 0 || !this.#means.mayWrite()) break;
      refusal = this.#give(receiver, limitBytes, share);
      if (refusal === null) break;
      const refused = this.#refusedDonor(refusal, share);
      if (refused >= 0) this.#refusedNumbers.push(share.numbers[refused] as number);
      undoShareOut(slot.order, share, refused);
      // Only a donor can be left out; it is, and the others are asked for what is wanted.
      if (refused < 0) break;
    }
    const raisedUs = monotonicUs();
    const outcome = this.#outcome(share, refusal);
    if (outcome === "raised") {
      receiver.lastRaiseUs = wokenUs;
      receiver.lastAddedBytes = share.addedBytes;
    }
    if (outcome === "raised" || outcome === "dry-run") {
      for (const other of this.#means.receivers.slots) if (other !== slot) deductDonors(other.order, share);
    }
    const seen = { usageBytes, limitBytes, wokenUs, raisedUs };
    return this.#report(receiver, trigger, outcome, refusal, seen);
  }

  /**
   * Goes all the way to a limit but for writing anything. Between two notices the caches forget it, and the first stall
   * of a cgroup would last half as long again.
   */
  keepWarm(slot: Slot): void {
    const receiver = slot.receiver as Receiver;
    const usageBytes = receiver.usageBytes();
    const limitBytes = receiver.limitBytes();
    this.#missing(receiver, "oom", usageBytes, limitBytes, MET_BYTES);
    const order = this.#warmOrder;
    order.freeBytes = order.bearableBytes = order.lendableBytes = slot.order.lendableBytes;
    shareOut(order, this.#amount(slot, receiver, monotonicUs()), this.#facts.policy.addMinBytes, this.#share);
    if (!Number.isFinite(limitBytes)) return;
    const { transaction } = this.#means;
    transaction.begin();
    receiver.change(transaction, limitBytes, limitBytes + this.#share.addedBytes);
    transaction.rehearse();
  }

  /** @returns how much it is short of standing clear of its limit; below 0 when it does, or is not on its way there */
  #missing(
    receiver: Receiver,
    trigger: RescueTrigger,
    usageBytes: number,
    limitBytes: number,
    nearBytes: number,
  ): number {
    const grows = usageBytes >= receiver.lastUsageBytes;
    receiver.lastUsageBytes = usageBytes;
    // Of a cgroup that is gone nothing is known.
    if (!Number.isFinite(limitBytes - usageBytes)) return -1;
    const shortBytes = usageBytes + nearBytes - limitBytes;
    if (trigger === "oom") return shortBytes;
    if (!grows) return -1;
    // Where the cache is what fills it, the kernel takes that back, and nobody dies.
    return shortBytes < 0 ? -1 : shortBytes - receiver.reclaimableBytes(limitBytes);
  }

  /** How much is to be free below its limit for it to stand clear of it. */
  #near(
    receiver: Receiver,
    trigger: RescueTrigger,
    usageBytes: number,
    limitBytes: number,
    aheadBytes: number,
  ): number {
    if (trigger === "oom") return MET_BYTES;
    if (aheadBytes > 0) return aheadBytes + MET_BYTES;
    return receiver.nearBytes(usageBytes, limitBytes, this.#facts.policy.marginBytes);
  }

  #amount(slot: Slot, receiver: Receiver, wokenUs: number): number {
    const facts = this.#facts;
    facts.growthBytesPerSecond = slot.order.growthBytesPerSecond;
    facts.sinceLastRaiseUs = wokenUs - receiver.lastRaiseUs;
    facts.lastAddedBytes = receiver.lastAddedBytes;
    return amountBytes(facts);
  }

  /** Donors first, then the receiver; together or not at all. */
  #give(receiver: Receiver, limitBytes: number, share: ShareOut): Refusal | null {
    const { transaction, receivers } = this.#means;
    transaction.begin();
    for (let i = 0; i < share.donors; i++) {
      const donor = receivers.donor(share.numbers[i] as number);
      const code = donor === null ? "gone" : this.#take(donor, share, i);
      if (code !== null) return { path: donor?.limit.path ?? `donor ${i}`, code };
    }
    receiver.change(transaction, limitBytes, limitBytes + share.addedBytes);
    return transaction.commit();
  }

  /** @returns the donor's place in what was shared out; -1 when it was not a donor that refused */
  #refusedDonor({ path }: Refusal, share: ShareOut): number {
    for (let i = 0; i < share.donors; i++) {
      const donor = this.#means.receivers.donor(share.numbers[i] as number);
      if (path === (donor?.limit.path ?? `donor ${i}`)) return i;
    }
    return -1;
  }

  /** The order is a moment old: what the donor uses now is looked at again. @returns why it cannot give */
  #take(donor: Donor, share: ShareOut, i: number): string | null {
    const fromBytes = donor.limit.read();
    const toBytes = fromBytes - (share.reducedBytes[i] as number);
    const { donorMargin } = this.#facts.policy;
    const marginBytes = "bytes" in donorMargin ? donorMargin.bytes : donorMargin.share * fromBytes;
    const floorBytes = Math.max(share.floorBytes[i] as number, donor.usageBytes() + marginBytes);
    if (!(toBytes >= floorBytes)) return "below its floor";
    this.#means.transaction.add(donor.limit, donor.identity.inode, fromBytes, toBytes);
    return null;
  }

  #outcome(share: ShareOut, refusal: Refusal | null): RescueOutcome {
    if (refusal !== null) return "refused";
    if (share.step === 0) return share.refusal ?? "no-plan";
    return this.#means.mayWrite() ? "raised" : "dry-run";
  }

  #report(
    receiver: Receiver,
    trigger: RescueTrigger,
    outcome: RescueOutcome,
    refusal: Refusal | null,
    seen: { usageBytes: number; limitBytes: number; wokenUs: number; raisedUs: number },
  ): RescueReport {
    const share = this.#share;
    const given = outcome === "raised" || outcome === "dry-run";
    const addedBytes = given ? share.addedBytes : 0;
    const { number, path, inode } = receiver.identity;
    return {
      id: `${this.#means.idPrefix}-r${++this.#count}`,
      number,
      path,
      inode,
      trigger,
      outcome,
      refusal: refusal === null ? null : `${refusal.path}: ${refusal.code}`,
      step: given ? share.step : 0,
      addedBytes,
      limitBeforeBytes: seen.limitBytes,
      limitAfterBytes: outcome === "raised" ? seen.limitBytes + addedBytes : seen.limitBytes,
      usageBytes: seen.usageBytes,
      donors: given ? this.#donorReports(share, outcome === "raised") : this.#refusedReports(),
      paused: receiver.pauses && trigger === "oom",
      growthBytesPerSecond: this.#facts.growthBytesPerSecond,
      wokenUs: seen.wokenUs,
      raisedUs: seen.raisedUs,
      wallMs: Date.now(),
    };
  }

  /** Whom not to ask again for a while. */
  #refusedReports(): DonorReport[] {
    return this.#refusedNumbers.map((number) => {
      const donor = this.#means.receivers.donor(number);
      const limitBytes = donor?.limit.read() ?? Number.NaN;
      const path = donor?.identity.path ?? "";
      return { number, path, reducedBytes: 0, limitBeforeBytes: limitBytes, limitAfterBytes: limitBytes };
    });
  }

  #donorReports(share: ShareOut, written: boolean): DonorReport[] {
    const reports: DonorReport[] = [];
    for (let i = 0; i < share.donors; i++) {
      const number = share.numbers[i] as number;
      const reducedBytes = share.reducedBytes[i] as number;
      const donor = this.#means.receivers.donor(number);
      const nowBytes = donor?.limit.read() ?? Number.NaN;
      reports.push({
        number,
        path: donor?.identity.path ?? "",
        reducedBytes,
        limitBeforeBytes: written ? nowBytes + reducedBytes : nowBytes,
        limitAfterBytes: nowBytes,
      });
    }
    return reports;
  }
}
