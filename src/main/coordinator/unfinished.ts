import type { Decision } from "../../core/memory/decision.ts";
import type { Message } from "../../core/messages.ts";
import type { ResourceAction } from "../../core/resources/action.ts";
import type { ResourceReport } from "../../core/resources/report.ts";
import type { WorkerName } from "../../core/shared/board.ts";
import { monotonicUs } from "../../workers/common/clock.ts";
import { NO_ACTION } from "../../workers/common/worker.ts";

type DecisionMessage = Extract<Message, { type: "decision" }>;

/** Decisions are remembered beyond their outcome, in case the recorder fails before it writes that down. */
const REMEMBERED_DECISIONS = 64;

/** What takes back what was imposed: not doing it harms, and doing it twice does not. */
const TAKES_BACK: ReadonlySet<string> = new Set(["undo", "release", "release-all", "up", "resume", "start"]);

interface ResourceAct {
  readonly lane: WorkerName;
  readonly action: ResourceAction;
  /** It was given to a new life of the lane once. */
  again: boolean;
}

/** What is under way, as seen from between the workers: so that a worker's new life can be told what its old one knew. */
export class Unfinished {
  /** The ending action that is under way. */
  #underWay: Decision | null = null;
  /** What lanes have been told to do and have not reported on, by its id. */
  readonly #resourceActs = new Map<string, ResourceAct>();
  readonly #decisions = new Map<string, { readonly message: DecisionMessage; outcomeSent: boolean }>();

  /** Takes note of a message between workers. */
  note(to: WorkerName, message: Message): void {
    if (message.type === "act" && message.decision.verdict === "end") this.#underWay = message.decision;
    if (message.type === "end" && to === "analysis") this.#underWay = null;
    if (message.type === "resource-act") {
      this.#resourceActs.set(message.action.id, {
        lane: to,
        action: message.action,
        again: this.#resourceActs.has(message.action.id),
      });
    }
    if (message.type === "resource-report") this.#resourceActs.delete(message.report.id);
    if (message.type === "decision") this.#noteDecision(message);
    if (message.type !== "outcome") return;
    const decided = this.#decisions.get(message.report.id);
    if (decided !== undefined) decided.outcomeSent = true;
  }

  /**
   * What a worker's new life is to be told first.
   * @param unread letters that its old life did not take; they are delivered after these
   */
  forNewLife(worker: WorkerName, unread: readonly Message[]): Message[] {
    switch (worker) {
      case "action":
        return this.#underWay === null ? [] : [{ type: "act", decision: this.#underWay }];
      case "analysis":
        // Nothing is under way whose end could still come: what the order board says is a dead life's.
        return this.#underWay === null && !unread.some((letter) => letter.type === "end")
          ? [{ type: "end", end: { id: NO_ACTION, outcome: "unknown", victim: null, atUs: monotonicUs() } }]
          : [];
      case "recorder":
        return this.#openDecisions(unread);
      case "memory":
      case "processes":
      case "sentinel":
      case "cgroups":
      case "rescue":
      case "dataset":
      case "host":
      case "net":
      case "vm":
      case "cpu-lane":
      case "disk-lane":
      case "io-lane":
      case "net-lane":
      case "app":
      case "app-lane":
      case "callbacks":
        return [];
    }
  }

  /** What a lane that failed is to do all the same, once more: what was imposed must not stay for that. */
  toTakeBack(lane: WorkerName): ResourceAction[] {
    const acts = [...this.#resourceActs.values()].filter((each) => each.lane === lane && !each.again);
    const due = acts.filter(({ action }) =>
      TAKES_BACK.has(action.resource === "net" ? action.order.do : action.kind),
    );
    for (const act of due) act.again = true;
    return due.map(({ action }) => action);
  }

  /** Reports for a lane that failed before it could make them; each is given once. After {@link toTakeBack}. */
  failedReports(
    lane: WorkerName,
    wallMs: number,
    notThese: readonly ResourceAction[] = [],
  ): ResourceReport[] {
    const failed = [...this.#resourceActs.values()].filter(
      (each) => each.lane === lane && !notThese.includes(each.action),
    );
    for (const { action } of failed) this.#resourceActs.delete(action.id);
    return failed.map(({ action }) => failedReport(action, wallMs));
  }

  /** Only what has an outcome to come: the rest was written down when it was decided. */
  #noteDecision(message: DecisionMessage): void {
    const { id, verdict } = message.decision;
    if (verdict !== "end" && verdict !== "notify") return;
    this.#decisions.set(id, { message, outcomeSent: false });
    for (const [each, { outcomeSent }] of this.#decisions) {
      if (this.#decisions.size <= REMEMBERED_DECISIONS) break;
      if (outcomeSent) this.#decisions.delete(each);
    }
  }

  #openDecisions(unread: readonly Message[]): Message[] {
    const untold = new Set(unread.map((letter) => (letter.type === "outcome" ? letter.report.id : "")));
    return [...this.#decisions]
      .filter(([id, { outcomeSent }]) => !outcomeSent || untold.has(id))
      .map(([, { message }]) => message);
  }
}

function failedReport(action: ResourceAction, wallMs: number): ResourceReport {
  const { id, resource, subject, why, numbers, atUs, dryRun } = action;
  const tookMs = Math.round(monotonicUs() - atUs) / 1000;
  const result = "the thread that did it failed or hung; how far it came is not known";
  return {
    id,
    resource,
    subject,
    verb: "kind" in action ? action.kind : action.order.do,
    target: null,
    victims: [],
    outcome: "unknown",
    why,
    before: numbers,
    after: {},
    steps: [{ what: "act", afterMs: 0, tookMs, result }],
    candidates: [],
    wallMs,
    tookMs,
    dryRun,
  };
}
