import type { Ranking } from "../victim/candidate.ts";
import type { Decision, LevelChange, StandingOrder, Walk } from "./decision.ts";
import { FillRate } from "./fill-rate.ts";
import { GrowthTracker } from "./growth.ts";
import { MemoryLevels } from "./levels.ts";
import { PressureRates } from "./rates.ts";

/** Facts of the host and the process that the analysis needs and that do not change. */
export interface Surroundings {
  readonly ticksPerSecond: number;
  readonly ownPid: number;
  /** Stands in front of every decision's number, so that ids are unique over restarts. */
  readonly idPrefix: string;
}

/** How an action ended, as far as the choice of the next one needs it. */
export interface ActionEnd {
  readonly id: string;
  readonly outcome: ActionOutcome;
  readonly victim: { readonly pid: number; readonly startTicks: number } | null;
  readonly atUs: number;
}

/**
 * - `ended`: the victim is gone. - `recovered`: the level ended first, the victim was let be.
 * - `stuck`: it was sent SIGKILL and does not die. - `gone`: it had gone before the first signal.
 * - `refused`: the kernel did not let us. - `dry-run`: nothing was sent.
 * - `noted`: the ladder had nothing to end. - `unknown`: the guard stopped before it was over.
 */
export type ActionOutcome =
  | "ended"
  | "recovered"
  | "stuck"
  | "gone"
  | "refused"
  | "dry-run"
  | "noted"
  | "unknown";

/** What the analysis of memory remembers from step to step. */
export class MemoryState {
  readonly surroundings: Surroundings;
  readonly fill = new FillRate();
  readonly rates = new PressureRates();
  readonly levels = new MemoryLevels();
  readonly growth = new GrowthTracker();
  /** The last sample. */
  frame: Float64Array | null = null;
  /** The last walk, and its ranking with what it was asked for. */
  walk: Walk | null = null;
  ranking: Ranking | null = null;
  rankedShortfallBytes = Number.NaN;
  /** Id of the decision that is being carried out. */
  inFlight: string | null = null;
  lastEndUs = Number.NEGATIVE_INFINITY;
  /** Since when a walk is wanted to decide on, NaN when none is. */
  walkWantedUs = Number.NaN;
  /** Not before this is the same standstill (nobody, spared, dry run) put on record again. */
  quietUntilUs = Number.NEGATIVE_INFINITY;
  /** Identities that would not die, or that the kernel protects from us. */
  readonly stuck = new Set<string>();
  /** Somebody else's turn comes first: nobody is ended, {@link StepInput.heldFrom}. */
  heldFrom: HeldFrom = null;
  sequence = 0;
  standing: StandingOrder | null = null;
  /** The last few that were given out: one may have been carried out while its successor was being written. */
  readonly given: StandingOrder[] = [];

  constructor(surroundings: Surroundings) {
    this.surroundings = surroundings;
  }

  nextId(): { id: string; number: number } {
    this.sequence++;
    return { id: `${this.surroundings.idPrefix}-${this.sequence}`, number: this.sequence };
  }
}

/** From which level on the end of a process waits, because virtual machines are hibernated first; null: it does not. */
export type HeldFrom = "warning" | "critical" | null;

export interface StepInput {
  /** A new sample of memory (columns {@link ../samples.Mem}). */
  readonly frame: Float64Array | null;
  readonly walk: Walk | null;
  readonly end: ActionEnd | null;
  /** Not given: nothing waits. It is not heeded when memory lasts only for seconds. */
  readonly heldFrom?: HeldFrom;
}

export interface StepOutput {
  readonly changes: LevelChange[];
  readonly decisions: Decision[];
  /** How often to walk over the processes, 0: as on a calm host. */
  walkIntervalMs: number;
  /** A walk is wanted now. */
  walkNow: boolean;
  /** The standing order changed: null takes it back. Undefined: it did not change. */
  standing: StandingOrder | null | undefined;
}
