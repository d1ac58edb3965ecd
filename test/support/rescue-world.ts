/**
 * A host of cgroups that exists in memory only, with a rescue thread that carries out standing orders as the real one
 * does, and an analysis that is told of it. Whatever breaks a promise of rescue throws.
 */
import { isDeepStrictEqual } from "node:util";
import {
  type CgroupIdentity,
  DETAIL_COLUMNS,
  Detail,
  USAGE_COLUMNS,
  Usage,
} from "../../src/core/cgroups/columns.ts";
import type { CgroupCalibration } from "../../src/core/policy/policy.ts";
import { amountBytes as bytesOf } from "../../src/core/policy/policy.ts";
import { amountBytes } from "../../src/core/rescue/amount.ts";
import type { RescueOrder } from "../../src/core/rescue/order.ts";
import { plan } from "../../src/core/rescue/plan.ts";
import type { LeaseReturn, RescueReport, ReturnReport } from "../../src/core/rescue/report.ts";
import { catchUp, deductDonors, emptyShareOut, shareOut, undoShareOut } from "../../src/core/rescue/share.ts";
import { RescueState } from "../../src/core/rescue/state.ts";
import type { HostMemory, RescuePlan, RescueTerms } from "../../src/core/rescue/terms.ts";
import {
  check,
  type SimulatedCgroup,
  type CgroupSpec,
  RESCUE,
  SECOND_US,
  type WorldSpec,
} from "./rescue-spec.ts";

const CHARGE_BYTES = 256 * 1024;
const TRIES = 40;

export class RescueWorld {
  readonly cgroups: SimulatedCgroup[] = [];
  terms: RescueTerms;
  readonly reports: RescueReport[] = [];
  readonly returns: ReturnReport[] = [];
  readonly plans: RescuePlan[] = [];
  readonly board = new Map<number, RescueOrder>();
  state: RescueState;
  nowUs = 1e9;
  /** Reports wait until after the next plan. */
  slowMail = false;
  killed = 0;
  /** Something that happens between the plan and what comes of it. */
  beforeReturns: (returns: readonly LeaseReturn[]) => void = () => {};
  /** Told the same in another order: it must come to the same plans. */
  #shadow: RescueState;
  #numbers = 0;
  #mail: ((state: RescueState) => void)[] = [];
  readonly #spec: WorldSpec;

  constructor(spec: WorldSpec) {
    this.#spec = spec;
    const calibration: Record<string, CgroupCalibration> = {};
    for (const each of spec.cgroups) if (each.calibration) calibration[each.path] = each.calibration;
    this.terms = {
      rescue: { ...RESCUE, ...spec.rescue },
      cgroups: { intervalMs: 1000, halfLifeMs: 86_400_000, calibration },
      mayReceive: (path) => spec.cgroups.some((each) => each.path === path && each.receives === true),
      mayGive: (path) => spec.cgroups.some((each) => each.path === path && each.gives === true),
    };
    this.state = new RescueState(this.terms);
    this.#shadow = new RescueState(this.terms);
    this.add(...spec.cgroups);
  }

  add(...specs: readonly CgroupSpec[]): void {
    const added = specs.map((spec) => ({
      ...spec,
      number: ++this.#numbers,
      originalBytes: spec.limitBytes,
      lastRaiseUs: Number.NaN,
      lastAddedBytes: 0,
    }));
    this.cgroups.push(...added);
    this.state.identities(added.map(identityOf), []);
    this.#shadow.identities(added.map(identityOf).toReversed(), []);
  }

  remove(path: string): void {
    const gone = this.cgroups.filter((each) => each.path === path || each.path.startsWith(`${path}/`));
    for (const each of gone) this.cgroups.splice(this.cgroups.indexOf(each), 1);
    const numbers = gone.map(({ number }) => number);
    this.state.identities([], numbers);
    this.#shadow.identities([], numbers.toReversed());
  }

  at(path: string): SimulatedCgroup {
    const found = this.cgroups.find((each) => each.path === path);
    check(found !== undefined, `the test names ${path}, which is not there`);
    return found;
  }

