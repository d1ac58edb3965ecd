/**
 * What one policy file says: the shape of the TOML, values read into numbers, everything optional.
 * Keys are the file's own. Sizes in bytes, shares 0 to 1, durations in milliseconds.
 */
import type { ResourceDocuments } from "./document-resources.ts";
import type { Amount, Rung, VictimUnit } from "./policy.ts";

export type Given<T> = { readonly [K in keyof T]?: T[K] | undefined };

export type HeadroomDocument = Given<{
  available: Amount;
  recover: Amount;
  /** False: swap is not looked at. */
  swap_free: Amount | false;
  for: number;
  ladder: readonly Rung[];
}>;

export type ThrashingDocument = Given<{
  pages_per_second: number;
  stall: number;
  available: Amount;
  for: number;
  ladder: readonly Rung[];
}>;

export type MemoryDocument = Given<{
  enabled: boolean;
  interval: number;
  interval_min: number;
  walk_below: Amount;
  walk_horizon: number;
  walk_interval: number;
  walk_interval_calm: number;
  urgent_stall: number;
  warning: HeadroomDocument | false;
  critical: HeadroomDocument | false;
  thrashing: ThrashingDocument | false;
}>;

export type RuleDocument = Given<{
  name: string;
  exe: string;
  cmdline: string;
  cgroup: string;
  /** A uid: names are looked up when the file is read. */
  user: number;
  descendants: boolean;
}>;

export type VictimDocument = Given<{
  unit: VictimUnit;
  minimum: number;
  /** False: the rules of the profile underneath are dropped. */
  inherit: boolean;
  prefer: readonly RuleDocument[];
  avoid: readonly RuleDocument[];
  never: readonly RuleDocument[];
}>;

export type CgroupsDocument = Given<{
  enabled: boolean;
  watch: readonly string[];
  interval: number;
  stat_every: number;
  scan: number;
  half_life: number;
  calibration: string;
}>;

export type RescueDocument = Given<{
  cgroups: readonly string[];
  donors: readonly string[];
  pause: readonly string[];
  global_threshold: number;
  host_reserve: Amount;
  margin: number;
  add_min: number;
  add_max: number;
  reaction: number;
  donor_margin: Amount;
  lend_max: number;
  rescues_max: number;
  rescues_within: number;
  return_after: number;
}>;

export type RecordDocument = Given<{
  audit: string;
  audit_limit: number;
  kmsg: boolean;
  dataset: string | boolean;
  dataset_limit: number;
}>;

export type PolicyDocument = Given<{
  scope: string;
  dry_run: boolean;
  memory: MemoryDocument;
  victim: VictimDocument;
  cgroups: CgroupsDocument;
  rescue: RescueDocument;
  record: RecordDocument;
}> &
  ResourceDocuments;

export const RULE_LISTS = ["prefer", "avoid", "never"] as const;
export type RuleList = (typeof RULE_LISTS)[number];

/** A document, and where it came from. */
export interface PolicyLayer {
  readonly document: PolicyDocument;
  /** Path of the file, or `built-in:NAME`. */
  readonly file: string;
  readonly builtIn: boolean;
  /** The line of a rule, from 1. */
  readonly lineOf: (path: readonly (string | number)[]) => number | null;
}

/** Deadlines of rungs that do not say theirs, in milliseconds. */
export const DEADLINE_DEFAULT_MS = {
  command: 5_000,
  sigterm: 2_000,
  sigkill: 10_000,
  renice: 10_000,
  quarantine: 10_000,
  freeze: 30_000,
  reclaim: 10_000,
  throttle: 10_000,
  dump: 30_000,
  signal: 2_000,
  wait: 60_000,
} as const;

/** What rungs do that do not say how much. */
export const NICE_DEFAULT = 10;
export const QUARANTINE_CORES_DEFAULT = 0.5;
export const THROTTLE_SHARE_DEFAULT = 0.5;
export const DUMP_COUNT_DEFAULT = 1;
export const DUMP_SPACING_DEFAULT_MS = 1_000;
export const STABLE_DEFAULT_MS = 2_000;
