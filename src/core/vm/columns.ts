import type { Column } from "../ring/layout.ts";
import { columnsOf } from "../samples.ts";

/** What is sampled of virtual machines: one row each a look. */
export const Vm = {
  timeUs: 0,
  /** A number of ours. */
  machine: 1,
  /** virDomainState: 1 running, 3 paused, 5 shut off (libvirt-domain.h). */
  state: 2,
  /** What it may use at most, and what its process has resident; null: libvirt does not say. */
  memoryBytes: 3,
  residentBytes: 4,
  /** Processor time since it began. */
  cpuUs: 5,
  processors: 6,
} as const;
export const VM_COLUMNS: readonly Column[] = columnsOf(Vm, { state: "int32", processors: "int32" });
