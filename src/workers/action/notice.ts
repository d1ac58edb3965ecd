import type { Decision } from "../../core/memory/decision.ts";
import type { ActionReport, ActionStep } from "../../core/messages.ts";
import { monotonicUs } from "../common/clock.ts";
import type { Commands } from "./commands.ts";

/** The ladder of a level that ends nobody: its commands are started one after the other, and waited for beside the rest. */
export class Notice {
  readonly #decision: Decision;
  readonly #commands: Commands;
  readonly #steps: ActionStep[] = [];
  #rung = 0;
  #startedUs = Number.NaN;

  constructor(decision: Decision, commands: Commands) {
    this.#decision = decision;
    this.#commands = commands;
  }

  /** @returns whether it is over */
  turn(): boolean {
    const rung = this.#decision.rungs[this.#rung];
    if (rung === undefined) return true;
    if (rung.action !== "command") {
      this.#push("log", monotonicUs(), "recorded");
      return this.#next();
    }
    const tag = `${this.#decision.id}/${this.#rung}`;
    if (Number.isNaN(this.#startedUs)) {
      this.#startedUs = monotonicUs();
      const refused = this.#decision.dryRun ? "dry run" : this.#commands.start(tag, rung, this.#decision);
      if (refused === null) return false;
      this.#push(`${this.#decision.dryRun ? "would run" : "run"}: ${rung.command}`, this.#startedUs, refused);
      return this.#next();
    }
    const result = this.#commands.result(tag);
    // The helper ends it at its deadline and a second; when not even that is heard of, the helper is gone.
    const lateUs = this.#startedUs + rung.deadlineMs * 1000 + 3_000_000;
    if (result === null && monotonicUs() < lateUs) return false;
    this.#push(`run: ${rung.command}`, this.#startedUs, result ?? "nothing was heard of it");
    return this.#next();
  }

  report(): ActionReport {
    return {
      id: this.#decision.id,
      outcome: this.#decision.dryRun ? "dry-run" : "noted",
      steps: this.#steps,
      availableBeforeBytes: this.#decision.numbers.availableBytes,
      availableAfterBytes: null,
      crossingToSignalUs: null,
      signalToEndUs: null,
    };
  }

  #next(): boolean {
    this.#rung++;
    this.#startedUs = Number.NaN;
    return this.#rung >= this.#decision.rungs.length;
  }

  #push(what: string, sinceUs: number, result: string): void {
    const round = (us: number): number => Math.round(us) / 1000;
    const tookMs = round(monotonicUs() - sinceUs);
    this.#steps.push({ what, afterMs: round(sinceUs - this.#decision.atUs), tookMs, result });
  }
}
