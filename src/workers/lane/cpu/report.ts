import type { CpuAction } from "../../../core/cpu/action.ts";
import type { ActionStep } from "../../../core/messages.ts";
import type { ResourceReport } from "../../../core/resources/report.ts";
import { monotonicUs, overNow } from "../../common/clock.ts";

/** What a report says beyond its action. */
export type Done = Pick<
  ResourceReport,
  "verb" | "target" | "victims" | "outcome" | "before" | "after" | "steps" | "candidates"
>;

/** Makes the report of one action: to be made when it begins. */
export class Reporter {
  readonly #action: CpuAction;
  #lastUs = monotonicUs();

  constructor(action: CpuAction) {
    this.#action = action;
  }

  /** A step that has just been taken, since the one before it. */
  step(what: string, result: string): ActionStep {
    const sinceUs = this.#lastUs;
    this.#lastUs = monotonicUs();
    const round = (us: number): number => Math.round(us) / 1000;
    return {
      what,
      afterMs: round(sinceUs - this.#action.atUs),
      tookMs: round(this.#lastUs - sinceUs),
      result,
    };
  }

  report(done: Done): ResourceReport {
    const { id, resource, subject, why, dryRun, atUs } = this.#action;
    return { id, resource, subject, why, dryRun, ...overNow(atUs), ...done };
  }
}
