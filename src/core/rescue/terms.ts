/** What goes into a plan beside what is known of the cgroups, and what comes out of it. */
import type { CgroupsPolicy, RescuePolicy } from "../policy/policy.ts";
import type { RescueOrder } from "./order.ts";
import type { LeaseReturn, Recommendation } from "./report.ts";

/** The policy, its patterns compiled. */
export interface RescueTerms {
  readonly rescue: RescuePolicy;
  readonly cgroups: Pick<CgroupsPolicy, "intervalMs" | "halfLifeMs" | "calibration">;
  /** `rescue.cgroups` and `rescue.donors`, of a path below the hierarchy's root. */
  readonly mayReceive: (path: string) => boolean;
  readonly mayGive: (path: string) => boolean;
}

/** The host's memory at the time of the plan; NaN where it is not known, which lets nothing be given. */
export interface HostMemory {
  readonly totalBytes: number;
  readonly availableBytes: number;
}

/** An order to be written to the board; one with number 0 empties the slot. */
export interface SlotOrder {
  readonly slot: number;
  readonly order: RescueOrder;
}

export interface RescuePlan {
  /** Only those that changed materially since the last plan. */
  readonly orders: readonly SlotOrder[];
  /** Each is to be answered by a ReturnReport; one that is not is asked for again after a while. */
  readonly returns: readonly LeaseReturn[];
  readonly recommendations: readonly Recommendation[];
  /** What cannot be done and why, each said once. */
  readonly limitations: readonly string[];
}
