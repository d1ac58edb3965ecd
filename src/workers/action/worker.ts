import type { Decision } from "../../core/memory/decision.ts";
import type { ActionReport } from "../../core/messages.ts";
import { Gauge } from "../../core/shared/board.ts";
import { OrderBoard } from "../../core/shared/order.ts";
import { clearEvent } from "../../native/event.ts";
import { PollEvent, PollSet } from "../../native/poll.ts";
import { monotonicUs } from "../common/clock.ts";
import { WorkerContext } from "../common/worker.ts";
import { Commands } from "./commands.ts";
import { HelperTalk } from "./helper-talk.ts";
import { MemoryClimb } from "./memory-climb.ts";
import { Notice } from "./notice.ts";

const WAKE = 0;
const REPLY = 1;
/** How long a turn waits while something is under way. */
const BUSY_MS = 2;
/** A sample that shows what came back is waited for this long. */
const SAMPLE_WAIT_US = 500_000;

/** The thread for memory's slow actions: climbs ladders, one ending action at a time, and reports. */
class ActionLane {
  readonly #context: WorkerContext;
  readonly #poll = new PollSet(2);
  readonly #commands: Commands;
  readonly #helper: HelperTalk;
  readonly #orders: OrderBoard;
  #climb: MemoryClimb | null = null;
  #ended: MemoryClimb | null = null;
  readonly #notices: Notice[] = [];

  constructor(context: WorkerContext) {
    const { descriptors, roots, order } = context.start;
    this.#context = context;
    this.#helper = new HelperTalk(descriptors.helperInput, descriptors.helperOutput);
    this.#commands = new Commands(this.#helper, roots.proc);
    this.#orders = new OrderBoard(order);
    this.#poll.set(WAKE, descriptors.actionEvent, PollEvent.in);
    this.#poll.set(REPLY, this.#helper.replyDescriptor, PollEvent.in);
  }

  run(): void {
    this.#context.ready();
    for (;;) {
      if (this.#climb?.climb.waits !== true) this.#poll.wait(this.#busy ? BUSY_MS : this.#context.rest());
      else this.#poll.wait(0);
      if (!this.#context.alive()) return;
      if (this.#poll.happened(WAKE) !== 0) clearEvent(this.#context.start.descriptors.actionEvent);
      if ((this.#poll.happened(REPLY) & PollEvent.in) !== 0) this.#commands.takeReplies();
      if (!this.#takeLetters()) return;
      this.#turn();
    }
  }

  get #busy(): boolean {
    return this.#climb !== null || this.#ended !== null || this.#notices.length > 0;
  }

  /** @returns false when the worker is to stop */
  #takeLetters(): boolean {
    for (let message = this.#context.receive(); message !== null; message = this.#context.receive()) {
      if (message.type === "stop") {
        this.#reportEnded();
        this.#climb?.climb.noteStrike();
        if (this.#climb !== null) this.#report(this.#climb.report());
        return false;
      }
      if (message.type === "act") this.#begin(message.decision);
      else if (message.type !== "policy") throw new Error(`the action lane knows no message ${message.type}`);
    }
    return true;
  }

  #begin(decision: Decision): void {
    if (decision.verdict !== "end") {
      this.#notices.push(new Notice(decision, this.#commands));
      return;
    }
    // After a failure it may come twice: from the coordinator, and as a letter that the earlier life left.
    if (this.#climb?.decision.id === decision.id) return;
    if (this.#climb !== null)
      throw new Error(`two actions in flight: ${this.#climb.decision.id} and ${decision.id}`);
    this.#reportEnded();
    const { roots } = this.#context.start;
    this.#climb = new MemoryClimb(decision, {
      board: this.#context.board,
      orders: this.#orders,
      roots,
      commands: this.#commands,
    });
  }

  #turn(): void {
    const climb = this.#climb;
    if (climb !== null) {
      climb.climb.turn(BUSY_MS);
      if (climb.climb.outcome !== null) this.#end(climb);
    }
    // The samples after its end show what came back.
    if (this.#ended !== null) {
      const sampleUs = this.#context.board.gauge(Gauge.timeUs);
      const late = monotonicUs() - this.#ended.climb.endUs > SAMPLE_WAIT_US;
      if (sampleUs > this.#ended.climb.endUs || late) this.#reportEnded();
    }
    for (const notice of this.#notices.filter((each) => each.turn())) {
      this.#notices.splice(this.#notices.indexOf(notice), 1);
      this.#report(notice.report());
    }
  }

  #end(climb: MemoryClimb): void {
    const { id, victim } = climb.decision;
    const { outcome } = climb;
    this.#context.send("analysis", { type: "end", end: { id, outcome, victim, atUs: climb.climb.endUs } });
    climb.climb.close();
    this.#climb = null;
    this.#ended = climb;
  }

  #reportEnded(): void {
    if (this.#ended !== null) this.#report(this.#ended.report());
    this.#ended = null;
  }

  #report(report: ActionReport): void {
    this.#context.send("recorder", { type: "outcome", report });
    if (report.crossingToSignalUs !== null) {
      this.#context.send("coordinator", {
        type: "latency",
        name: "crossing-to-signal",
        us: report.crossingToSignalUs,
      });
    }
  }
}

new ActionLane(WorkerContext.current()).run();
