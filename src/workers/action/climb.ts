import fs from "node:fs";
import { GRACE_US, isSentinels, signalOf } from "../../core/memory/decision.ts";
import type { ActionStep } from "../../core/messages.ts";
import type { Rung } from "../../core/policy/policy.ts";
import type { ProcessRef } from "../../core/resources/report.ts";
import { type OrderBoard, StrikeState } from "../../core/shared/order.ts";
import { Signal } from "../../native/pidfd.ts";
import { monotonicUs } from "../common/clock.ts";
import type { Ascent, ClimbOutcome, ClimbTools, SpecialResult, SpecialRung } from "./climb-tools.ts";
import { Targets } from "./targets.ts";

/** The sentinel is given so long for the first signal; then the lane sends it itself. */
const STRIKE_WAIT_US = 50_000;
const NO_SUCH_PROCESS = 3;
const NAME_OF_SIGNAL: Readonly<Record<number, string>> = {
  [Signal.term]: "SIGTERM",
  [Signal.kill]: "SIGKILL",
};

/** One ladder being climbed for one culprit, from the first rung to its end; {@link turn} is called until it is over. */
export class Climb {
  readonly ascent: Ascent;
  readonly #tools: ClimbTools;
  readonly #targets: Targets;
  readonly #steps: ActionStep[] = [];
  readonly #beganUs: number;
  #rung = -1;
  /** A special rung that is being taken, and what came of it. */
  #special: { result: SpecialResult | null } | null = null;
  #imposed = false;
  #deadlineUs = Number.POSITIVE_INFINITY;
  /** The rung's deadline as the policy has it; {@link #deadlineUs} comes sooner when memory would not last so long. */
  #fullDeadlineUs = Number.POSITIVE_INFINITY;
  #waitingFor: "rung" | "strike" | "command" | "special" | "relief" | "exit" | "over" = "rung";
  #beganRungUs = Number.NaN;
  #firstSignalUs = Number.NaN;
  #crossingToSignalUs = Number.NaN;
  #endUs = Number.NaN;
  #outcome: ClimbOutcome | null = null;

  constructor(ascent: Ascent, tools: ClimbTools) {
    this.ascent = ascent;
    this.#tools = tools;
    this.#targets = new Targets(tools.roots, ascent.culprit, process.pid);
    this.#beganUs = ascent.beganUs;
  }

