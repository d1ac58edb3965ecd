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
      const orphan = new Lease(report.number, report.raisedUs, waitUs, "receiver-gone");
      this.#takeFromDonors(orphan, report);
      if (!orphan.empty) this.closing.push(orphan);
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

  /** Takes in what went back. */
  returned(report: ReturnReport): void {
    const receiver = this.#cgroups.get(report.number);
    const lease = receiver?.lease ?? null;
    let donorsBytes = 0;
    for (const part of report.donors) {
      donorsBytes += this.#takeBack(report.number, lease, part.number, part.returnedBytes);
      const donor = this.#cgroups.get(part.number);
      if (donor === undefined) continue;
      donor.limitIs(part.limitAfterBytes, report.timeUs);
      donor.rescueEnded(report.timeUs);
    }
    if (receiver !== undefined && lease !== null) {
      if (report.returnedBytes > 0) {
        receiver.limitIs(report.limitAfterBytes, report.timeUs);
        receiver.rescueEnded(report.timeUs);
      }
      // What is lowered beyond what donors were still owed was nobody's; what is not lowered is owed to nobody now.
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
    const closing = new Lease(lease.number, nowUs, 1, why);
    for (const [number, bytes] of lease.donors) closing.addDonor(number, bytes);
    if (!closing.empty) this.closing.push(closing);
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

  /** Strikes a returned part out of the receiver's lease, and of those that were closed while it was under way. */
  #takeBack(receiver: number, open: Lease | null, number: number, bytes: number): number {
    const closings = this.closing.filter((lease) => lease.number === receiver);
    let taken = 0;
    for (const lease of [...(open === null ? [] : [open]), ...closings]) {
      taken += lease.takeDonor(number, bytes - taken);
    }
    const donor = this.#cgroups.get(number);
    if (donor !== undefined) donor.reducedBytes = Math.max(0, donor.reducedBytes - taken);
    return taken;
  }
}
