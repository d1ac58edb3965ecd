import type { Message } from "../../core/messages.ts";
import type { Policy } from "../../core/policy/policy.ts";
import type { Walk } from "../../core/memory/decision.ts";
import type { ResourceStatus } from "../../core/resources/report.ts";

/** What other resources ask of the virtual machines, which come before processes. */
export interface VmFirst {
  /**
   * Suspends the domain that uses most processors, if policy and libvirt allow it.
   * `begun`, `under-way`: wait for the report and a newer look; `none`: there is none, go on to processes.
   */
  freezeForCpu(nowUs: number, why: string): "begun" | "under-way" | "none";
  /** Whether the processors are overloaded: suspended domains go on when that has been over for long enough. */
  setCpuPressure(on: boolean, nowUs: number): void;
}

/** One resource's part of the analysis thread: rows in, decisions out. Pure logic is in core; this is its thread side. */
export interface ResourceAnalysis {
  /** Takes in the rows there are, decides, and sends what follows. */
  turn(nowUs: number): void;
  /** @returns whether the message was its */
  take(message: Message): boolean;
  takePolicy(policy: Policy): void;
  status(): readonly ResourceStatus[];
  /** How often it wants the processes walked; 0: it does not. */
  readonly walkIntervalMs: number;
  /** A walk was made, by whosever wish. */
  takeWalk(walk: Walk): void;
}
