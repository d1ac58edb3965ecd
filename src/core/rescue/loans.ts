/** The books of all leases. What is lent to one cgroup, less what others lent, is all that their limits have moved. */
import type { Followed } from "./followed.ts";
import { type ClosingReason, Lease } from "./lease.ts";
import type { RescueReport, ReturnReport } from "./report.ts";

export class Loans {
  /** Of receivers that are there: also at `Followed.lease`. */
  readonly open: Lease[] = [];
  /** Of which only the donors are still to get their part back. */
  readonly closing: Lease[] = [];
  readonly #cgroups: ReadonlyMap<number, Followed>;

  constructor(cgroups: ReadonlyMap<number, Followed>) {
    this.#cgroups = cgroups;
  }

  get none(): boolean {
    return this.open.length === 0 && this.closing.length === 0;
  }

  /** Takes in that a limit was raised. `waitUs`: how long the receiver's usage is looked back on before a return. */
  raised(report: RescueReport, waitUs: number): void {
    const receiver = this.#cgroups.get(report.number);
    if (receiver === undefined) {
      this.#takeFromDonors(this.#closingOf(report.number, "receiver-gone", report.raisedUs), report);
      this.sweep();
      return;
    }
    const lease = receiver.lease ?? this.begin(receiver, report.raisedUs, waitUs);
    lease.raisedUs = report.raisedUs;
    receiver.rescueBegan(report.wokenUs);
    receiver.limitIs(report.limitAfterBytes, report.raisedUs);
    lease.globalBytes += report.addedBytes - this.#takeFromDonors(lease, report);
  }

  begin(receiver: Followed, nowUs: number, waitUs: number): Lease {
    const lease = new Lease(receiver.number, nowUs, waitUs);
    receiver.lease = lease;
    receiver.keptSaid = false;
    this.open.push(lease);
    return lease;
  }

  /** Takes in what went back, or did not; what is left is not asked for again before `againUs`. */
  returned(report: ReturnReport, againUs: number): void {
    const lease = this.#answered(report);
    if (lease !== undefined) {
      lease.unanswered = Math.max(0, lease.unanswered - 1);
      if (lease.unanswered === 0) lease.silentUntilUs = againUs;
      lease.askedBytes = 0;
    }
    let donorsBytes = 0;
    for (const part of report.donors) {
      const taken = lease?.takeDonor(part.number, part.returnedBytes) ?? 0;
      donorsBytes += taken;
      const donor = this.#cgroups.get(part.number);
      if (donor === undefined) continue;
      donor.reducedBytes = Math.max(0, donor.reducedBytes - taken);
      donor.limitIs(part.limitAfterBytes, report.timeUs);
      donor.rescueEnded(report.timeUs);
    }
    const receiver = this.#cgroups.get(report.number);
    if (receiver !== undefined && report.returnedBytes > 0) {
      receiver.limitIs(report.limitAfterBytes, report.timeUs);
      receiver.rescueEnded(report.timeUs);
    }
    // What is lowered beyond what donors were still owed was nobody's; what is not lowered is owed to nobody now.
    if (lease !== undefined && lease.closing === null) {
      lease.globalBytes = Math.max(0, lease.globalBytes + donorsBytes - report.returnedBytes);
    }
    this.sweep();
  }

  /** The receiver has nothing to be lowered any more: gone, or its limit somebody else's now. */
  close(receiver: Followed, why: ClosingReason, nowUs: number): void {
    const lease = receiver.lease;
    if (lease === null) return;
    receiver.lease = null;
    this.open.splice(this.open.indexOf(lease), 1);
    const closing = this.#closingOf(lease.number, why, nowUs);
    // A return that is under way goes to the same donors.
    closing.unanswered += lease.unanswered;
    if (lease.unanswered > 0) closing.silentUntilUs = lease.silentUntilUs;
    for (const [number, bytes] of lease.donors) closing.addDonor(number, bytes);
    this.sweep();
  }

  /** The donor is gone, or its limit somebody else's now: nobody gives back to it. */
  forgetDonor(donor: Followed): void {
    if (donor.reducedBytes <= 0) return;
    for (const lease of this.open) lease.forgetDonor(donor.number);
    for (const lease of this.closing) lease.forgetDonor(donor.number);
    donor.reducedBytes = 0;
    this.sweep();
  }

  /** Takes in that a donor's limit is lower by `bytes` for this lease. */
  lend(lease: Lease, donor: Followed, bytes: number): void {
    lease.addDonor(donor.number, bytes);
    donor.reducedBytes += bytes;
  }

  clear(): void {
    for (const { number } of this.open.splice(0)) {
      const receiver = this.#cgroups.get(number);
      if (receiver !== undefined) receiver.lease = null;
    }
    this.closing.splice(0);
  }

  /** Strikes out what is settled. */
  sweep(): void {
    for (let i = this.open.length - 1; i >= 0; i--) {
      const lease = this.open[i] as Lease;
      if (!lease.empty) continue;
      const receiver = this.#cgroups.get(lease.number);
      if (receiver !== undefined) receiver.lease = null;
      this.open.splice(i, 1);
    }
    for (let i = this.closing.length - 1; i >= 0; i--) {
      if ((this.closing[i] as Lease).empty) this.closing.splice(i, 1);
    }
  }

  /** @returns what is now owed to donors that are there */
  #takeFromDonors(lease: Lease, report: RescueReport): number {
    let sum = 0;
    for (const part of report.donors) {
      const donor = this.#cgroups.get(part.number);
      if (donor === undefined) continue;
      donor.rescueBegan(report.wokenUs);
      donor.limitIs(part.limitAfterBytes, report.raisedUs);
      this.lend(lease, donor, part.reducedBytes);
      sum += part.reducedBytes;
    }
    return sum;
  }

  /** There is one for each receiver, so that it is plain what an answer is for. */
  #closingOf(number: number, why: ClosingReason, nowUs: number): Lease {
    const present = this.closing.find((lease) => lease.number === number);
    if (present !== undefined) return present;
    const lease = new Lease(number, nowUs, 1, why);
    this.closing.push(lease);
    return lease;
  }

  /** Which lease an answer is for: it may have been closed while its return was under way. */
  #answered({ number, why }: ReturnReport): Lease | undefined {
    const closing = this.closing.find((lease) => lease.number === number);
    if (why === "receiver-gone" || why === "limit-changed") return closing;
    const open = this.#cgroups.get(number)?.lease ?? undefined;
    return open !== undefined && (open.unanswered > 0 || closing === undefined) ? open : closing;
  }
}
