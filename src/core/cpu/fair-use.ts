import type { FairUsePolicy } from "../policy/resources.ts";
import type { ResourceChange, ResourceReport } from "../resources/report.ts";
import type { Figures } from "../resources/resource.ts";

const US_PER_MS = 1000;
/** Samples that a window is kept in. */
const WINDOW_POINTS = 30;
/** A release that did not come about is tried again after this, where nobody waits for a test. */
const RETRY_US = 60_000_000;
/** Releases are tested at doubling intervals, up to so many doublings: with 5 minutes, one in a month. */
const DOUBLINGS_MAX = 13;

/** CPU time of one cgroup since it was made. */
export interface UsageSample {
  /** Path below the hierarchy's root; and the inode, by which one made anew is another. */
  readonly cgroup: string;
  readonly inode: number;
  readonly usageUs: number;
  /** Processors it is limited to; null: it is not, or that was not looked at. */
  readonly limitCores: number | null;
}

/**
 * - `fair`: within its share. - `above`: above it. - `warned`: above it for `warnMs`, and said so.
 * - `quarantined`: it is given less. - `tested`: it was let go for a time, and is measured.
 */
type Standing = "fair" | "above" | "warned" | "quarantined" | "tested";

export type FairUseOrder =
  | {
      readonly kind: "quarantine";
      readonly cgroup: string;
      readonly cores: number;
      readonly why: string;
      readonly numbers: Figures;
    }
  | { readonly kind: "release"; readonly cgroup: string; readonly why: string; readonly numbers: Figures };

interface Account {
  readonly cgroup: string;
  readonly inode: number;
  standing: Standing;
  sinceUs: number;
  /** Points of time and usage, oldest first, the first at or before the window's begin. */
  timesUs: number[];
  usagesUs: number[];
  lastUsageUs: number;
  lastTimeUs: number;
  /** Doublings of the time until the next test. */
  doublings: number;
  /** When the measuring of a test began, and the usage then. */
  measuredFromUs: number;
  measuredFromUsageUs: number;
  /** Use at the last look, processors. NaN: not known yet. */
  cores: number;
  /** The policy no longer names it: it is let go, and forgotten. */
  leaving: boolean;
  /** The last release did not come about. */
  refused: boolean;
}

/** How a cgroup stands, for `plimsoll status`. */
interface FairUseFigure {
  readonly cgroup: string;
  readonly standing: Standing;
  readonly cores: number | null;
}

/**
 * Fair use: cgroups that use more processors than their share for long are given less, and tested at doubling
 * intervals. A machine of states for each cgroup; pure: times and usages in, changes and orders out. At most one order is
 * under way, so what comes due meanwhile waits.
 */
export class FairUse {
  readonly #accounts = new Map<string, Account>();
  readonly #recognises: boolean;
  /** What was ordered and is not yet reported. */
  #ordered: { readonly id: string; readonly kind: FairUseOrder["kind"]; readonly account: Account } | null =
    null;

  /** @param recognises an earlier life of this thread may have put cgroups in quarantine: their limit tells */
  constructor(recognises: boolean) {
    this.#recognises = recognises;
  }

  get inFlight(): string | null {
    return this.#ordered?.id ?? null;
  }

  /** Takes in what all followed cgroups have used; who is missing is gone. */
  take(samples: readonly UsageSample[], nowUs: number, policy: FairUsePolicy | null): ResourceChange[] {
    const changes: ResourceChange[] = [];
    const seen = new Set<string>();
    for (const sample of samples) {
      seen.add(sample.cgroup);
      const account = this.#accountOf(sample, nowUs, policy, changes);
      note(account, sample.usageUs, nowUs, policy);
      if (policy !== null) judge(account, nowUs, policy, changes);
    }
    for (const [cgroup, account] of this.#accounts) {
      if (!seen.has(cgroup)) this.#forget(account, nowUs, changes);
    }
    return changes;
  }

