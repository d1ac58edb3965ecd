import { NET_COLUMNS } from "../../core/net/columns.ts";
import { RatesState, type RatesTerms } from "../../core/net/rates.ts";
import type { Message } from "../../core/messages.ts";
import type { Policy } from "../../core/policy/policy.ts";
import type { ResourceReport, ResourceStatus } from "../../core/resources/report.ts";
import { RingReader } from "../../core/ring/reader.ts";
import { monotonicUs } from "../common/clock.ts";
import type { WorkerContext } from "../common/worker.ts";
import type { ResourceAnalysis } from "./resource-analysis.ts";

/** What was done about duplicates is remembered for so many interfaces. */
const TOLD_MAX = 256;

/** The analysis's part for interfaces: rates in, squeezes out. Duplicate addresses are the net thread's own matter. */
export class NetAnalysis implements ResourceAnalysis {
  readonly walkIntervalMs = 0;
  readonly #context: WorkerContext;
  readonly #rows: RingReader;
  readonly #frame = new Float64Array(NET_COLUMNS.length);
  readonly #state: RatesState;
  /** Of the net thread: by interface, what it did last, and whether it stands so. */
  readonly #told = new Map<string, ResourceStatus>();
  #enabled: boolean;
  #prepared = false;
  #stale = true;

  constructor(context: WorkerContext) {
    const { start } = context;
    this.#context = context;
    this.#enabled = start.policy.net.enabled;
    this.#rows = new RingReader(start.resourceRings.net);
    this.#state = new RatesState(termsOf(start.policy), `${start.idPrefix}-${start.epoch}`);
    if (start.epoch > 1 && start.policy.net.enabled && start.policy.net.rates !== null) {
      const action = this.#state.releaseAll(monotonicUs());
      context.send("net-lane", { type: "resource-act", action });
    }
  }

  turn(nowUs: number): void {
    let fresh = false;
    while (this.#rows.next(this.#frame)) {
      this.#state.row(this.#frame);
      fresh = true;
    }
    if (!fresh && !this.#stale) return;
    this.#stale = false;
    const { changes, action } = this.#state.step(nowUs);
    for (const change of changes) this.#context.send("recorder", { type: "resource-level", change });
    if (this.#state.near && !this.#prepared)
      this.#context.send("net-lane", { type: "prepare", resource: "net" });
    this.#prepared = this.#state.near;
    if (action !== null) this.#context.send("net-lane", { type: "resource-act", action });
  }

  take(message: Message): boolean {
    if (message.type === "names" && message.resource === "net") {
      this.#state.names(message.appeared, message.gone);
    } else if (message.type === "resource-report" && message.report.resource === "net") {
      this.#state.take(message.report, monotonicUs());
      this.#tell(message.report);
    } else return false;
    this.#stale = true;
    return true;
  }

  takePolicy(policy: Policy): void {
    this.#enabled = policy.net.enabled;
    this.#state.adopt(termsOf(policy));
    this.#stale = true;
  }

  takeWalk(): void {}

  status(): readonly ResourceStatus[] {
    if (!this.#enabled) return [];
    const rates = this.#state.status();
    const sampled = new Set(rates.map(({ subject }) => subject));
    const told = [...this.#told.values()].filter(({ subject }) => !sampled.has(subject));
    const all = rates.map((each) => {
      const duplicate = this.#told.get(each.subject);
      return duplicate === undefined || each.lastAction !== null
        ? each
        : { ...each, level: duplicate.level, lastAction: duplicate.lastAction };
    });
    return all.length + told.length === 0 ? [NOTHING] : [...all, ...told];
  }

  /** Reports of the net thread: an interface that it has put down, or would have, stands so until it says otherwise. */
  #tell({ subject, verb, target, outcome, wallMs, after }: ResourceReport): void {
    const over = outcome === "released" || verb === "warn";
    if (!this.#told.has(subject) && this.#told.size >= TOLD_MAX) return;
    this.#told.set(subject, {
      resource: "net",
      subject,
      level: over ? "none" : "critical",
      numbers: after,
      timeToExhaustionMs: null,
      lastAction: { verb, target, outcome, wallMs },
    });
  }
}

const NOTHING: ResourceStatus = {
  resource: "net",
  subject: "host",
  level: "none",
  numbers: {},
  timeToExhaustionMs: null,
  lastAction: null,
};

function termsOf({ net, dryRun }: Policy): RatesTerms {
  return { policy: net.enabled ? net.rates : null, never: net.never, dryRun };
}
