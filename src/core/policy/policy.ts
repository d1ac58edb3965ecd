import type { ResourcePolicies } from "./resources.ts";

/**
 * The policy, compiled: what every thread works from. Made once from TOML by compile.ts; plain data,
 * so that it can be handed to a worker as it is.
 */

/** The levels a memory resource can be at, mildest first. Thrashing counts as critical. */
export type LevelName = "warning" | "critical" | "thrashing";
export const LEVEL_NAMES = ["warning", "critical", "thrashing"] as const;

/** An amount of memory: so many bytes, or a share of the total (0 to 1). */
export type Amount = { readonly bytes: number } | { readonly share: number };

/** One step of a level's ladder. The next step is taken when `deadlineMs` has passed and the level still stands. */
export type Rung =
  | { readonly action: "log" }
  | { readonly action: "command"; readonly command: string; readonly deadlineMs: number }
  | { readonly action: "sigterm"; readonly deadlineMs: number }
  | { readonly action: "sigkill"; readonly deadlineMs: number };

/** A level on available memory and, where swap exists and `swapFree` is set, on free swap: both must be low. */
export interface HeadroomLevel {
  /** The level begins when less than this is available. */
  readonly available: Amount;
  /** The level ends when more than this is available again; above `available` (hysteresis). */
  readonly recover: Amount;
  /** With swap: the level needs free swap below this too. Null: swap is not looked at. */
  readonly swapFree: Amount | null;
  /** How long the level must last before its ladder starts. 0: at once. */
  readonly forMs: number;
  readonly ladder: readonly Rung[];
}

/** Thrashing: memory is moved in and out faster than work is done, even while swap is free. All must hold together. */
export interface ThrashingLevel {
  /** Pages swapped in plus pages refaulted, a second. */
  readonly pagesPerSecond: number;
  /** Share of the time (0 to 1) in which every task stalled on memory: PSI `full`. */
  readonly stallShare: number;
  /** Less than this is available. */
  readonly available: Amount;
  readonly forMs: number;
  readonly ladder: readonly Rung[];
}

export interface MemoryPolicy {
  readonly enabled: boolean;
  /** Time between two samples on a calm host. */
  readonly intervalMs: number;
  /** The shortest time between two samples, when exhaustion is near. */
  readonly intervalMinMs: number;
  /** Processes are walked when less than this is available, or when exhaustion is nearer than `walkHorizonMs`. */
  readonly walkBelow: Amount;
  readonly walkHorizonMs: number;
  /** Time between two walks near a line, and on a calm host (which keeps a baseline to see growth against). */
  readonly walkIntervalMs: number;
  readonly walkIntervalCalmMs: number;
  /** PSI `full` above this share (0 to 1) makes a level's `forMs` and deadlines shorter; it never makes a level. */
  readonly urgentStallShare: number;
  readonly warning: HeadroomLevel | null;
  readonly critical: HeadroomLevel | null;
  readonly thrashing: ThrashingLevel | null;
}

/**
 * Which processes a rule is about: every given part must match. The strings are the sources of regular expressions
 * that must match the whole value. `uid` is a number already.
 */
export interface ProcessRule {
  readonly name: string | null;
  readonly exe: string | null;
  readonly cmdline: string | null;
  readonly cgroup: string | null;
  readonly uid: number | null;
  /** The rule holds for the descendants of a matching process too. */
  readonly descendants: boolean;
  /** Line of the policy file it stands in, 0 in the built-in policy; for messages. */
  readonly line: number;
}

export type VictimUnit = "auto" | "process" | "group" | "cgroup";

export interface VictimPolicy {
  readonly unit: VictimUnit;
  readonly prefer: readonly ProcessRule[];
  readonly avoid: readonly ProcessRule[];
  readonly never: readonly ProcessRule[];
  /** A candidate that would bring back less than this is not worth its work. */
  readonly minimumBytes: number;
}

/** What one cgroup used while it was recorded. */
export interface CgroupCalibration {
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly medianBytes: number;
}

