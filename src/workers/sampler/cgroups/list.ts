import type { FollowedCgroup } from "./followed.ts";

/** Cgroups that are looked at together. What each look asks of each of them lies side by side. */
export class CgroupList {
  readonly cgroups: readonly FollowedCgroup[];
  /** Descriptors of their usage, or CLOSED: whoever opens one says so here too. */
  readonly usage: Int32Array;
  readonly numbers: Int32Array;

  constructor(cgroups: readonly FollowedCgroup[]) {
    this.cgroups = cgroups;
    this.usage = Int32Array.from(cgroups, (cgroup) => cgroup.usage);
    this.numbers = Int32Array.from(cgroups, (cgroup) => cgroup.number);
  }

  get length(): number {
    return this.cgroups.length;
  }
}
