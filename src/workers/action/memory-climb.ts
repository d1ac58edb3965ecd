import type { Decision } from "../../core/memory/decision.ts";
import type { ActionOutcome } from "../../core/memory/state.ts";
import type { ActionReport } from "../../core/messages.ts";
import { type Board, Gauge } from "../../core/shared/board.ts";
import type { OrderBoard } from "../../core/shared/order.ts";
import type { HostRoots } from "../common/roots.ts";
import { Climb } from "./climb.ts";
import type { Commands } from "./commands.ts";

export interface MemoryClimbTools {
  readonly board: Board;
  readonly orders: OrderBoard;
  readonly roots: HostRoots;
  readonly commands: Commands;
}

/** Memory's ladder for one victim: its first signal is the sentinel's, and what is left of memory bounds the deadlines. */
export class MemoryClimb {
  readonly decision: Decision;
  readonly climb: Climb;
  readonly #board: Board;

  constructor(decision: Decision, { board, orders, roots, commands }: MemoryClimbTools) {
    const { victim, ahead, number, id, rungs, dryRun } = decision;
    if (victim === null) throw new Error("a ladder is climbed for a victim");
    this.decision = decision;
    this.#board = board;
    // Ahead of the analysis it began when the sentinel woke, after the sample that the decision was made from.
    const beganUs = ahead ? orders.readStrike().wokenUs : decision.atUs;
    this.climb = new Climb(
      { id, rungs, culprit: victim, dryRun, beganUs },
      {
        roots,
        commands: {
          start: (tag, rung) => commands.start(tag, rung, decision),
          result: (tag) => commands.result(tag),
        },
        // Until a sample from after its beginning has been judged, nothing says that the level has ended.
        levelStands: () => board.worstLevel > 0 || board.gauge(Gauge.timeUs) <= beganUs,
        leftUs: () => board.gauge(Gauge.timeToExhaustionUs),
        strike: { orders, ahead, number },
        special: null,
        signalled: null,
      },
    );
  }

  /** How it ended; `unknown` while it has not. Nothing of memory's ladders is special. */
  get outcome(): ActionOutcome {
    const { outcome } = this.climb;
    if (outcome === "done") throw new Error("memory's ladders have no special rungs");
    return outcome ?? "unknown";
  }

  /** What it came to. The figures after it are of the newest sample. */
  report(): ActionReport {
    const after = this.#board.gauge(Gauge.availableBytes);
    return {
      id: this.decision.id,
      outcome: this.outcome,
      steps: this.climb.steps,
      availableBeforeBytes: this.decision.numbers.availableBytes,
      availableAfterBytes: Number.isNaN(after) ? null : after,
      crossingToSignalUs: this.climb.crossingToSignalUs,
      signalToEndUs: this.climb.signalToEndUs,
    };
  }
}