/** Which cgroups are followed, and how what they use is learned. */
export interface CgroupsPolicy {
  readonly enabled: boolean;
  /**
   * Patterns of paths below the hierarchy's root ({@link ../cgroups/pattern.ts}); those that match none are let be.
   * Those of {@link RescuePolicy} are among them: nobody is rescued, or lends, without being known.
   */
  readonly watch: readonly string[];
  /** Time between two looks at each cgroup's usage. */
  readonly intervalMs: number;
  /** Every n-th look is at memory.stat, limits, events and pressure too. */
  readonly statEvery: number;
  /** Time between two searches for cgroups that appeared or vanished. */
  readonly scanMs: number;
  /** After this time a sample counts half in the live statistics. */
  readonly halfLifeMs: number;
  /** A calibration that `plimsoll calibrate` wrote, which stands where the live statistics know little yet. */
  readonly calibrationPath: string | null;
  /** What stands in that file, by path; empty without one. Read when the policy is read. */
  readonly calibration: Readonly<Record<string, CgroupCalibration>>;
}

/** Whose memory limits may be moved, and how far. Without patterns: nobody's. */
export interface RescuePolicy {
  /** Patterns of the cgroups that may be given memory. */
  readonly cgroups: readonly string[];
  /** Patterns of those of which memory may be taken. */
  readonly donors: readonly string[];
  /** Patterns of those that may be paused at their limit (v1 oom_kill_disable) until they have been given memory. */
  readonly pause: readonly string[];
  /** Share (0 to 1) of the limit of what a cgroup lies in, up to which usage there leaves room for a raise alone. */
  readonly globalThreshold: number;
  /** So much of the host's memory stays available whatever is lent. */
  readonly hostReserve: Amount;
  /** Distance below the limit at which the kernel is asked to say so. */
  readonly marginBytes: number;
  /** Smallest and largest amount that one event adds. */
  readonly addMinBytes: number;
  readonly addMaxBytes: number;
  /** What one event adds lasts this long at the rate of growth. */
  readonly reactionMs: number;
  /** A donor keeps at least so much more than it uses. */
  readonly donorMargin: Amount;
  /** A cgroup is lent at most this share (1: as much again) of its own limit. */
  readonly lendShareMax: number;
  /** After so many rescues within `rescuesWithinMs` nothing more is lent. */
  readonly rescuesMax: number;
  readonly rescuesWithinMs: number;
  /** What was lent returns when it has not been needed for this long. */
  readonly returnAfterMs: number;
}

export interface RecordPolicy {
  /** The audit log, JSON lines. Null: the place usual for the user (docs/operating.md). */
  readonly auditPath: string | null;
  /** The audit log is begun anew, one older one kept, when it grows over this. */
  readonly auditLimitBytes: number;
  /** Every decision also as a line in the kernel log. */
  readonly kmsg: boolean;
  /** Each start of the guard records what it samples, in a dataset of its own. */
  readonly samples: boolean;
  /** Below this directory. Null: the place usual for the user (docs/operating.md). */
  readonly datasetDirectory: string | null;
  /** What of it is oldest is removed when it has grown to this. */
  readonly datasetLimitBytes: number;
}

export interface Policy extends ResourcePolicies {
  /** Where it came from: a path, or `built-in:NAME`. */
  readonly source: string;
  /** `host`, or a memory cgroup's path below the mount of its hierarchy, such as `/machine/build`. */
  readonly scope: string;
  readonly dryRun: boolean;
  readonly memory: MemoryPolicy;
  readonly victim: VictimPolicy;
  readonly cgroups: CgroupsPolicy;
  readonly rescue: RescuePolicy;
  readonly record: RecordPolicy;
}

/** What an amount is in bytes, of a total in bytes. */
export function amountBytes(amount: Amount, totalBytes: number): number {
  return "bytes" in amount ? amount.bytes : amount.share * totalBytes;
}

/** Whether the policy lets any limit be moved. */
export function rescues({ rescue }: Pick<Policy, "rescue">): boolean {
  return rescue.cgroups.length > 0;
}
