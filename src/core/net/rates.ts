import type { RatesPolicy } from "../policy/resources.ts";
import type { ResourceChange, ResourceReport, ResourceStatus } from "../resources/report.ts";
import type { Figures, NamedThing } from "../resources/resource.ts";
import type { NetAction, NetOrder } from "./action.ts";
import { Rate, RateAverage } from "./average.ts";
import { Net } from "./columns.ts";
import { nameMatcher } from "./names.ts";

const US_PER_MS = 1000;
/** After a refusal it is not tried again before this. */
const REFUSED_US = 60_000_000;
const DOUBLINGS_MAX = 6;

export interface RatesTerms {
  /** Null: no interface is to be squeezed, and what is imposed is taken back. */
  readonly policy: RatesPolicy | null;
  /** Patterns of interfaces that are never touched. */
  readonly never: readonly string[];
  readonly dryRun: boolean;
}

interface Squeezed {
  readonly number: number;
  name: string;
  readonly average: RateAverage;
  /** How many steps were taken: 0 is none, k is the k-th of the policy. */
  step: number;
  /** When it was put down; NaN: it was not. */
  downUs: number;
  /** How often it was put down. */
  downs: number;
  /** When the last step was taken, or tried. */
  steppedUs: number;
  /** Since when it has been far below its limits; NaN: it is not. */
  calmUs: number;
  notBeforeUs: number;
  level: boolean;
  last: ResourceStatus["lastAction"];
}

/** What is under way: where the interface is when it is done. */
interface Pending {
  readonly id: string;
  readonly number: number;
  readonly step: number;
  readonly down: boolean;
}

export interface RatesOutcome {
  readonly changes: readonly ResourceChange[];
  readonly action: NetAction | null;
}

/**
 * Interfaces that send too much, and the ladder they are squeezed by: a step each `stepMs` while the average is above a
 * limit, one back after each `relaxMs` below half of both. Pure: rows, names, reports and the time in, actions out.
 */
export class RatesState {
  readonly #interfaces = new Map<number, Squeezed>();
  readonly #names = new Map<number, string>();
  readonly #idPrefix: string;
  #terms: RatesTerms;
  #wanted: (name: string) => boolean = () => false;
  #pending: Pending | null = null;
  #count = 0;

  constructor(terms: RatesTerms, idPrefix: string) {
    this.#terms = terms;
    this.#idPrefix = idPrefix;
    this.adopt(terms);
  }

  /** Whether a step may come soon, so that the lane should stand ready. */
  get near(): boolean {
    return [...this.#interfaces.values()].some(({ level, step }) => level || step > 0);
  }

  adopt(terms: RatesTerms): void {
    this.#terms = terms;
    const [wanted, never] = [nameMatcher(terms.policy?.interfaces ?? []), nameMatcher(terms.never)];
    this.#wanted = (name) => wanted(name) && !never(name);
  }

  names(appeared: readonly NamedThing[], gone: readonly number[]): void {
    for (const number of gone) {
      this.#names.delete(number);
      this.#interfaces.delete(number);
    }
    for (const { number, name } of appeared) {
      this.#names.set(number, name);
      const known = this.#interfaces.get(number);
      if (known !== undefined) known.name = name;
    }
  }

  row(frame: Float64Array): void {
    const number = frame[Net.interface] as number;
    const name = this.#names.get(number);
    const { policy } = this.#terms;
    if (name === undefined || policy === null || !this.#wanted(name)) return;
    let known = this.#interfaces.get(number);
    if (known === undefined) {
      known = begin(number, name);
      this.#interfaces.set(number, known);
    }
    known.average.take(frame, policy.window);
  }

  step(nowUs: number): RatesOutcome {
    const changes: ResourceChange[] = [];
    let action: NetAction | null = null;
    for (const each of this.#interfaces.values()) {
      const change = this.#judge(each, nowUs);
      if (change !== null) changes.push(change);
      if (this.#pending === null && action === null) action = this.#decide(each, nowUs);
    }
    return { changes, action };
  }

  /** What an analysis before this one imposed, this one would never take back. */
  releaseAll(nowUs: number): NetAction {
    return this.#order(
      { number: 0, name: "host" },
      { do: "release-all" },
      "what an earlier life imposed is not known any more",
      {},
      nowUs,
    );
  }

  take(report: ResourceReport, nowUs: number): void {
    const pending = this.#pending;
    if (pending === null || pending.id !== report.id) return;
    this.#pending = null;
    const known = this.#interfaces.get(pending.number);
    if (known === undefined) return;
    const { verb, target, outcome, wallMs } = report;
    known.last = { verb, target, outcome, wallMs };
    known.average.restart();
    known.calmUs = Number.NaN;
    known.steppedUs = nowUs;
    if (outcome !== "done" && outcome !== "released" && outcome !== "partly") {
      known.notBeforeUs = nowUs + REFUSED_US;
      return;
    }
    known.step = pending.step;
    if (pending.down) known.downs++;
    known.downUs = pending.down ? nowUs : Number.NaN;
  }

  status(): ResourceStatus[] {
    return [...this.#interfaces.values()].map((each) => ({
      resource: "net",
      subject: each.name,
      level: each.level ? "critical" : "none",
      numbers: figuresOf(each),
      timeToExhaustionMs: null,
      lastAction: each.last,
    }));
  }

