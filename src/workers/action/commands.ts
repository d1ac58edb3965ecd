import fs from "node:fs";
import type { Decision } from "../../core/memory/decision.ts";
import type { Rung } from "../../core/policy/policy.ts";
import { type HelperTalk, TIMED_OUT } from "./helper-talk.ts";

/** Results nobody asked for are forgotten beyond so many. */
const KEPT_RESULTS = 256;

/** The commands of ladders: started through the helper, their results kept until asked for. */
export class Commands {
  readonly #helper: HelperTalk;
  readonly #procRoot: string;
  readonly #results = new Map<string, string>();

  constructor(helper: HelperTalk, procRoot: string) {
    this.#helper = helper;
    this.#procRoot = procRoot;
  }

  /** Starts a rung's command. @returns why it could not be started, null when it was */
  start(tag: string, rung: Extract<Rung, { action: "command" }>, decision: Decision): string | null {
    if (!this.#helper.exists) return "there is no helper process to start it";
    try {
      this.#helper.start(tag, rung.command, this.#variables(decision), rung.deadlineMs);
      return null;
    } catch (error) {
      return `could not be handed to the helper: ${(error as Error).message}`;
    }
  }

  /** Takes in what the helper says. */
  takeReplies(): void {
    for (const { tag, exitCode } of this.#helper.replies()) {
      this.#results.set(tag, exitCode === TIMED_OUT ? "ended at its deadline" : `exit ${exitCode}`);
      if (this.#results.size > KEPT_RESULTS)
        this.#results.delete(this.#results.keys().next().value as string);
    }
  }

  /** How a command ended, null while it has not. */
  result(tag: string): string | null {
    const result = this.#results.get(tag) ?? null;
    this.#results.delete(tag);
    return result;
  }

  #variables(decision: Decision): Record<string, string> {
    const victim = decision.victim;
    return {
      PLIMSOLL_ID: decision.id,
      PLIMSOLL_LEVEL: decision.level,
      PLIMSOLL_AVAILABLE_BYTES: String(decision.numbers.availableBytes ?? ""),
      PLIMSOLL_TOTAL_BYTES: String(decision.numbers.totalBytes ?? ""),
      PLIMSOLL_VICTIM_PID: victim === null ? "" : String(victim.pid),
      PLIMSOLL_VICTIM_NAME: victim === null ? "" : this.#nameOf(victim.pid),
    };
  }

  #nameOf(pid: number): string {
    try {
      return fs.readFileSync(`${this.#procRoot}/${pid}/comm`, "utf8").replace(/\n$/, "");
    } catch {
      return "";
    }
  }
}