  orderOf(path: string): RescueOrder {
    const found = [...this.board.values()].find(({ number }) => number === this.at(path).number);
    check(found !== undefined, `${path} has no standing order`);
    return found;
  }

  usageBytes(of: SimulatedCgroup): number {
    let sum = 0;
    for (const each of this.cgroups) {
      if (each === of || each.path.startsWith(`${of.path}/`)) sum += each.ownBytes;
    }
    return sum;
  }

  get availableBytes(): number {
    const used = this.cgroups.reduce((sum, { ownBytes }) => sum + ownBytes, this.#spec.otherBytes ?? 0);
    return this.#spec.totalBytes - used;
  }

  get totalBytes(): number {
    return this.#spec.totalBytes;
  }

  above(of: SimulatedCgroup): SimulatedCgroup[] {
    return this.cgroups.filter((each) => of.path.startsWith(`${each.path}/`));
  }

  /** A look at everything, a plan, and what comes of it. */
  sweep(seconds = 1): RescuePlan {
    this.nowUs += seconds * SECOND_US;
    if (!this.slowMail) this.deliver();
    for (const row of this.cgroups.map((each) => this.#detailRow(each))) this.state.detail(row);
    for (const row of this.cgroups.map((each) => this.#usageRow(each))) this.state.usage(row);
    for (const each of this.cgroups.toReversed()) {
      this.#shadow.usage(this.#usageRow(each));
      this.#shadow.detail(this.#detailRow(each));
    }
    return this.replan(0);
  }

  /** A plan without a look, so many seconds later. */
  replan(seconds: number, memory: HostMemory = this): RescuePlan {
    this.nowUs += seconds * SECOND_US;
    const made = this.#plan(memory);
    this.deliver();
    for (const { slot, order } of made.orders) {
      if (order.number === 0) this.board.delete(slot);
      else this.board.set(slot, structuredClone(order));
    }
    this.beforeReturns(made.returns);
    for (const back of made.returns) this.#giveBack(back);
    return made;
  }

  /** Another policy. */
  adopt(terms: RescueTerms): void {
    this.terms = terms;
    this.state.adopt(terms);
    this.#shadow.adopt(terms);
  }

  sweeps(count: number): void {
    for (let i = 0; i < count; i++) this.sweep();
  }

  /** Something else that the rescue thread says. */
  tell(letter: (state: RescueState) => void): void {
    this.#mail.push(letter);
  }

  /** Tells the analysis what has happened. */
  deliver(): void {
    for (const letter of this.#mail.splice(0)) {
      letter(this.state);
      letter(this.#shadow);
    }
  }

  /** The analysis dies and begins anew; the journal tells it what is lent. */
  restart(): void {
    this.#mail = [];
    const limits = this.cgroups
      .filter(({ limitBytes, originalBytes }) => limitBytes !== originalBytes)
      .map(({ path, limitBytes, originalBytes }) => ({
        path,
        originalLimitBytes: originalBytes,
        presentLimitBytes: limitBytes,
      }));
    this.state = new RescueState(this.terms, true);
    this.#shadow = new RescueState(this.terms, true);
    this.#shadow.outstanding(limits.toReversed());
    this.#shadow.identities(this.cgroups.map(identityOf).toReversed(), []);
    this.state.identities(this.cgroups.map(identityOf), []);
    this.state.outstanding(limits);
    // It sees every limit before the next event. If not, a raise whose report is late looks like the owner's own
    // limit, and until the report is there the cap is reckoned from that.
    for (const each of this.cgroups) {
      this.state.detail(this.#detailRow(each));
      this.#shadow.detail(this.#detailRow(each));
    }
  }

  /** Its workload asks for more, and is killed where the limit stands and nobody helps. */
  grow(path: string, bytes: number): "grown" | "killed" {
    const cgroup = this.at(path);
    let left = bytes;
    for (let tries = 0; left > 0; ) {
      const charge = Math.min(left, CHARGE_BYTES);
      const blocked = [cgroup, ...this.above(cgroup).toReversed()].find(
        (each) => this.usageBytes(each) + charge > each.limitBytes,
      );
      if (blocked === undefined && charge <= this.availableBytes) {
        cgroup.ownBytes += charge;
        left -= charge;
        this.nowUs += 200;
        continue;
      }
      if (blocked !== undefined && ++tries < TRIES && this.#rescue(blocked)) continue;
      cgroup.ownBytes = 0;
      this.killed++;
      return "killed";
    }
    return "grown";
  }

  #plan(host: HostMemory): RescuePlan {
    const made = plan(this.state, this.nowUs, host);
    const shadow = plan(this.#shadow, this.nowUs, host);
    check(isDeepStrictEqual(made, shadow), "a plan depends on the order in which things were told");
    this.plans.push(made);
    return made;
  }

  #rescue(receiver: SimulatedCgroup): boolean {
    const order = [...this.board.values()].find(({ number }) => number === receiver.number);
    if (order === undefined) return false;
    const { rescue } = this.terms;
    const wokenUs = this.nowUs;
    this.nowUs += 300;
    const before = this.cgroups.map(({ limitBytes }) => limitBytes);
    catchUp(order, receiver.limitBytes);
    const wanted = amountBytes({
      growthBytesPerSecond: order.growthBytesPerSecond,
      sinceLastRaiseUs: wokenUs - receiver.lastRaiseUs,
      lastAddedBytes: receiver.lastAddedBytes,
      policy: rescue,
    });
    const share = emptyShareOut();
    for (;;) {
      shareOut(order, wanted, rescue.addMinBytes, share);
      const refused = this.#firstRefusing(share);
      if (refused < 0) break;
      undoShareOut(order, share, refused);
    }
    const limitBeforeBytes = receiver.limitBytes;
    receiver.limitBytes += share.addedBytes;
    const donors: RescueReport["donors"][number][] = [];
    for (let i = 0; i < share.donors; i++) {
      const donor = this.#numbered(share.numbers[i] as number) as SimulatedCgroup;
      const reducedBytes = share.reducedBytes[i] as number;
      const donorBeforeBytes = donor.limitBytes;
      donor.limitBytes -= reducedBytes;
      donors.push({
        number: donor.number,
        path: donor.path,
        reducedBytes,
        limitBeforeBytes: donorBeforeBytes,
        limitAfterBytes: donor.limitBytes,
      });
    }
    for (const other of this.board.values()) if (other !== order) deductDonors(other, share);
    this.#checkRescue(receiver, share.step, before);
    receiver.lastRaiseUs = wokenUs;
    receiver.lastAddedBytes = share.addedBytes;
    const report: RescueReport = {
      id: `r${this.reports.length + 1}`,
      number: receiver.number,
      path: receiver.path,
      inode: receiver.number,
      trigger: "oom",
      outcome: share.step === 0 ? (share.refusal ?? "no-plan") : "raised",
      refusal: null,
      step: share.step,
      addedBytes: share.addedBytes,
      limitBeforeBytes,
      limitAfterBytes: receiver.limitBytes,
      usageBytes: this.usageBytes(receiver),
      donors,
      paused: false,
      growthBytesPerSecond: order.growthBytesPerSecond,
      wokenUs,
      raisedUs: this.nowUs,
      wallMs: 0,
    };
    this.reports.push(report);
    this.#mail.push((state) => state.report(report));
    return share.step !== 0;
  }

  /** The real thread looks at a donor once more before it takes from it. */
  #firstRefusing(share: ReturnType<typeof emptyShareOut>): number {
    for (let i = 0; i < share.donors; i++) {
      const donor = this.#numbered(share.numbers[i] as number);
      if (donor === undefined) return i;
      const marginBytes = bytesOf(this.terms.rescue.donorMargin, donor.limitBytes);
      const floor = Math.max(share.floorBytes[i] as number, this.usageBytes(donor) + marginBytes);
      if (!(donor.limitBytes - (share.reducedBytes[i] as number) >= floor)) return i;
    }
    return -1;
  }

  #checkRescue(receiver: SimulatedCgroup, step: 0 | 1 | 2, before: readonly number[]): void {
    const { rescue } = this.terms;
    const finite = (limits: readonly number[]): number =>
      limits.reduce((sum, limit) => sum + (Number.isFinite(limit) ? limit : 0), 0);
    const after = this.cgroups.map(({ limitBytes }) => limitBytes);
    if (step === 2) check(finite(before) === finite(after), "step 2 changes the sum of the limits");
    // What it lent itself is not its limit's growth: the cap is on what it has above its own.
    const lentBytes = receiver.limitBytes - receiver.originalBytes;
    check(
      lentBytes <= rescue.lendShareMax * receiver.originalBytes,
      `${receiver.path} is lent more than the cap`,
    );
    for (const [i, each] of this.cgroups.entries()) {
      if ((after[i] as number) >= (before[i] as number)) continue;
      check(each.gives === true, `${each.path} is reduced and may not be`);
      check(each !== receiver, "a receiver gives to itself");
      const floor = Math.max(this.usageBytes(each), each.minBytes ?? 0, each.lowBytes ?? 0);
      check(each.limitBytes >= floor, `${each.path} is reduced below its floor`);
      check(
        !this.above(receiver).includes(each) && !this.above(each).includes(receiver),
        "a relative of the receiver gives",
      );
    }
  }

  #giveBack(back: LeaseReturn): void {
    const receiver = back.bytes > 0 ? this.#numbered(back.number) : undefined;
    const donorsBytes = back.donors.reduce((sum, { bytes }) => sum + bytes, 0);
    check(
      back.bytes === 0 || donorsBytes <= back.bytes,
      "more goes back to donors than comes from the receiver",
    );
    check(back.bytes === 0 || receiver !== undefined, "something is to come back from a cgroup that is gone");
    const waits = receiver !== undefined && this.usageBytes(receiver) > receiver.limitBytes - back.bytes;
    const donors: ReturnReport["donors"][number][] = [];
    if (!waits) {
      if (receiver !== undefined) receiver.limitBytes -= back.bytes;
      for (const { number, bytes } of back.donors) {
        const donor = this.#numbered(number);
        if (donor === undefined) continue;
        donor.limitBytes += bytes;
        check(donor.limitBytes <= donor.originalBytes + lentTo(donor), "a donor gets back more than it lent");
        donors.push({ number, path: donor.path, returnedBytes: bytes, limitAfterBytes: donor.limitBytes });
      }
    }
    const report: ReturnReport = {
      number: back.number,
      path: receiver?.path ?? "",
      why: back.why,
      outcome: waits ? "waits" : "returned",
      refusal: null,
      returnedBytes: waits || receiver === undefined ? 0 : back.bytes,
      limitAfterBytes: receiver?.limitBytes ?? Number.NaN,
      donors,
      timeUs: this.nowUs,
      wallMs: 0,
    };
    this.returns.push(report);
    this.#mail.push((state) => state.returned(report));
  }

  #numbered(number: number): SimulatedCgroup | undefined {
    return this.cgroups.find((each) => each.number === number);
  }

  #usageRow(of: SimulatedCgroup): Float64Array {
    const row = new Float64Array(USAGE_COLUMNS.length).fill(Number.NaN);
    row[Usage.timeUs] = this.nowUs;
    row[Usage.cgroup] = of.number;
    row[Usage.usageBytes] = this.usageBytes(of);
    return row;
  }

  #detailRow(of: SimulatedCgroup): Float64Array {
    const row = new Float64Array(DETAIL_COLUMNS.length).fill(Number.NaN);
    row[Detail.timeUs] = this.nowUs;
    row[Detail.cgroup] = of.number;
    row[Detail.anonBytes] = this.usageBytes(of);
    if (Number.isFinite(of.limitBytes)) row[Detail.limitBytes] = of.limitBytes;
    if (of.minBytes !== undefined) row[Detail.minBytes] = of.minBytes;
    if (of.lowBytes !== undefined) row[Detail.lowBytes] = of.lowBytes;
    return row;
  }
}

/** A donor that was itself lent something stands above its own limit by it. */
function lentTo(cgroup: SimulatedCgroup): number {
  return Number.isNaN(cgroup.lastRaiseUs) ? 0 : Number.POSITIVE_INFINITY;
}

function identityOf({ number, path }: SimulatedCgroup): CgroupIdentity {
  return { number, path, inode: number, onlyAncestor: false };
}