  /** Who is named no longer, by a policy that was read anew, is let go. */
  leave(isNamed: (cgroup: string) => boolean): void {
    for (const account of this.#accounts.values()) account.leaving = !isNamed(account.cgroup);
  }

  /** What is due now, if anything is. @param nextId is asked for an id only then */
  next(
    nowUs: number,
    policy: FairUsePolicy | null,
    nextId: () => string,
  ): (FairUseOrder & { readonly id: string }) | null {
    if (this.#ordered !== null) return null;
    const due = [...this.#accounts.values()]
      .filter((account) => isDue(account, nowUs, policy))
      // Who has waited longest; of those equal the first by name: the same whatever the order they are kept in.
      .sort((a, b) => a.sinceUs - b.sinceUs || (a.cgroup < b.cgroup ? -1 : 1));
    const [account] = due;
    if (account === undefined) return null;
    const order = orderFor(account, policy);
    const id = nextId();
    this.#ordered = { id, kind: order.kind, account };
    return { ...order, id };
  }

  /**
   * A report from the lane: of what was ordered; or of what an earlier life of the guard had ordered and the journal
   * still holds, which is recognised as a quarantine.
   */
  report(report: ResourceReport, nowUs: number): ResourceChange[] {
    const ordered = this.#ordered;
    if (ordered === null || ordered.id !== report.id) return this.#recognise(report, nowUs);
    this.#ordered = null;
    const { account, kind } = ordered;
    const done = report.outcome === "done" || report.outcome === "released";
    const changes: ResourceChange[] = [];
    if (kind === "quarantine") this.#quarantined(account, done, nowUs, changes);
    else this.#released(account, done, nowUs, changes);
    return changes;
  }

  /** Cgroups that are in quarantine, or let go only for a test. */
  get held(): readonly string[] {
    return [...this.#accounts.values()].filter(isHeld).map(({ cgroup }) => cgroup);
  }

  figures(): FairUseFigure[] {
    return [...this.#accounts.values()].map(({ cgroup, standing, cores }) => {
      return { cgroup, standing, cores: Number.isFinite(cores) ? cores : null };
    });
  }

  #accountOf(
    sample: UsageSample,
    nowUs: number,
    policy: FairUsePolicy | null,
    changes: ResourceChange[],
  ): Account {
    const known = this.#accounts.get(sample.cgroup);
    if (known !== undefined && known.inode === sample.inode) return known;
    if (known !== undefined) this.#forget(known, nowUs, changes);
    const account: Account = {
      cgroup: sample.cgroup,
      inode: sample.inode,
      standing: "fair",
      sinceUs: nowUs,
      timesUs: [],
      usagesUs: [],
      lastUsageUs: Number.NaN,
      lastTimeUs: Number.NaN,
      doublings: 0,
      measuredFromUs: Number.NaN,
      measuredFromUsageUs: Number.NaN,
      cores: Number.NaN,
      leaving: false,
      refused: false,
    };
    this.#accounts.set(sample.cgroup, account);
    if (this.#recognises && policy !== null && isQuarantine(sample.limitCores, policy))
      changes.push(...recognise(account, nowUs));
    return account;
  }

  #forget(account: Account, nowUs: number, changes: ResourceChange[]): void {
    this.#accounts.delete(account.cgroup);
    end(account, nowUs, changes);
  }

  #quarantined(account: Account, done: boolean, nowUs: number, changes: ResourceChange[]): void {
    account.sinceUs = nowUs;
    if (!this.#isKnown(account)) return;
    if (done) {
      // A test that was failed leaves the level as it was: it has not ended.
      if (account.standing === "tested") account.doublings = Math.min(account.doublings + 1, DOUBLINGS_MAX);
      else changes.push(change(account, "critical", "began", nowUs));
      account.standing = "quarantined";
      restart(account);
    } else if (account.standing === "tested") {
      // It is not held, whatever was meant: so it is above its share, and was warned.
      changes.push(change(account, "critical", "ended", nowUs));
      account.standing = "warned";
    }
    // Else it stays warned, and comes due again after the same time.
  }

  #released(account: Account, done: boolean, nowUs: number, changes: ResourceChange[]): void {
    account.sinceUs = nowUs;
    if (!this.#isKnown(account)) return;
    account.refused = !done;
    if (!done) {
      account.doublings = Math.min(account.doublings + 1, DOUBLINGS_MAX);
      return;
    }
    if (account.leaving) {
      end(account, nowUs, changes);
      this.#accounts.delete(account.cgroup);
      return;
    }
    account.standing = "tested";
    account.measuredFromUs = Number.NaN;
  }

  /** It may be gone, or made anew, since it was acted on. */
  #isKnown(account: Account): boolean {
    return this.#accounts.get(account.cgroup) === account;
  }

  #recognise(report: ResourceReport, nowUs: number): ResourceChange[] {
    const account = this.#accounts.get(report.subject);
    const held = report.verb === "quarantine" && report.outcome === "done" && report.resource === "cpu";
    return account === undefined || !held || isHeld(account) ? [] : recognise(account, nowUs);
  }
}

/** To the kernel a quota is in whole microseconds of a period: hardly ever the very number. */
function isQuarantine(limitCores: number | null, { quarantineCores }: FairUsePolicy): boolean {
  return limitCores !== null && Math.abs(limitCores - quarantineCores) <= 0.01 * quarantineCores;
}

function recognise(account: Account, nowUs: number): ResourceChange[] {
  const began = (["warning", "critical"] as const).filter(
    (level) => level === "critical" || account.standing !== "warned",
  );
  account.standing = "quarantined";
  account.sinceUs = nowUs;
  restart(account);
  return began.map((level) => change(account, level, "began", nowUs));
}

function isHeld({ standing }: Account): boolean {
  return standing === "quarantined" || standing === "tested";
}

