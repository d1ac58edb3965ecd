import fs from "node:fs";
import { type Decision, GRACE_US, isSentinels, signalOf } from "../../core/memory/decision.ts";
import type { ActionOutcome } from "../../core/memory/state.ts";
import type { ActionReport, ActionStep } from "../../core/messages.ts";
import type { Rung } from "../../core/policy/policy.ts";
import { type Board, Gauge } from "../../core/shared/board.ts";
import { type OrderBoard, StrikeState } from "../../core/shared/order.ts";
import { Signal } from "../../native/pidfd.ts";
import { monotonicUs } from "../common/clock.ts";
import type { HostRoots } from "../common/roots.ts";
import type { Commands } from "./commands.ts";
import { Targets } from "./targets.ts";

/** The sentinel is given so long for the first signal; then the lane sends it itself. */
const STRIKE_WAIT_US = 50_000;
const NO_SUCH_PROCESS = 3;
const NAME_OF_SIGNAL: Readonly<Record<number, string>> = {
  [Signal.term]: "SIGTERM",
  [Signal.kill]: "SIGKILL",
};

export interface ClimbTools {
  readonly board: Board;
  readonly orders: OrderBoard;
  readonly roots: HostRoots;
  readonly commands: Commands;
}

/** One ladder being climbed for one victim, from the first rung to its end; {@link turn} is called until it is over. */
export class Climb {
  readonly decision: Decision;
  readonly #tools: ClimbTools;
  readonly #targets: Targets;
  readonly #steps: ActionStep[] = [];
  readonly #beganUs: number;
  #rung = -1;
  #deadlineUs = Number.POSITIVE_INFINITY;
  /** The rung's deadline as the policy has it; {@link #deadlineUs} comes sooner when memory would not last so long. */
  #fullDeadlineUs = Number.POSITIVE_INFINITY;
  #waitingFor: "rung" | "strike" | "command" | "exit" | "sample" = "rung";
  #commandUs = Number.NaN;
  #firstSignalUs = Number.NaN;
  #crossingToSignalUs = Number.NaN;
  #endUs = Number.NaN;
  #outcome: ActionOutcome | null = null;

  constructor(decision: Decision, tools: ClimbTools) {
    if (decision.victim === null) throw new Error("a ladder is climbed for a victim");
    this.decision = decision;
    this.#tools = tools;
    this.#targets = new Targets(tools.roots, decision.victim, process.pid);
    // Ahead of the analysis it began when the sentinel woke, after the sample that the decision was made from.
    this.#beganUs = decision.ahead ? tools.orders.readStrike().wokenUs : decision.atUs;
  }

  /** How it ended, once it has. */
  get outcome(): ActionOutcome | null {
    return this.#outcome;
  }

  /** When it ended. */
  get endUs(): number {
    return this.#endUs;
  }

  /** Does what is to be done now, and waits at most `timeoutMs` for what it waits for. */
  turn(timeoutMs: number): void {
    switch (this.#waitingFor) {
      case "rung":
        return this.#nextRung();
      case "strike":
        return this.#awaitStrike();
      case "command":
        return this.#awaitCommand();
      case "exit":
        return this.#awaitExit(timeoutMs);
      case "sample":
        return;
    }
  }

  /** Whether it waits by itself; otherwise the lane should wait a little between turns. */
  get waits(): boolean {
    return this.#waitingFor === "exit";
  }

