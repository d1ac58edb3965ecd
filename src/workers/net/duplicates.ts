import path from "node:path";
import type { NetPolicy } from "../../core/policy/resources.ts";
import type { Link } from "../../core/net/links.ts";
import { macText } from "../../core/net/mac.ts";
import { nameMatcher, namedExplicitly } from "../../core/net/names.ts";
import type { Finding } from "../../core/net/neighbours.ts";
import { onProbation, PROBATION_MS, putDown, type Trial } from "../../core/net/retest.ts";
import type { ResourceReport } from "../../core/resources/report.ts";
import { monotonicUs, overNow } from "../common/clock.ts";
import type { WorkerContext } from "../common/worker.ts";
import { LeverJournal } from "../lane/lever-journal.ts";
import { dropForgotten, keepForgotten, restoreForgotten } from "./forgotten-files.ts";
import type { LinkWatch } from "./link-watch.ts";
import type { Reach } from "./reach.ts";

/** The same duplicate is not told of oftener. */
const AGAIN_MS = 60_000;
const US_PER_MS = 1000;

interface Episode {
  name: string;
  heardMs: number;
  saidMs: number;
  /** Null: it was not put down, or is down for good. */
  trial: Trial | null;
  /** The kernel has told that it is down: up after that is somebody else's doing. */
  seenDown: boolean;
  /** Its entry in the journal; 0: none. */
  entry: number;
}

type Did = Pick<ResourceReport, "verb" | "outcome" | "why" | "steps">;

/** What was done, and what is remembered of it. */
interface Answer extends Did {
  readonly trial: Trial | null;
  readonly entry: number;
  readonly down: boolean;
}

/** What is done about duplicates of local interfaces: at once, here, with nobody asked. */
export class Duplicates {
  readonly #context: WorkerContext;
  readonly #links: LinkWatch;
  readonly #reach: Reach;
  /** Of the journals; null: nothing is put down for a time. */
  readonly #directory: string | null;
  readonly #journal: LeverJournal | null;
  readonly #episodes = new Map<number, Episode>();
  #policy: NetPolicy;
  #dryRun: boolean;
  #never: (name: string) => boolean;
  #count = 0;

  constructor(context: WorkerContext, links: LinkWatch, reach: Reach) {
    const { policy, leversDirectory } = context.start;
    this.#context = context;
    this.#links = links;
    this.#reach = reach;
    this.#policy = policy.net;
    this.#dryRun = policy.dryRun;
    this.#never = nameMatcher(policy.net.never);
    this.#directory = leversDirectory;
    const file = leversDirectory === null ? null : path.join(leversDirectory, "levers-links.journal");
    this.#journal = file === null ? null : LeverJournal.open(file);
    this.#adopt(monotonicUs() / US_PER_MS);
  }

