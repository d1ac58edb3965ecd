/**
 * What is known of all followed cgroups: out of the rings of the cgroup sampler, and of what the rescue thread says it
 * did. Changed by what comes in; a plan is made from it (plan.ts). Times are CLOCK_MONOTONIC.
 */
import { type CgroupIdentity, Detail, Usage } from "../cgroups/columns.ts";
import { LiveStatistics } from "../statistics/live.ts";
import { Followed } from "./followed.ts";
import { Loans } from "./loans.ts";
import { OrderBook } from "./order-book.ts";
import type { OutstandingLimit, RescueReport, ReturnReport } from "./report.ts";
import type { RescueTerms } from "./terms.ts";
import { arrangeTree } from "./tree.ts";

/**
 * A limit that is not what it was counts as its owner's word when it is seen again after this time: a first look may
 * have been ahead of the rescue thread's report.
 */
const STRANGE_FOR_US = 2_000_000;
/** What was asked to go back and could not is asked for again after this time; after longer, where a write failed. */
const ASK_AGAIN_US = 1_000_000;
const ASK_AGAIN_REFUSED_US = 10_000_000;
/** Waiting for a return doubles up to this, when a rescue soon follows it. */
const PATIENCE_MAX = 16;

export interface Adoption {
  /** Null: the journal has not been heard of yet. */
  readonly limits: readonly OutstandingLimit[] | null;
  /** When it was first waited for; NaN before. */
  sinceUs: number;
  /** What was told since, to be taken in after what the journal says. */
  readonly later: (() => void)[];
}

export class RescueState {
  readonly cgroups: ReadonlyMap<number, Followed>;
  readonly loans: Loans;
  readonly book = new OrderBook();
  readonly #cgroups = new Map<number, Followed>();
  readonly #byPath = new Map<string, Followed>();
  #terms: RescueTerms;
  #treeIsOld = false;
  #crowdedSaid = false;
  /** What the journal says is lent and nobody has taken into the books (adopt.ts). Null: nothing. */
  adoption: Adoption | null = null;