  /** How it ended, once it has. */
  get outcome(): ClimbOutcome | null {
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
      case "special":
        return this.#awaitSpecial();
      case "relief":
        return this.#awaitRelief();
      case "over":
        return;
    }
  }

  /** Whether its next turn can wait a little: it waits for somebody. */
  get resting(): boolean {
    return this.#waitingFor !== "rung" && this.#waitingFor !== "over";
  }

  /** Whether it waits by itself; otherwise the lane should wait a little between turns. */
  get waits(): boolean {
    return this.#waitingFor === "exit";
  }

  get steps(): readonly ActionStep[] {
    return this.#steps;
  }

  /** From its beginning to the return of the first signal; null when none was sent. */
  get crossingToSignalUs(): number | null {
    return orNull(this.#crossingToSignalUs);
  }

  /** From the first signal to the victim's end; null when it has not ended. */
  get signalToEndUs(): number | null {
    return this.#outcome === "ended" ? orNull(this.#endUs - this.#firstSignalUs) : null;
  }

  /** Who was signalled. */
  get signalled(): readonly ProcessRef[] {
    return this.#targets.held;
  }

  /** Before a stop: a first signal that the sentinel has sent goes on record; nothing is begun. */
  noteStrike(): void {
    const { strike } = this.#tools;
    if (strike === null || !Number.isNaN(this.#firstSignalUs)) return;
    if (strike.orders.state !== StrikeState.struck) return;
    const ending = this.ascent.rungs.find((rung) => signalOf(rung) !== 0);
    if (ending !== undefined && strike.orders.readStrike().number === strike.number)
      this.#takeStrike(strike.orders, ending);
  }

  close(): void {
    this.#targets.close();
  }

  #nextRung(): void {
    this.#rung++;
    const rung = this.ascent.rungs[this.#rung];
    if (rung === undefined) return this.#finish(this.#atTheTop);
    // Before every rung but the first that acts: is it still needed?
    if (this.#acted && !this.#tools.levelStands()) return this.#finish("recovered");
    if (!isCommon(rung)) return this.#startSpecial(rung);
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

  get #atTheTop(): ClimbOutcome {
    if (!Number.isNaN(this.#firstSignalUs)) return "stuck";
    if (this.#imposed) return "done";
    return this.ascent.dryRun && this.#acted ? "dry-run" : "noted";
  }

  get #acted(): boolean {
    return this.#steps.some((step) => step.what !== "log");
  }

  #startCommand(rung: Extract<Rung, { action: "command" }>): void {
    const nowUs = monotonicUs();
    if (this.ascent.dryRun) return this.#note(`would run: ${rung.command}`, nowUs, "dry run");
    const error = this.#tools.commands.start(this.#commandTag, rung);
    if (error !== null) return this.#note(`run: ${rung.command}`, nowUs, error);
    this.#beganRungUs = nowUs;
    this.#deadlineUs = nowUs + rung.deadlineMs * 1000;
    this.#waitingFor = "command";
  }

  get #commandTag(): string {
    return `${this.ascent.id}/${this.#rung}`;
  }

  #awaitCommand(): void {
    const rung = this.ascent.rungs[this.#rung] as Extract<Rung, { action: "command" }>;
    const result = this.#tools.commands.result(this.#commandTag);
    const nowUs = monotonicUs();
    // Memory does not wait for a command: half the time that is left bounds it too.
    this.#deadlineUs = Math.min(this.#deadlineUs, nowUs + this.#tools.leftUs() / 2);
    if (result === null && nowUs < this.#deadlineUs) return;
    this.#note(`run: ${rung.command}`, this.#beganRungUs, result ?? "not finished in time, goes on beside");
    this.#waitingFor = "rung";
  }

  #startSpecial(rung: SpecialRung): void {
    const nowUs = monotonicUs();
    if (this.ascent.dryRun) return this.#note(`would ${rung.action}`, nowUs, "dry run");
    if (this.#tools.special === null)
      throw new Error(`this ladder knows no rung ${JSON.stringify(rung.action)}`);
    const under: { result: SpecialResult | null } = { result: null };
    this.#special = under;
    void this.#tools.special(rung).then((result) => void (under.result = result));
    this.#beganRungUs = nowUs;
    this.#deadlineUs = nowUs + rung.deadlineMs * 1000;
    this.#waitingFor = "special";
  }

  #awaitSpecial(): void {
    const rung = this.ascent.rungs[this.#rung] as SpecialRung;
    const result = this.#special?.result ?? null;
    if (result === null && monotonicUs() < this.#deadlineUs) return;
    this.#note(rung.action, this.#beganRungUs, result?.result ?? "not finished in time, goes on beside");
    this.#imposed ||= result?.imposed ?? true;
    this.#waitingFor = result?.imposed === true ? "relief" : "rung";
  }

  /** What was imposed is given until its deadline to help. */
  #awaitRelief(): void {
    if (this.#tools.levelStands() && monotonicUs() < this.#deadlineUs) return;
    this.#waitingFor = "rung";
  }

  #startSignal(rung: Rung): void {
    const { strike } = this.#tools;
    const first = strike !== null && Number.isNaN(this.#firstSignalUs);
    if (
      first &&
      isSentinels(this.ascent.culprit, signalOf(rung)) &&
      strike.orders.state !== StrikeState.idle
    ) {
      this.#deadlineUs = monotonicUs() + STRIKE_WAIT_US;
      // With a command before it, the first signal was not in the order: it is ours at once.
      if (strike.ahead || this.#firstActing === rung) {
        this.#waitingFor = "strike";
        return this.#awaitStrike();
      }
    }
    this.#signal(rung);
  }

  get #firstActing(): Rung | SpecialRung | undefined {
    return this.ascent.rungs.find((rung) => rung.action !== "log");
  }

  /** The first signal is the sentinel's; where it does not come, the right to send it is taken from it. */
  #awaitStrike(): void {
    const orders = this.#tools.strike?.orders;
    if (orders === undefined) throw new Error("nobody else sends the first signal");
    const rung = this.ascent.rungs[this.#rung] as Rung;
    if (orders.state === StrikeState.struck) return this.#takeStrike(orders, rung);
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

  #takeStrike(orders: OrderBoard, rung: Rung | SpecialRung): void {
    const strike = orders.readStrike();
    if (strike.pidfd >= 0) this.#targets.adopt(strike.pidfd);
    this.#firstSignalUs = strike.signalledUs;
    this.#crossingToSignalUs = strike.signalledUs - this.#beganUs;
    const what = this.#signalName(signalOf(rung));
    const took = strike.signalledUs - strike.wokenUs;
    const result =
      strike.errno === 0
        ? this.ascent.dryRun
          ? "dry run"
          : "sent"
        : strike.errno === NO_SUCH_PROCESS
          ? "gone"
          : `errno ${strike.errno}`;
    this.#push(what, strike.signalledUs - took, took, result);
    if (this.ascent.dryRun) return this.#finish("dry-run");
    if (strike.errno === NO_SUCH_PROCESS) return this.#finish("gone");
    if (strike.errno !== 0) return this.#finish("refused");
    this.#afterSignal(rung);
  }

  #signal(rung: Rung): void {
    const signal = signalOf(rung);
    const nowUs = monotonicUs();
    if (this.ascent.dryRun) {
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
    this.#tools.signalled?.();
    if (sent === 0) return this.#finish(refusal === null ? "gone" : "refused");
    this.#afterSignal(rung);
  }

  #signalName(signal: number): string {
    const name = NAME_OF_SIGNAL[signal] ?? `signal ${signal}`;
    return this.ascent.dryRun ? `would send ${name}` : name;
  }

  #afterSignal(rung: Rung | SpecialRung): void {
    const nowUs = monotonicUs();
    if (rung.action === "sigkill") {
      const released = this.#targets.release();
      this.#note(
        "process_mrelease",
        nowUs,
        released > 0 ? `released ${released}` : "nothing left to release",
      );
    }
    this.#fullDeadlineUs = nowUs + ("deadlineMs" in rung ? rung.deadlineMs * 1000 : 0);
    this.#deadlineUs = this.#fullDeadlineUs;
    this.#waitingFor = "exit";
  }

  #awaitExit(timeoutMs: number): void {
    if (this.#targets.waitGone(timeoutMs)) return this.#finish("ended");
    const nowUs = monotonicUs();
    const rung = this.ascent.rungs[this.#rung] as Rung;
    if (rung.action === "sigterm" && this.#tools.levelStands() && nowUs - this.#firstSignalUs > GRACE_US) {
      // What is left of the memory bounds what is left of the time.
      this.#deadlineUs = Math.min(this.#deadlineUs, nowUs + this.#tools.leftUs() / 2);
    }
    if (nowUs >= this.#deadlineUs) {
      // The memory of one that is dying comes back before its end is seen: with the need, the hurry is over too.
      if (!this.#tools.levelStands() && nowUs < this.#fullDeadlineUs) {
        this.#deadlineUs = this.#fullDeadlineUs;
        return;
      }
      this.#note("wait for its end", this.#firstSignalUs, "not gone by the deadline");
      this.#waitingFor = "rung";
    }
  }

  #finish(outcome: ClimbOutcome): void {
    this.#outcome = outcome;
    this.#endUs = monotonicUs();
    this.#waitingFor = "over";
    if (outcome === "ended")
      this.#push("wait for its end", this.#firstSignalUs, this.#endUs - this.#firstSignalUs, "gone");
    if (outcome === "stuck") this.#note("state", this.#endUs, this.#kernelState());
  }

  /** What the kernel says of a process that does not die: its state, and where in the kernel it sleeps. */
  #kernelState(): string {
    const pid = this.ascent.culprit.pid;
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

function isCommon(rung: Rung | SpecialRung): rung is Rung {
  return ["log", "command", "sigterm", "sigkill"].includes(rung.action);
}

function orNull(us: number): number | null {
  return Number.isNaN(us) ? null : Math.round(us);
}
