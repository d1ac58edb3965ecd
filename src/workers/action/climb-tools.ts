import type { Culprit } from "../../core/cpu/action.ts";
import type { ActionOutcome } from "../../core/memory/state.ts";
import type { Rung } from "../../core/policy/policy.ts";
import type { OrderBoard } from "../../core/shared/order.ts";
import type { HostRoots } from "../common/roots.ts";

/** A rung that only one resource has: {@link ClimbTools.special} takes it. */
export interface SpecialRung {
  readonly action: string;
  readonly deadlineMs: number;
}

/** What is climbed. */
export interface Ascent {
  readonly id: string;
  readonly rungs: readonly (Rung | SpecialRung)[];
  readonly culprit: Culprit;
  readonly dryRun: boolean;
  /** CLOCK_MONOTONIC; the steps count from here. */
  readonly beganUs: number;
}

/** What became of a special rung. */
export interface SpecialResult {
  /** For the record. */
  readonly result: string;
  /** Something was done that may help: it is given until the rung's deadline. Otherwise the next rung comes at once. */
  readonly imposed: boolean;
}

/** How the commands of a ladder are run. */
export interface ClimbCommands {
  /** @returns why it could not be started, null when it was */
  start(tag: string, rung: Extract<Rung, { action: "command" }>): string | null;
  /** How it ended, null while it has not. */
  result(tag: string): string | null;
}

export interface ClimbTools {
  readonly roots: HostRoots;
  readonly commands: ClimbCommands;
  /** Whether that still stands for which it is climbed. */
  readonly levelStands: () => boolean;
  /** How long what runs out will last, in µs; Infinity: for ever, or nothing runs out. */
  readonly leftUs: () => number;
  /** Somebody else may have sent the first signal, or be about to: the sentinel, for memory. */
  readonly strike: { readonly orders: OrderBoard; readonly ahead: boolean; readonly number: number } | null;
  /** Takes a rung that only this resource has. Never rejects. */
  readonly special: ((rung: SpecialRung) => Promise<SpecialResult>) | null;
  /** A signal has been sent: what is stopped must go on to heed it. */
  readonly signalled: (() => void) | null;
}

/** As of memory's ladders; `done`: a special rung did what it could, and nobody was to be ended. */
export type ClimbOutcome = ActionOutcome | "done";