  /** What it came to. The figures after it are of the newest sample. */
  report(): ActionReport {
    const after = this.#tools.board.gauge(Gauge.availableBytes);
    return {
      id: this.decision.id,
      outcome: this.#outcome ?? "unknown",
      steps: this.#steps,
      availableBeforeBytes: this.decision.numbers.availableBytes,
      availableAfterBytes: Number.isNaN(after) ? null : after,
      crossingToSignalUs: orNull(this.#crossingToSignalUs),
      signalToEndUs: this.#outcome === "ended" ? orNull(this.#endUs - this.#firstSignalUs) : null,
    };
  }

  /** Before a stop: a first signal that the sentinel has sent goes on record; nothing is begun. */
  noteStrike(): void {
    const { orders } = this.#tools;
    if (!Number.isNaN(this.#firstSignalUs) || orders.state !== StrikeState.struck) return;
    const ending = this.decision.rungs.find((rung) => signalOf(rung) !== 0);
    if (ending !== undefined && orders.readStrike().number === this.decision.number) this.#takeStrike(ending);
  }

  close(): void {
    this.#targets.close();
  }

  #nextRung(): void {
    this.#rung++;
    const rung = this.decision.rungs[this.#rung];
    if (rung === undefined) return this.#finish(Number.isNaN(this.#firstSignalUs) ? "noted" : "stuck");
    // Before every rung but the first that acts: is it still needed?
    if (this.#acted && !this.#levelStands) return this.#finish("recovered");
    switch (rung.action) {
      case "log":
        return this.#note("log", monotonicUs(), "recorded");
      case "command":
        return this.#startCommand(rung);
      case "sigterm":
      case "sigkill":
        return this.#startSignal(rung);
    }
  }

  get #acted(): boolean {
    return this.#steps.some((step) => step.what !== "log");
  }

  /** Until a sample from after its beginning has been judged, nothing says that the level has ended. */
  get #levelStands(): boolean {
    const { board } = this.#tools;
    return board.worstLevel > 0 || board.gauge(Gauge.timeUs) <= this.#beganUs;
  }

  #startCommand(rung: Extract<Rung, { action: "command" }>): void {
    const nowUs = monotonicUs();
    if (this.decision.dryRun) return this.#note(`would run: ${rung.command}`, nowUs, "dry run");
    const error = this.#tools.commands.start(this.#commandTag, rung, this.decision);
    if (error !== null) return this.#note(`run: ${rung.command}`, nowUs, error);
    this.#commandUs = nowUs;
    this.#deadlineUs = nowUs + rung.deadlineMs * 1000;
    this.#waitingFor = "command";
  }

  get #commandTag(): string {
    return `${this.decision.id}/${this.#rung}`;
  }

  #awaitCommand(): void {
    const rung = this.decision.rungs[this.#rung] as Extract<Rung, { action: "command" }>;
    const result = this.#tools.commands.result(this.#commandTag);
    const nowUs = monotonicUs();
    // Memory does not wait for a command: half the time that is left bounds it too.
    this.#deadlineUs = Math.min(this.#deadlineUs, nowUs + this.#exhaustionUs / 2);
    if (result === null && nowUs < this.#deadlineUs) return;
    this.#note(`run: ${rung.command}`, this.#commandUs, result ?? "not finished in time, goes on beside");
    this.#waitingFor = "rung";
  }

  get #exhaustionUs(): number {
    return this.#tools.board.gauge(Gauge.timeToExhaustionUs);
  }

  #startSignal(rung: Rung): void {
    const { orders } = this.#tools;
    const first = Number.isNaN(this.#firstSignalUs);
    if (first && isSentinels(this.decision.victim, signalOf(rung)) && orders.state !== StrikeState.idle) {
      this.#deadlineUs = monotonicUs() + STRIKE_WAIT_US;
      // With a command before it, the first signal was not in the order: it is ours at once.
      if (this.decision.ahead || this.#firstActing === rung) {
        this.#waitingFor = "strike";
        return this.#awaitStrike();
      }
    }
    this.#signal(rung);
  }

