import type { CpuRung } from "../policy/resources.ts";
import type { ActionHead } from "../resources/report.ts";
import type { Candidate } from "../victim/candidate.ts";

/** Whom an action is about: as a victim of memory, without the figures of memory. */
export type Culprit = Pick<Candidate, "kind" | "pid" | "startTicks" | "id" | "members">;

interface CpuHead extends ActionHead {
  readonly resource: "cpu";
}

export type CpuAction =
  /** Climb the ladder for whoever makes the load, rung by rung while the level stands. */
  | (CpuHead & {
      readonly kind: "ladder";
      readonly culprit: Culprit;
      /** In words: name, pid, processors it uses. */
      readonly target: string;
      readonly candidates: readonly string[];
      readonly rungs: readonly CpuRung[];
    })
  /** The level has ended: a ladder that is being climbed ends, and what ladders imposed is undone. */
  | (CpuHead & { readonly kind: "undo" })
  /** Fair use: give a cgroup so many processors; take that back (for good, or for a test of it). */
  | (CpuHead & { readonly kind: "quarantine"; readonly cgroup: string; readonly cores: number })
  | (CpuHead & { readonly kind: "release"; readonly cgroup: string });
