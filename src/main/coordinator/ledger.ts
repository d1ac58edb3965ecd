import type { CgroupIdentity } from "../../core/cgroups/columns.ts";
import type { ActionReport, Message } from "../../core/messages.ts";
import type { ResourceOutcome } from "../../core/resources/report.ts";
import type { WorkerName } from "../../core/shared/board.ts";
import type { Counts } from "./status.ts";

/** What is kept of the messages that pass by between workers: for the status, and for who is started again. */
export class Ledger {
  readonly counts: Counts = { decisions: 0, actions: 0, outcomes: {}, levels: 0, gaps: 0 };
  /** Of memory. */
  lastAction: ActionReport | null = null;
  /** When it was over, in milliseconds since 1970. */
  lastActionMs: number | null = null;
  /** Whom the cgroup sampler follows: a new life of it goes on with the same numbers. */
  readonly #cgroups = new Map<number, CgroupIdentity>();

  get cgroups(): readonly CgroupIdentity[] {
    return [...this.#cgroups.values()];
  }

  /** @param nowMs milliseconds since 1970 */
  note(to: WorkerName, message: Message, nowMs: number): void {
    const { counts } = this;
    if (message.type === "cgroups" && to === "analysis") this.#noteCgroups(message);
    if (message.type === "level" || message.type === "resource-level") counts.levels++;
    if (message.type === "decision") counts.decisions++;
    // The analysis hears of it too.
    if (message.type === "resource-report" && to === "recorder") {
      counts.actions++;
      this.#countOutcome(message.report.outcome);
    }
    if (message.type !== "outcome") return;
    this.#countOutcome(message.report.outcome);
    this.lastAction = message.report;
    this.lastActionMs = nowMs;
  }

  #countOutcome(outcome: ResourceOutcome): void {
    this.counts.outcomes[outcome] = (this.counts.outcomes[outcome] ?? 0) + 1;
  }

  #noteCgroups({ appeared, gone }: Extract<Message, { type: "cgroups" }>): void {
    for (const identity of appeared) this.#cgroups.set(identity.number, identity);
    for (const number of gone) this.#cgroups.delete(number);
  }
}