  #judge(each: Squeezed, nowUs: number): ResourceChange | null {
    const { policy } = this.#terms;
    const settled = policy !== null && each.average.settled(policy.window);
    const over = settled && isOver(each, policy.bytesPerSecond, policy.packetsPerSecond);
    const calm = !settled || !isOver(each, policy.bytesPerSecond / 2, policy.packetsPerSecond / 2);
    if (!calm || !settled) each.calmUs = settled ? Number.NaN : each.calmUs;
    else if (Number.isNaN(each.calmUs)) each.calmUs = nowUs;
    const held = each.step > 0 || !Number.isNaN(each.downUs);
    const level = over || held || (each.level && !calm);
    if (level === each.level || (each.level && !settled && policy !== null)) return null;
    each.level = level;
    return {
      resource: "net",
      subject: each.name,
      level: "critical",
      change: level ? "began" : "ended",
      atUs: nowUs,
      numbers: figuresOf(each),
    };
  }

  #decide(each: Squeezed, nowUs: number): NetAction | null {
    const { policy } = this.#terms;
    if (nowUs < each.notBeforeUs) return null;
    const isDown = !Number.isNaN(each.downUs);
    if (policy === null || !this.#wanted(each.name)) return this.#takeBack(each, isDown, nowUs);
    if (isDown) {
      const waitUs = policy.relaxMs * US_PER_MS * 2 ** Math.min(each.downs - 1, DOUBLINGS_MAX);
      if (nowUs - each.downUs < waitUs) return null;
      return this.#act(each, { do: "up" }, each.step, false, "it was down for its time", nowUs);
    }
    if (!each.average.settled(policy.window)) return null;
    if (policy.down && isOver(each, policy.downBytesPerSecond, policy.downPacketsPerSecond))
      return this.#act(
        each,
        { do: "down" },
        each.step,
        true,
        "it sends more than it may before it is put down",
        nowUs,
      );
    if (isOver(each, policy.bytesPerSecond, policy.packetsPerSecond))
      return this.#squeeze(each, policy, nowUs);
    if (each.step === 0 || !(nowUs - each.calmUs >= policy.relaxMs * US_PER_MS)) return null;
    return this.#to(
      each,
      each.step - 1,
      `it has sent less than half of its limit for ${policy.relaxMs / 1000} s`,
      nowUs,
    );
  }

  #squeeze(each: Squeezed, policy: RatesPolicy, nowUs: number): NetAction | null {
    if (nowUs - each.steppedUs < policy.stepMs * US_PER_MS) return null;
    const sent = each.average.rates[Rate.sentBytes] as number;
    let next = each.step + 1;
    // A rate that it does not reach squeezes nothing; but the packets may be too many at any.
    if (sent >= policy.bytesPerSecond) {
      while (next < policy.steps.length && (policy.steps[next - 1]?.bytesPerSecond ?? 0) >= sent) next++;
    }
    if (next <= policy.steps.length) return this.#to(each, next, "it sends more than its limit", nowUs);
    if (!policy.down) return null;
    return this.#act(
      each,
      { do: "down" },
      each.step,
      true,
      "it sends more than its limit after the last step",
      nowUs,
    );
  }

  #to(each: Squeezed, step: number, why: string, nowUs: number): NetAction {
    const wanted = this.#terms.policy?.steps[step - 1];
    const order: NetOrder = wanted === undefined ? { do: "release" } : { do: "squeeze", ...wanted };
    return this.#act(each, order, wanted === undefined ? 0 : step, false, why, nowUs);
  }

  /** The policy does not ask for it any more. */
  #takeBack(each: Squeezed, isDown: boolean, nowUs: number): NetAction | null {
    const why = "the policy does not ask for it any more";
    if (isDown) return this.#act(each, { do: "up" }, each.step, false, why, nowUs);
    if (each.step > 0) return this.#act(each, { do: "release" }, 0, false, why, nowUs);
    return null;
  }

  #act(each: Squeezed, order: NetOrder, step: number, down: boolean, why: string, nowUs: number): NetAction {
    const action = this.#order(each, order, why, figuresOf(each), nowUs);
    this.#pending = { id: action.id, number: each.number, step, down };
    return action;
  }

  #order(
    { number, name }: { readonly number: number; readonly name: string },
    order: NetOrder,
    why: string,
    numbers: Figures,
    atUs: number,
  ): NetAction {
    const id = `${this.#idPrefix}-rate${++this.#count}`;
    const { dryRun } = this.#terms;
    return { resource: "net", id, subject: name, why, numbers, atUs, dryRun, interface: number, order };
  }
}

function begin(number: number, name: string): Squeezed {
  return {
    number,
    name,
    average: new RateAverage(),
    step: 0,
    downUs: Number.NaN,
    downs: 0,
    steppedUs: Number.NEGATIVE_INFINITY,
    calmUs: Number.NaN,
    notBeforeUs: Number.NEGATIVE_INFINITY,
    level: false,
    last: null,
  };
}

function isOver({ average: { rates } }: Squeezed, bytes: number, packets: number): boolean {
  return (rates[Rate.sentBytes] as number) >= bytes || (rates[Rate.sentPackets] as number) >= packets;
}

function figuresOf({ average: { rates }, step }: Squeezed): Figures {
  const whole = (rate: number): number | null => {
    const value = rates[rate] as number;
    return Number.isNaN(value) ? null : Math.round(value);
  };
  return {
    sentBytesPerSecond: whole(Rate.sentBytes),
    sentPacketsPerSecond: whole(Rate.sentPackets),
    receivedBytesPerSecond: whole(Rate.receivedBytes),
    receivedPacketsPerSecond: whole(Rate.receivedPackets),
    squeezeStep: step,
  };
}