  takePolicy(policy: NetPolicy, dryRun: boolean): void {
    this.#policy = policy;
    this.#dryRun = dryRun;
    this.#never = nameMatcher(policy.never);
    if (policy.duplicate === "retest") return;
    for (const [number, episode] of this.#episodes)
      if (episode.trial !== null) this.#release(number, episode);
  }

  /** When something is to be done next, Infinity: never. */
  get dueMs(): number {
    let due = Number.POSITIVE_INFINITY;
    for (const { trial, heardMs } of this.#episodes.values())
      due = Math.min(due, trial?.dueMs ?? heardMs + this.#policy.expiryMs);
    return due;
  }

  /** @param atUs when the frame was taken from the kernel */
  take(finding: Finding, atUs: number): void {
    const nowMs = atUs / US_PER_MS;
    const link = finding.duplicated ?? finding.heardOn;
    const episode = this.#episodes.get(link.number);
    if (episode !== undefined) {
      episode.heardMs = nowMs;
      // What was still in the socket when it went down.
      if (episode.trial?.phase === "down") return;
      if (episode.trial === null && nowMs - episode.saidMs < AGAIN_MS) return;
    } else {
      this.#level(link.name, "began", atUs);
    }
    const answer = this.#answer(finding, link, nowMs);
    const { trial, entry } = answer;
    const { name } = link;
    this.#episodes.set(link.number, { name, heardMs: nowMs, saidMs: nowMs, trial, seenDown: false, entry });
    this.#report(name, atUs, answer, { before: 1, after: answer.down ? 0 : 1 });
  }

  /** Two who have one IP address: for the record alone. */
  note(finding: Finding, atUs: number): void {
    const other = finding.otherMac === null ? "another" : macText(finding.otherMac);
    const why = `${finding.ip} is claimed by ${macText(finding.mac)} and by ${other} in turn`;
    this.#report(finding.heardOn.name, atUs, { verb: "warn", outcome: "noted", why, steps: [] }, null);
  }

  /** The kernel told of changes: what is gone is forgotten, what somebody else put up is theirs. */
  linksChanged(): void {
    for (const [number, episode] of this.#episodes) {
      const link = this.#links.topology.links.get(number);
      if (link === undefined) this.#forget(number, episode);
      else if (!link.up) episode.seenDown = true;
      // Put down for good, and up again by somebody: what is heard now is another matter, to be acted on at once.
      else if (episode.seenDown && episode.trial === null) this.#over(number, episode);
      else if (episode.seenDown && episode.trial?.phase === "down") {
        this.#close(episode, "left");
        if (this.#directory !== null) restoreForgotten(this.#directory, number);
        this.#said(episode, "somebody else has put it up again", "released");
        this.#episodes.delete(number);
      }
    }
  }

  /** Tries again what is due, and ends what is over. */
  turn(nowMs: number): void {
    for (const [number, episode] of this.#episodes) {
      const { trial } = episode;
      if (trial === null) {
        if (nowMs - episode.heardMs >= this.#policy.expiryMs) this.#over(number, episode);
      } else if (nowMs >= trial.dueMs) {
        if (trial.phase === "down") this.#tryAgain(number, episode, trial, nowMs);
        else this.#passed(number, episode);
      }
    }
  }

  /** What is down for a time does not stay so without a guard. */
  close(): void {
    for (const [number, episode] of this.#episodes) {
      if (episode.trial?.phase === "down") this.#release(number, episode);
    }
  }

  #answer(finding: Finding, link: Link, nowMs: number): Answer {
    const before = this.#episodes.get(link.number);
    const no = { entry: before?.entry ?? 0, trial: before?.trial ?? null, down: false };
    const why = reason(finding);
    const { duplicate } = this.#policy;
    if (duplicate === "log" || finding.duplicated === null)
      return { ...no, verb: "log", outcome: "noted", why, steps: [] };
    const verb = duplicate === "down" ? "down" : "down for a test";
    const spared = this.#spared(link, nowMs);
    if (spared !== null) return { ...no, verb, outcome: "refused", why, steps: [step("spare", spared)] };
    if (this.#dryRun) return { ...no, verb, outcome: "dry-run", why, steps: [] };
    return this.#putDown(link, verb, why, nowMs);
  }

  #spared(link: Link, nowMs: number): string | null {
    if (this.#never(link.name)) return "the policy says never";
    if (namedExplicitly(this.#policy.interfaces, link.name)) return null;
    return this.#reach.why(this.#links.topology, link.number, nowMs);
  }

  #putDown(link: Link, verb: string, why: string, nowMs: number): Answer {
    const before = this.#episodes.get(link.number);
    const forATime = this.#policy.duplicate === "retest";
    let entry = before?.entry ?? 0;
    let trial = before?.trial ?? null;
    if (forATime && entry === 0) {
      const refusal = this.#enter(link);
      if (typeof refusal === "string")
        return { entry, trial, down: false, verb, outcome: "failed", why, steps: [step("journal", refusal)] };
      entry = refusal;
    }
    const beganMs = monotonicUs() / US_PER_MS;
    const refusal = (forATime ? this.#keep(link) : null) ?? this.#links.setUp(link.number, false);
    const endMs = monotonicUs() / US_PER_MS;
    const steps = [
      { what: "down", afterMs: beganMs - nowMs, tookMs: endMs - beganMs, result: refusal ?? "done" },
    ];
    if (refusal !== null) return { entry, trial, down: false, verb, outcome: "failed", why, steps };
    if (forATime) trial = putDown(trial, this.#policy.retestMs, nowMs);
    return { entry, trial, down: true, verb, outcome: "done", why, steps };
  }

  /** Writes down that it will be down for a time. @returns the entry's number, or why it must not be done */
  #enter(link: Link): number | string {
    if (this.#journal === null || !this.#context.board.leversGuarded)
      return "nobody would put it up again if the guard ended: there is no guardian";
    try {
      const number = this.#journal.nextNumber;
      const lever = { kind: "link", ifindex: link.number, interface: link.name } as const;
      this.#journal.set({ number, lever, original: null, before: null });
      return number;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** What would be forgotten of it meanwhile. @returns why it cannot be kept; then it must not be put down */
  #keep({ number }: Link): string | null {
    try {
      if (this.#directory !== null) keepForgotten(this.#directory, number);
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** @returns why it is not up; and what is lacking of it when it is */
  #putUp(number: number): { readonly refusal: string | null; readonly lacking: string | null } {
    const refusal = this.#links.setUp(number, true);
    if (refusal !== null || this.#directory === null) return { refusal, lacking: null };
    return { refusal, lacking: restoreForgotten(this.#directory, number) };
  }

  #tryAgain(number: number, episode: Episode, trial: Trial, nowMs: number): void {
    const { refusal, lacking } = this.#putUp(number);
    episode.trial = onProbation(trial, nowMs);
    const why = `after ${trial.times === 1 ? "a first" : `${trial.times}`} time down it is listened to for ${PROBATION_MS / 1000} s`;
    const steps = [step("up", refusal ?? lacking ?? "done")];
    const outcome = refusal === null ? "done" : "failed";
    this.#report(
      episode.name,
      nowMs * US_PER_MS,
      { verb: "retest", outcome, why, steps },
      { before: 0, after: 1 },
    );
  }

  #passed(number: number, episode: Episode): void {
    this.#close(episode, "done");
    this.#said(episode, "nobody else was heard with its address", "released");
    this.#over(number, episode);
  }

  #over(number: number, episode: Episode): void {
    this.#episodes.delete(number);
    this.#level(episode.name, "ended", monotonicUs());
  }

  /** Puts it up, whatever is heard: the policy does not ask for this any more, or the guard stops. */
  #release(number: number, episode: Episode): void {
    const { refusal, lacking } = this.#putUp(number);
    if (refusal === null) this.#close(episode, "done");
    const why = ["it was down for a test that is not made any more", lacking].filter((each) => each !== null);
    this.#said(episode, why.join("; "), refusal === null ? "released" : "failed");
    this.#over(number, episode);
  }

  #forget(number: number, episode: Episode): void {
    if (this.#directory !== null) dropForgotten(this.#directory, number);
    this.#close(episode, "gone");
    this.#over(number, episode);
  }

  #close(episode: Episode, end: "done" | "left" | "gone"): void {
    if (episode.entry !== 0) this.#journal?.close(episode.entry, end);
    episode.entry = 0;
  }

  /** What an earlier life of this thread has put down is tried again now. */
  #adopt(nowMs: number): void {
    for (const { number, lever } of this.#journal?.held ?? []) {
      if (lever.kind !== "link") continue;
      const trial = { phase: "down", dueMs: nowMs, times: 1 } as const;
      const name = lever.interface;
      const episode = { name, heardMs: nowMs, saidMs: nowMs, trial, seenDown: false, entry: number };
      this.#episodes.set(lever.ifindex, episode);
    }
    this.takePolicy(this.#policy, this.#dryRun);
    this.linksChanged();
  }

  #said(episode: Episode, why: string, outcome: "released" | "failed"): void {
    this.#report(episode.name, monotonicUs(), { verb: "up", outcome, why, steps: [] }, null);
  }

  #level(subject: string, change: "began" | "ended", atUs: number): void {
    const numbers = { duplicates: change === "began" ? 1 : 0 };
    const level = { resource: "net", subject, level: "critical", change, atUs, numbers } as const;
    this.#context.send("recorder", { type: "resource-level", change: level });
  }

  #report(subject: string, atUs: number, did: Did, up: { before: number; after: number } | null): void {
    const report: ResourceReport = {
      ...did,
      id: `${this.#context.start.idPrefix}-net${this.#context.start.epoch}-${++this.#count}`,
      resource: "net",
      subject,
      target: subject,
      victims: [],
      before: up === null ? {} : { up: up.before },
      after: up === null ? {} : { up: up.after },
      candidates: [],
      ...overNow(atUs),
      dryRun: this.#dryRun,
    };
    this.#context.send("recorder", { type: "resource-report", report });
    this.#context.send("analysis", { type: "resource-report", report });
  }
}

const step = (what: string, result: string) => ({ what, afterMs: 0, tookMs: 0, result });

function reason({ what, mac, ip, heardOn, alsoOn }: Finding): string {
  const address = `${macText(mac)}${ip === null ? "" : ` (${ip})`}`;
  if (what === "own-address-outside")
    return `another host has its address ${address}: heard on ${heardOn.name}`;
  return `two hosts have the address ${address}: heard in turn on ${heardOn.name} and ${alsoOn?.name ?? "another port"}`;
}