  get #firstActing(): Rung | undefined {
    return this.decision.rungs.find((rung) => rung.action !== "log");
  }

  /** The first signal is the sentinel's; where it does not come, the right to send it is taken from it. */
  #awaitStrike(): void {
    const { orders } = this.#tools;
    const rung = this.decision.rungs[this.#rung] as Rung;
    if (orders.state === StrikeState.struck) return this.#takeStrike(rung);
    if (monotonicUs() < this.#deadlineUs) return;
    for (const state of [StrikeState.claimed, StrikeState.striking]) {
      if (!orders.advance(state, StrikeState.striking)) continue;
      this.#note(
        "first signal",
        this.#deadlineUs - STRIKE_WAIT_US,
        "the sentinel did not send it: sent from here",
      );
      return this.#signal(rung);
    }
  }

  #takeStrike(rung: Rung): void {
    const strike = this.#tools.orders.readStrike();
    if (strike.pidfd >= 0) this.#targets.adopt(strike.pidfd);
    this.#firstSignalUs = strike.signalledUs;
    this.#crossingToSignalUs = strike.signalledUs - this.#beganUs;
    const what = this.#signalName(signalOf(rung));
    const took = strike.signalledUs - strike.wokenUs;
    const result =
      strike.errno === 0
        ? this.decision.dryRun
          ? "dry run"
          : "sent"
        : strike.errno === NO_SUCH_PROCESS
          ? "gone"
          : `errno ${strike.errno}`;
    this.#push(what, strike.signalledUs - took, took, result);
    if (this.decision.dryRun) return this.#finish("dry-run");
    if (strike.errno === NO_SUCH_PROCESS) return this.#finish("gone");
    if (strike.errno !== 0) return this.#finish("refused");
    this.#afterSignal(rung);
  }

  #signal(rung: Rung): void {
    const signal = signalOf(rung);
    const nowUs = monotonicUs();
    if (this.decision.dryRun) {
      this.#note(this.#signalName(signal), nowUs, "dry run");
      return this.#finish("dry-run");
    }
    const { sent, gone, refusal } = this.#targets.signal(signal);
    if (Number.isNaN(this.#firstSignalUs)) {
      this.#firstSignalUs = monotonicUs();
      this.#crossingToSignalUs = this.#firstSignalUs - this.#beganUs;
    }
    const parts = [`sent to ${sent}`];
    if (gone > 0) parts.push(`${gone} gone`);
    if (refusal !== null) parts.push(`refused: ${refusal}`);
    this.#note(this.#signalName(signal), nowUs, parts.join(", "));
    if (sent === 0) return this.#finish(refusal === null ? "gone" : "refused");
    this.#afterSignal(rung);
  }

  #signalName(signal: number): string {
    const name = NAME_OF_SIGNAL[signal] ?? `signal ${signal}`;
    return this.decision.dryRun ? `would send ${name}` : name;
  }

  #afterSignal(rung: Rung): void {
    const nowUs = monotonicUs();
    if (rung.action === "sigkill") {
      const released = this.#targets.release();
      this.#note(
        "process_mrelease",
        nowUs,
        released > 0 ? `released ${released}` : "nothing left to release",
      );
    }
    this.#fullDeadlineUs = nowUs + (rung.action === "log" ? 0 : rung.deadlineMs * 1000);
    this.#deadlineUs = this.#fullDeadlineUs;
    this.#waitingFor = "exit";
  }

  #awaitExit(timeoutMs: number): void {
    if (this.#targets.waitGone(timeoutMs)) return this.#finish("ended");
    const nowUs = monotonicUs();
    const rung = this.decision.rungs[this.#rung] as Rung;
    if (rung.action === "sigterm" && this.#levelStands && nowUs - this.#firstSignalUs > GRACE_US) {
      // What is left of the memory bounds what is left of the time.
      this.#deadlineUs = Math.min(this.#deadlineUs, nowUs + this.#exhaustionUs / 2);
    }
    if (nowUs >= this.#deadlineUs) {
      // The memory of one that is dying comes back before its end is seen: with the need, the hurry is over too.
      if (!this.#levelStands && nowUs < this.#fullDeadlineUs) {
        this.#deadlineUs = this.#fullDeadlineUs;
        return;
      }
      this.#note("wait for its end", this.#firstSignalUs, "not gone by the deadline");
      this.#waitingFor = "rung";
    }
  }

  #finish(outcome: ActionOutcome): void {
    this.#outcome = outcome;
    this.#endUs = monotonicUs();
    this.#waitingFor = "sample";
    if (outcome === "ended")
      this.#push("wait for its end", this.#firstSignalUs, this.#endUs - this.#firstSignalUs, "gone");
    if (outcome === "stuck") this.#note("state", this.#endUs, this.#kernelState());
  }

  /** What the kernel says of a process that does not die: its state, and where in the kernel it sleeps. */
  #kernelState(): string {
    const pid = this.decision.victim?.pid ?? 0;
    const read = (file: string): string => {
      try {
        return fs.readFileSync(`${this.#tools.roots.proc}/${pid}/${file}`, "utf8").trim();
      } catch {
        return "unknown";
      }
    };
    const state = /^State:\s+(.*)$/m.exec(read("status"))?.[1] ?? "unknown";
    return `${state}, in ${read("wchan")}`;
  }

  #note(what: string, sinceUs: number, result: string): void {
    this.#push(what, sinceUs, monotonicUs() - sinceUs, result);
  }

  #push(what: string, atUs: number, tookUs: number, result: string): void {
    const round = (us: number): number => Math.round(us) / 1000;
    this.#steps.push({ what, afterMs: round(atUs - this.#beganUs), tookMs: round(tookUs), result });
  }
}

function orNull(us: number): number | null {
  return Number.isNaN(us) ? null : Math.round(us);
}
