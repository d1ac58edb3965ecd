import type { ActionOutcome } from "../memory/state.ts";
import type { ActionStep } from "../messages.ts";
import type { Figures, Resource } from "./resource.ts";

/** A level of a resource began or ended. */
export interface ResourceChange {
  readonly resource: Resource;
  /** What it is about: `host`, a mount's path, a device, an interface, a cgroup. */
  readonly subject: string;
  readonly level: "warning" | "critical";
  readonly change: "began" | "ended";
  readonly atUs: number;
  /** What it was judged by. */
  readonly numbers: Figures;
}

/** What every action on a resource says of itself; each resource adds what its lane needs (core/RESOURCE/action.ts). */
export interface ActionHead {
  /** Unique over restarts. */
  readonly id: string;
  /** `host`, a mount's path, a device, an interface, a domain. */
  readonly subject: string;
  /** Why, in words: what was seen, and what it was held against. */
  readonly why: string;
  /** What it was decided by. */
  readonly numbers: Figures;
  /** CLOCK_MONOTONIC. */
  readonly atUs: number;
  readonly dryRun: boolean;
}

/**
 * How an action on a resource ended: as a ladder does, or
 * - `done`: what was to be done is done. - `partly`: some of it, and why not all is in the steps.
 * - `failed`: nothing of it, and why is in the steps. - `released`: what was imposed before is taken back.
 */
export type ResourceOutcome = ActionOutcome | "done" | "partly" | "failed" | "released";

/** One member of somebody who was acted on. */
export interface ProcessRef {
  readonly pid: number;
  readonly startTicks: number;
}

/** What came of an action: for the analysis, which decides on nothing more of that subject before, and for the record. */
export interface ResourceReport {
  readonly id: string;
  readonly resource: Resource;
  readonly subject: string;
  /** What was done, such as `reclaim`, `quarantine`, `freeze`, `squeeze`, `down`, `hibernate`. */
  readonly verb: string;
  /** To whom: a process, a cgroup, files, an interface, a domain; null: to nobody. */
  readonly target: string | null;
  readonly victims: readonly ProcessRef[];
  readonly outcome: ResourceOutcome;
  readonly why: string;
  /** The same figures before and after. */
  readonly before: Figures;
  readonly after: Figures;
  readonly steps: readonly ActionStep[];
  /** Those that were weighed and lost, best first, in words. */
  readonly candidates: readonly string[];
  /** When it was over, and how long it took until then. */
  readonly wallMs: number;
  readonly tookMs: number;
  readonly dryRun: boolean;
}

/** How a resource stands, for `plimsoll status`: one a subject. */
export interface ResourceStatus {
  readonly resource: Resource;
  readonly subject: string;
  readonly level: "none" | "warning" | "critical";
  /** Such as busyShare, availableBytes, bytesPerSecond; rates among them. */
  readonly numbers: Figures;
  /** Null: not being used up, or not known. */
  readonly timeToExhaustionMs: number | null;
  readonly lastAction: {
    readonly verb: string;
    readonly target: string | null;
    readonly outcome: ResourceOutcome;
    readonly wallMs: number;
  } | null;
}