  /**
   * @param awaitsOutstanding loans may be out from before a restart: nothing is ordered before {@link outstanding} was
   *   called, or ten seconds have passed
   */
  constructor(terms: RescueTerms, awaitsOutstanding = false) {
    this.cgroups = this.#cgroups;
    this.loans = new Loans(this.#cgroups);
    this.#terms = terms;
    if (awaitsOutstanding) this.adoption = { limits: null, sinceUs: Number.NaN, later: [] };
  }

  get terms(): RescueTerms {
    return this.#terms;
  }

  /** A policy that was read anew. With another half-life the statistics begin anew. */
  adopt(terms: RescueTerms): void {
    const halfLifeUs = terms.cgroups.halfLifeMs * 1000;
    const forget = terms.cgroups.halfLifeMs !== this.#terms.cgroups.halfLifeMs;
    this.#terms = terms;
    for (const cgroup of this.#cgroups.values()) {
      if (forget) cgroup.statistics = new LiveStatistics(halfLifeUs);
      this.#judge(cgroup);
    }
  }

  /** Message `cgroups` of the sampler. */
  identities(appeared: readonly CgroupIdentity[], gone: readonly number[]): void {
    for (const number of gone) this.#remove(number);
    for (const identity of appeared) {
      // Told again for somebody else who was restarted: what is known of it stays.
      if (this.#cgroups.get(identity.number)?.path === identity.path) continue;
      const cgroup = new Followed(identity, this.#terms.cgroups.halfLifeMs * 1000);
      this.#cgroups.set(cgroup.number, cgroup);
      this.#byPath.set(cgroup.path, cgroup);
      this.#judge(cgroup);
    }
    this.#treeIsOld = true;
  }

  /** A row of the usage ring ({@link Usage}). */
  usage(frame: Float64Array): void {
    const cgroup = this.#cgroups.get(frame[Usage.cgroup] as number);
    // What is lent from before a restart is not in the books yet.
    const learn = this.adoption === null;
    cgroup?.sample(frame[Usage.timeUs] as number, frame[Usage.usageBytes] as number, learn);
  }

  /** A row of the detail ring ({@link Detail}). */
  detail(frame: Float64Array): void {
    const cgroup = this.#cgroups.get(frame[Detail.cgroup] as number);
    if (cgroup === undefined) return;
    const limitBytes = frame[Detail.limitBytes] as number;
    // No limit is null; so is all of a cgroup that was just removed, of which nothing is learned.
    if (Number.isNaN(limitBytes) && Number.isNaN(frame[Detail.anonBytes] as number)) return;
    cgroup.minBytes = knownOrNone(frame[Detail.minBytes] as number);
    cgroup.lowBytes = knownOrNone(frame[Detail.lowBytes] as number);
    this.#limitSeen(
      cgroup,
      frame[Detail.timeUs] as number,
      Number.isNaN(limitBytes) ? Number.POSITIVE_INFINITY : limitBytes,
    );
  }

  /** Message `rescue`: what the rescue thread did. */
  report(report: RescueReport): void {
    if (this.adoption !== null) return void this.adoption.later.push(() => this.report(report));
    this.book.forget();
    const cgroup = this.#cgroups.get(report.number);
    if (cgroup !== undefined && report.wokenUs > cgroup.usageUs && report.usageBytes >= 0) {
      cgroup.usageBytes = report.usageBytes;
    }
    if (report.outcome === "refused") {
      const untilUs = report.raisedUs + this.#terms.rescue.returnAfterMs * 1000;
      for (const { number } of report.donors) {
        const donor = this.#cgroups.get(number);
        if (donor !== undefined) donor.restsUntilUs = Math.max(donor.restsUntilUs, untilUs);
      }
    }
    if (report.outcome !== "raised") return;
    if (cgroup !== undefined) this.#countRescue(cgroup, report.raisedUs);
    const waitUs = this.waitUs(cgroup);
    const before = cgroup?.lease ?? null;
    this.loans.raised(report, waitUs);
    // What went up meanwhile is no longer unneeded; what is waiting for an answer goes on waiting.
    if (before !== null) before.watchAnew(report.raisedUs, waitUs);
  }

  /** Message `returned`: what became of a LeaseReturn. */
  returned(report: ReturnReport): void {
    if (this.adoption !== null) return void this.adoption.later.push(() => this.returned(report));
    const againUs =
      report.outcome === "returned"
        ? report.timeUs
        : report.timeUs + (report.outcome === "waits" ? ASK_AGAIN_US : ASK_AGAIN_REFUSED_US);
    const cgroup = this.#cgroups.get(report.number);
    if (cgroup !== undefined && report.returnedBytes > 0 && report.why === "unneeded") {
      cgroup.returnedUs = report.timeUs;
    }
    this.loans.returned(report, againUs);
  }

  /**
   * Message `outstanding`: all that is lent, as the journal has it at this point among the rescue thread's messages. It
   * takes the place of what the books say; the next plans take it over (adopt.ts).
   */
  outstanding(limits: readonly OutstandingLimit[]): void {
    this.loans.clear();
    for (const cgroup of this.#cgroups.values()) cgroup.reducedBytes = 0;
    this.adoption = limits.length === 0 ? null : { limits, sinceUs: Number.NaN, later: [] };
  }

  /** The statistics of a cgroup; null when it is not followed. */
  statistics(number: number): LiveStatistics | null {
    return this.#cgroups.get(number)?.statistics ?? null;
  }

  /** Its limit is not its owner's at the moment, as receiver or as donor: samples of it are kept apart. */
  rescueActive(number: number): boolean {
    return this.#cgroups.get(number)?.inRescue ?? false;
  }

  /** For how long what a cgroup was lent must have been unneeded before it goes back. */
  waitUs(cgroup: Followed | undefined): number {
    return this.#terms.rescue.returnAfterMs * 1000 * (cgroup?.patience ?? 1);
  }

  byPath(path: string): Followed | undefined {
    return this.#byPath.get(path);
  }

  /** There are more receivers than places: said when it begins, and not again while it lasts. */
  sayOnce(crowded: boolean, text: string): string[] {
    const news = crowded && !this.#crowdedSaid;
    this.#crowdedSaid = crowded;
    return news ? [text] : [];
  }

  /** Brings parents and places in the tree up to date. */
  arrange(): void {
    if (!this.#treeIsOld) return;
    arrangeTree(this.#byPath);
    this.#treeIsOld = false;
  }

  #judge(cgroup: Followed): void {
    const { mayReceive, mayGive, cgroups } = this.#terms;
    cgroup.mayReceive = mayReceive(cgroup.path);
    cgroup.mayGive = mayGive(cgroup.path);
    cgroup.calibration = Object.hasOwn(cgroups.calibration, cgroup.path)
      ? (cgroups.calibration[cgroup.path] ?? null)
      : null;
  }

  #remove(number: number): void {
    const cgroup = this.#cgroups.get(number);
    if (cgroup === undefined) return;
    this.loans.forgetDonor(cgroup);
    this.loans.close(cgroup, "receiver-gone", cgroup.usageUs);
    this.#cgroups.delete(number);
    if (this.#byPath.get(cgroup.path) === cgroup) this.#byPath.delete(cgroup.path);
    this.#treeIsOld = true;
  }

  #limitSeen(cgroup: Followed, timeUs: number, limitBytes: number): void {
    if (timeUs <= cgroup.limitUs) return;
    const ours = cgroup.mayReceive || cgroup.mayGive || cgroup.inRescue;
    if (!ours || Number.isNaN(cgroup.limitBytes) || limitBytes === cgroup.limitBytes) {
      cgroup.limitIs(limitBytes, timeUs);
    } else if (limitBytes !== cgroup.strangeBytes) {
      cgroup.strangeBytes = limitBytes;
      cgroup.strangeSinceUs = timeUs;
    } else if (timeUs - cgroup.strangeSinceUs >= STRANGE_FOR_US) {
      // It is not known what of it was lent: what its owner wrote stands.
      this.loans.forgetDonor(cgroup);
      this.loans.close(cgroup, "limit-changed", timeUs);
      cgroup.limitIs(limitBytes, timeUs);
      cgroup.rescueEnded(timeUs);
    }
  }

  #countRescue(cgroup: Followed, timeUs: number): void {
    const sinceUs = timeUs - this.#terms.rescue.rescuesWithinMs * 1000;
    while (cgroup.rescuesUs.length > 0 && (cgroup.rescuesUs[0] as number) <= sinceUs)
      cgroup.rescuesUs.shift();
    cgroup.rescuesUs.push(timeUs);
    const sinceReturnUs = timeUs - cgroup.returnedUs;
    const waitUs = this.waitUs(cgroup);
    if (sinceReturnUs < waitUs) cgroup.patience = Math.min(PATIENCE_MAX, cgroup.patience * 2);
    else if (sinceReturnUs > 4 * waitUs && Number.isFinite(sinceReturnUs)) cgroup.patience = 1;
    // One return teaches once.
    cgroup.returnedUs = Number.NEGATIVE_INFINITY;
  }
}

function knownOrNone(bytes: number): number {
  return bytes > 0 ? bytes : 0;
}
