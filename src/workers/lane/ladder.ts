import { setTimeout as pause } from "node:timers/promises";
import type { Culprit } from "../../core/cpu/action.ts";
import type { ActionStep } from "../../core/messages.ts";
import type { Rung } from "../../core/policy/policy.ts";
import type { ProcessRef } from "../../core/resources/report.ts";
import { Climb } from "../action/climb.ts";
import type { ClimbOutcome, SpecialResult, SpecialRung } from "../action/climb-tools.ts";
import type { HostRoots } from "../common/roots.ts";
import { LaneCommands } from "./commands.ts";

export type { ClimbOutcome, SpecialResult, SpecialRung } from "../action/climb-tools.ts";

/** Between two looks at what is waited for. */
const TURN_MS = 5;

export interface LadderOptions<Special extends SpecialRung> {
  /** The action's. */
  readonly id: string;
  readonly rungs: readonly (Rung | Special)[];
  readonly culprit: Culprit;
  readonly dryRun: boolean;
  /** The action's: CLOCK_MONOTONIC; the steps count from here. */
  readonly atUs: number;
  readonly roots: HostRoots;
  /** For its commands: commandVariables of ./commands.ts. */
  readonly variables: Readonly<Record<string, string>>;
  /** Whether that still stands for which it is climbed: asked before every rung but the first that acts. */
  readonly levelStands: () => boolean;
  /** How long what runs out will last, in µs: bounds the wait for a command and for an end. Left out: for ever. */
  readonly leftUs?: () => number;
  /** Takes a rung that only this resource has; not called in a dry run. What it rejects with is the step's result. */
  readonly special?: (rung: Special) => Promise<SpecialResult>;
  /** A signal has been sent to the culprit: what is stopped must go on to heed it. */
  readonly signalled?: () => void;
}

export interface LadderResult {
  readonly outcome: ClimbOutcome;
  readonly steps: readonly ActionStep[];
  /** Who was signalled. */
  readonly victims: readonly ProcessRef[];
}

/** Climbs a ladder by an event loop, to its end: as memory's is, with the rungs that the resource adds. */
export async function climbLadder<Special extends SpecialRung = never>(
  options: LadderOptions<Special>,
): Promise<LadderResult> {
  const { id, rungs, culprit, dryRun, atUs, special } = options;
  const climb = new Climb(
    { id, rungs, culprit, dryRun, beganUs: atUs },
    {
      roots: options.roots,
      commands: new LaneCommands(options.variables),
      levelStands: options.levelStands,
      leftUs: options.leftUs ?? (() => Number.POSITIVE_INFINITY),
      strike: null,
      special:
        special === undefined
          ? null
          : (rung) =>
              special(rung as Special).catch((error: Error) => ({ result: error.message, imposed: false })),
      signalled: options.signalled ?? null,
    },
  );
  try {
    while (climb.outcome === null) {
      climb.turn(0);
      if (climb.resting) await pause(TURN_MS);
    }
    return { outcome: climb.outcome, steps: climb.steps, victims: climb.signalled };
  } finally {
    climb.close();
  }
}
