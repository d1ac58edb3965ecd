import type { Walk } from "../memory/decision.ts";
import type { Policy } from "../policy/policy.ts";
import type { Figures } from "../resources/resource.ts";
import type { ResourceChange, ResourceReport } from "../resources/report.ts";
import type { CpuCandidate, CulpritRanking } from "./choose.ts";
import { LoadMeter, type Load } from "./meter.ts";
import { ProcessLoads } from "./process-loads.ts";

/** Facts of the host and the process that do not change. */
export interface CpuSurroundings {
  readonly ticksPerSecond: number;
  readonly ownPid: number;
  /** Stands in front of every action's number, so that ids are unique over restarts. */
  readonly idPrefix: string;
}

export type CpuTerms = Pick<Policy, "cpu" | "victim" | "dryRun">;

/** One thing at a time: a tick's rows of processors, the row of all, a walk, a report. */
export type CpuInput =
  | { readonly what: "core" | "all"; readonly frame: Float64Array }
  | { readonly what: "walk"; readonly walk: Walk }
  | { readonly what: "report"; readonly report: ResourceReport };

/** Asks the virtual machines, which come before processes: VmFirst.freezeForCpu. */
export type AskMachines = (nowUs: number, why: string) => "begun" | "under-way" | "none";

/** What is to be done, before whoever it is about has been given a name. */
export type CpuOrder =
  | {
      readonly kind: "ladder";
      readonly id: string;
      readonly atUs: number;
      readonly why: string;
      readonly numbers: Figures;
      readonly culprit: CpuCandidate;
      readonly others: readonly CpuCandidate[];
    }
  | {
      readonly kind: "undo";
      readonly id: string;
      readonly atUs: number;
      readonly why: string;
      readonly numbers: Figures;
    };

export interface CpuOutput {
  readonly changes: readonly ResourceChange[];
  readonly orders: readonly CpuOrder[];
  /** There is nobody who may be acted on: said once a level, with whom the exclusions took out. */
  readonly nobody: CulpritRanking["excluded"] | null;
}

/** What the analysis of the processors remembers from step to step. */
export class CpuState {
  readonly surroundings: CpuSurroundings;
  readonly loads = new ProcessLoads();
  meter = new LoadMeter();
  load: Load | null = null;
  walk: Walk | null = null;
  level = false;
  /** Averages in a row that were at the level, since the last action. */
  inARow = 0;
  /** Id of what is under way and waited for; and, of a ladder, who it is for. */
  inFlight: string | null = null;
  culprit: CpuCandidate | null = null;
  /** Something may have been imposed since the level began, so its end undoes it. */
  mayHold = false;
  /** An earlier life of this thread may have begun something: that is undone first, and its end waited for. */
  inherits: boolean;
  /** The lane is at something else (fair use): one thing at a time. */
  laneTaken = false;
  /** Identities acted on during this level, and those that nothing can be done to. */
  readonly settled = new Set<string>();
  readonly stuck = new Set<string>();
  /** Not before this is the same standstill (nobody, dry run) come to again. */
  quietUntilUs = Number.NEGATIVE_INFINITY;
  #number = 0;

  /** @param inherits an earlier life of this thread may have begun something, or imposed it */
  constructor(surroundings: CpuSurroundings, inherits: boolean) {
    this.surroundings = surroundings;
    this.inherits = inherits;
  }

  nextId(): string {
    return `${this.surroundings.idPrefix}-cpu${++this.#number}`;
  }
}
