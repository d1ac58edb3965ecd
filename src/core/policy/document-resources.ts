/** What a policy file says of CPU, disk, I/O, network and virtual machines; see document.ts. Rates are per second. */
import type { ApplicationDocuments } from "./document-applications.ts";
import type { Given } from "./document.ts";
import type { Amount } from "./policy.ts";
import type { CpuRung, DiskRung, IoRung, NetPolicy, PlaceRule, VmPolicy } from "./resources.ts";

export type FairUseDocument = Given<{
  cgroups: readonly string[];
  cores: number;
  window: number;
  warn: number;
  quarantine: number;
  quarantine_cores: number;
  release: number;
  measure: number;
}>;

export type CpuDocument = Given<{
  enabled: boolean;
  interval: number;
  busy: number;
  recover: number;
  window: number;
  in_a_row: number;
  ladder: readonly CpuRung[];
  fair_use: FairUseDocument | false;
}>;

/** Thresholds of free space and inodes; those of inodes are a count or a share. */
export type RoomDocument = Given<{
  space: Amount;
  space_recover: Amount;
  inodes: Amount;
  inodes_recover: Amount;
}>;

export type MountDocument = RoomDocument & Given<{ enabled: boolean }> & { readonly path: string };

export type PlaceDocument = Given<{
  age: number;
  order: PlaceRule["order"];
  method: PlaceRule["method"];
}> & { readonly files: string };

export type DiskDocument = RoomDocument &
  Given<{
    enabled: boolean;
    interval: number;
    interval_min: number;
    horizon: number;
    abnormal: number;
    ladder: readonly DiskRung[];
    mounts: readonly MountDocument[];
    places: readonly PlaceDocument[];
  }>;

export type IoDocument = Given<{
  enabled: boolean;
  interval: number;
  busy: number;
  stall: number;
  for: number;
  cgroups: readonly string[];
  devices: readonly string[];
  bytes_min: number;
  operations_min: number;
  release: number;
  measure: number;
  ladder: readonly IoRung[];
}>;

export type StepDocument = Given<{ delay: number }> & { readonly rate: number };

export type RatesDocument = Given<{
  interval: number;
  interfaces: readonly string[];
  window: number;
  bytes: number;
  packets: number;
  down_bytes: number;
  down_packets: number;
  steps: readonly StepDocument[];
  step: number;
  relax: number;
  down: boolean;
}>;

export type NetDocument = Given<{
  enabled: boolean;
  interfaces: readonly string[];
  never: readonly string[];
  duplicate: NetPolicy["duplicate"];
  retest: number;
  expiry: number;
  moving_macs: readonly string[];
  rates: RatesDocument | false;
}>;

export type VmDocument = Given<{
  enabled: boolean;
  uri: string;
  interval: number;
  never: readonly string[];
  order: readonly string[];
  hibernate_at: NonNullable<VmPolicy["hibernateAt"]> | false;
  freeze_on_cpu: boolean;
  resume_after: number;
  destroy: boolean;
  qemu_cgroups: readonly string[];
  deadline: number;
}>;

export interface ResourceDocuments extends ApplicationDocuments {
  readonly cpu?: CpuDocument | undefined;
  readonly disk?: DiskDocument | undefined;
  readonly io?: IoDocument | undefined;
  readonly net?: NetDocument | undefined;
  readonly vm?: VmDocument | undefined;
}
