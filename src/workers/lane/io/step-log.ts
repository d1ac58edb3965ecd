import { setTimeout as pause } from "node:timers/promises";
import type { ActionStep } from "../../../core/messages.ts";
import { monotonicUs } from "../../common/clock.ts";

/** What is done for one action, step by step, for its report. */
export class StepLog {
  readonly steps: ActionStep[] = [];
  readonly #beganUs: number;
  #lastUs: number;

  /** @param beganUs when it was decided: CLOCK_MONOTONIC */
  constructor(beganUs: number) {
    this.#beganUs = beganUs;
    this.#lastUs = monotonicUs();
  }

  /** A step that began when the one before it ended, and is over now. */
  add(what: string, result: string): void {
    const nowUs = monotonicUs();
    const ms = (us: number): number => Math.round(us) / 1000;
    this.steps.push({
      what,
      afterMs: ms(this.#lastUs - this.#beganUs),
      tookMs: ms(nowUs - this.#lastUs),
      result,
    });
    this.#lastUs = nowUs;
  }

  /** Waits, as a step of its own. */
  async time(what: string, ms: number): Promise<void> {
    await pause(ms);
    this.add(what, "done");
  }
}
