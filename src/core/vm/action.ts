import type { ActionHead } from "../resources/report.ts";

/**
 * What can be done to a machine.
 * - `hibernate`: its memory goes to disk, and is the host's again (virsh managedsave). - `start`: it goes on from there.
 * - `freeze`: its processors stand still (virsh suspend, or the freezer of its cgroup). - `resume`: they go on.
 * - `destroy`: as if its plug were pulled (virsh destroy); the last rung, for one that cannot be hibernated.
 */
export type VmVerb = "hibernate" | "start" | "freeze" | "resume" | "destroy";

/** What the guard has done to a machine and will take back; null: nothing. */
export type Held = "frozen" | "hibernated" | null;

/** Who a machine is, whatever its number: a libvirt domain by its UUID, a QEMU without libvirt by its cgroup's path. */
export interface MachineRef {
  readonly source: "libvirt" | "cgroup";
  readonly id: string;
}

export interface VmAction extends ActionHead {
  readonly resource: "vm";
  readonly kind: VmVerb;
  readonly machine: MachineRef;
  /** Those that were weighed and lost, best first, in words. */
  readonly candidates: readonly string[];
}