/** Keeps the window's points, and what is used on average over it. */
function note(account: Account, usageUs: number, nowUs: number, policy: FairUsePolicy | null): void {
  if (usageUs < account.lastUsageUs) restart(account);
  const windowUs = (policy?.windowMs ?? 0) * US_PER_MS;
  const { timesUs, usagesUs } = account;
  const newest = timesUs.at(-1);
  if (newest === undefined || nowUs - newest >= windowUs / WINDOW_POINTS) {
    timesUs.push(nowUs);
    usagesUs.push(usageUs);
  }
  while (timesUs.length > 2 && nowUs - (timesUs[1] as number) >= windowUs) {
    timesUs.shift();
    usagesUs.shift();
  }
  const elapsedUs = nowUs - (timesUs[0] as number);
  account.cores = elapsedUs > 0 ? (usageUs - (usagesUs[0] as number)) / elapsedUs : Number.NaN;
  account.lastUsageUs = usageUs;
  account.lastTimeUs = nowUs;
}

function restart(account: Account): void {
  account.timesUs = [];
  account.usagesUs = [];
}

/** Whether a whole window is known, and the cgroup was above its share in it. */
function isAbove(account: Account, nowUs: number, policy: FairUsePolicy): boolean {
  const [oldestUs] = account.timesUs;
  const whole = oldestUs !== undefined && nowUs - oldestUs >= policy.windowMs * US_PER_MS;
  return whole && account.cores > policy.cores;
}

function judge(account: Account, nowUs: number, policy: FairUsePolicy, changes: ResourceChange[]): void {
  if (account.leaving || account.standing === "quarantined") return;
  if (account.standing === "tested") return measure(account, nowUs, policy, changes);
  if (!isAbove(account, nowUs, policy)) {
    if (account.standing === "fair") return;
    end(account, nowUs, changes);
    account.standing = "fair";
    account.sinceUs = nowUs;
  } else if (account.standing === "fair") {
    account.standing = "above";
    account.sinceUs = nowUs;
  } else if (account.standing === "above" && nowUs - account.sinceUs >= policy.warnMs * US_PER_MS) {
    account.standing = "warned";
    account.sinceUs = nowUs;
    changes.push(change(account, "warning", "began", nowUs));
  }
}

/** A test: from the first look after the release on, for so long. Who behaves is free, and its past forgotten. */
function measure(account: Account, nowUs: number, policy: FairUsePolicy, changes: ResourceChange[]): void {
  if (Number.isNaN(account.measuredFromUs)) {
    account.measuredFromUs = nowUs;
    account.measuredFromUsageUs = account.lastUsageUs;
    return;
  }
  const elapsedUs = nowUs - account.measuredFromUs;
  if (!(elapsedUs > 0)) return;
  account.cores = (account.lastUsageUs - account.measuredFromUsageUs) / elapsedUs;
  if (elapsedUs < policy.measureMs * US_PER_MS || account.cores > policy.cores) return;
  end(account, nowUs, changes);
  account.standing = "fair";
  account.sinceUs = nowUs;
  account.doublings = 0;
  restart(account);
}

function isDue(account: Account, nowUs: number, policy: FairUsePolicy | null): boolean {
  const waitedUs = nowUs - account.sinceUs;
  if (account.leaving || policy === null)
    return isHeld(account) && (!account.refused || waitedUs >= RETRY_US);
  switch (account.standing) {
    case "warned":
      return waitedUs >= policy.quarantineMs * US_PER_MS;
    case "quarantined":
      return waitedUs >= policy.releaseMs * US_PER_MS * 2 ** account.doublings;
    case "tested":
      return nowUs - account.measuredFromUs >= policy.measureMs * US_PER_MS && account.cores > policy.cores;
    default:
      return false;
  }
}

function orderFor(account: Account, policy: FairUsePolicy | null): FairUseOrder {
  const { cgroup, standing } = account;
  const numbers = { cores: Number.isFinite(account.cores) ? account.cores : null };
  if (account.leaving || policy === null)
    return { kind: "release", cgroup, numbers, why: "the policy no longer names it for fair use" };
  const shared = { ...numbers, shareCores: policy.cores };
  const used = `it used ${account.cores.toFixed(2)} processors, its share is ${policy.cores}`;
  if (standing === "quarantined") {
    const why = `it has been in quarantine for ${(policy.releaseMs * 2 ** account.doublings) / 1000} s: whether it behaves is tested for ${policy.measureMs / 1000} s`;
    return { kind: "release", cgroup, numbers: shared, why };
  }
  const why =
    standing === "tested"
      ? `let go for a test, ${used}`
      : `${used}, for ${(policy.warnMs + policy.quarantineMs) / 1000} s`;
  return { kind: "quarantine", cgroup, cores: policy.quarantineCores, numbers: shared, why };
}

/** What was begun of its levels ends. */
function end(account: Account, nowUs: number, changes: ResourceChange[]): void {
  if (isHeld(account)) changes.push(change(account, "critical", "ended", nowUs));
  if (isHeld(account) || account.standing === "warned")
    changes.push(change(account, "warning", "ended", nowUs));
}

function change(
  account: Account,
  level: "warning" | "critical",
  what: "began" | "ended",
  atUs: number,
): ResourceChange {
  const cores = Number.isFinite(account.cores) ? Math.round(account.cores * 1000) / 1000 : null;
  return { resource: "cpu", subject: account.cgroup, level, change: what, atUs, numbers: { cores } };
}
