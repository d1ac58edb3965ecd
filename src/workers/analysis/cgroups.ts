import { DETAIL_COLUMNS, USAGE_COLUMNS } from "../../core/cgroups/columns.ts";
import { compilePatterns } from "../../core/cgroups/pattern.ts";
import type { Message } from "../../core/messages.ts";
import type { Policy } from "../../core/policy/policy.ts";
import { RescueBoard } from "../../core/rescue/board.ts";
import { cgroupFigures } from "../../core/rescue/figures.ts";
import { plan } from "../../core/rescue/plan.ts";
import { RescueState } from "../../core/rescue/state.ts";
import type { RescueTerms } from "../../core/rescue/terms.ts";
import { RingReader } from "../../core/ring/reader.ts";
import { MEMORY_COLUMNS, Mem } from "../../core/samples.ts";
import { raiseEvent } from "../../native/event.ts";
import { monotonicUs } from "../common/clock.ts";
import type { WorkerContext } from "../common/worker.ts";
import { HostMemoryReader } from "../sampler/memory/host-reader.ts";

/** Orders are made anew at most so often, other than after a rescue. */
const PLAN_US = 50_000;

function termsOf({ rescue, cgroups }: Policy): RescueTerms {
  return {
    rescue,
    cgroups,
    mayReceive: compilePatterns(rescue.cgroups),
    mayGive: compilePatterns(rescue.donors),
  };
}

/** The analysis's part for cgroups: learns what they use, and keeps a standing order for each that may be rescued. */
export class CgroupAnalysis {
  readonly #context: WorkerContext;
  readonly #state: RescueState;
  readonly #board: RescueBoard;
  readonly #usage: RingReader;
  readonly #detail: RingReader;
  readonly #usageFrame = new Float64Array(USAGE_COLUMNS.length);
  readonly #detailFrame = new Float64Array(DETAIL_COLUMNS.length);
  readonly #host: HostMemoryReader;
  readonly #hostFrame = new Float64Array(MEMORY_COLUMNS.length);
  #plannedUs = Number.NEGATIVE_INFINITY;
  #stale = true;

  constructor(context: WorkerContext) {
    const { start } = context;
    this.#context = context;
    this.#board = new RescueBoard(start.rescueOrders);
    this.#usage = new RingReader(start.usageRing);
    this.#detail = new RingReader(start.detailRing);
    this.#host = new HostMemoryReader(start.roots.proc);
    this.#state = new RescueState(termsOf(start.policy), start.policy.rescue.cgroups.length > 0);
  }

  /** @returns whether the message was its */
  take(message: Message): boolean {
    switch (message.type) {
      case "cgroups":
        this.#state.identities(message.appeared, message.gone);
        break;
      case "rescue":
        this.#state.report(message.report);
        break;
      case "returned":
        this.#state.returned(message.report);
        break;
      case "outstanding":
        this.#state.outstanding(message.limits);
        break;
      case "ask-cgroups": {
        const figures = cgroupFigures(this.#state);
        this.#context.send("coordinator", { type: "cgroup-figures", id: message.id, figures });
        return true;
      }
      default:
        return false;
    }
    this.#stale = true;
    this.#plannedUs = Number.NEGATIVE_INFINITY;
    return true;
  }

  set policy(policy: Policy) {
    this.#state.adopt(termsOf(policy));
    this.#stale = true;
  }

  /** Takes in the rows there are, and plans anew when there is news. */
  turn(): void {
    while (this.#detail.next(this.#detailFrame)) {
      this.#state.detail(this.#detailFrame);
      this.#stale = true;
    }
    while (this.#usage.next(this.#usageFrame)) {
      this.#state.usage(this.#usageFrame);
      this.#stale = true;
    }
    const nowUs = monotonicUs();
    if (!this.#stale || nowUs - this.#plannedUs < PLAN_US) return;
    this.#stale = false;
    this.#plannedUs = nowUs;
    this.#plan(nowUs);
  }

  #plan(nowUs: number): void {
    this.#host.read(this.#hostFrame, false);
    const host = {
      totalBytes: this.#hostFrame[Mem.totalBytes] as number,
      availableBytes: this.#hostFrame[Mem.availableBytes] as number,
    };
    const { orders, returns, recommendations, limitations } = plan(this.#state, nowUs, host);
    for (const { slot, order } of orders) this.#board.write(slot, order);
    if (orders.length > 0) raiseEvent(this.#context.start.descriptors.rescueEvent);
    if (returns.length > 0) this.#context.send("rescue", { type: "return", returns });
    for (const recommendation of recommendations) {
      this.#context.send("recorder", { type: "recommendation", recommendation });
    }
    for (const why of limitations) {
      const what = "rescue is not as the policy wishes";
      this.#context.send("recorder", { type: "event", event: { event: "limited", what, why } });
      this.#context.log("warn", why);
    }
  }
}
