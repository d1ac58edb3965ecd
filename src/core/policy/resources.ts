import type { ApplicationsPolicy } from "./applications.ts";
import type { Amount, Rung } from "./policy.ts";

/** The policy of what is guarded besides memory. Shares are 0 to 1. docs/policy.md says what each is for. */

/** Gentler than to end a process, and reversible: each is undone when the level ends, and by the guardian. */
export type CpuRung =
  | Rung
  | { readonly action: "renice"; readonly nice: number; readonly deadlineMs: number }
  /** The process's cgroup is given at most so many processors (0.1: a tenth of one). */
  | { readonly action: "quarantine"; readonly cores: number; readonly deadlineMs: number }
  /** SIGSTOP; it goes on when the level has ended. */
  | { readonly action: "freeze"; readonly deadlineMs: number };

export interface CpuPolicy {
  readonly enabled: boolean;
  readonly intervalMs: number;
  /** The level begins at this share of all processors in use, as an average that halves … */
  readonly busyShare: number;
  /** … and ends below this one. */
  readonly recoverShare: number;
  /** Samples over which the average goes: its weight of a new one is 2 / (window + 1). */
  readonly window: number;
  /** So many averages in a row must be at the level. */
  readonly inARow: number;
  readonly ladder: readonly CpuRung[];
  readonly fairUse: FairUsePolicy | null;
}

/** Cgroups that use more than their share for long are given less, until they behave. */
export interface FairUsePolicy {
  readonly cgroups: readonly string[];
  /** Processor seconds a second. */
  readonly cores: number;
  /** Time over which use is averaged. */
  readonly windowMs: number;
  /** Above its share for so long it is warned of, and for so long after that quarantined. */
  readonly warnMs: number;
  readonly quarantineMs: number;
  /** What it is given meanwhile, in processors. */
  readonly quarantineCores: number;
  /** The first test of a release comes after this, each further one after twice the time. */
  readonly releaseMs: number;
  /** A test measures so long. */
  readonly measureMs: number;
}

/** An amount of space (bytes) or of inodes (a count), or a share of all there is. */
export interface Room {
  /** The level begins when less than this is free. */
  readonly low: Amount;
  /** It ends, and reclaim has enough, when this is free again. */
  readonly recover: Amount;
}

export type DiskRung = Rung | { readonly action: "reclaim"; readonly deadlineMs: number };

/** Files that may be removed. */
export interface PlaceRule {
  /** Absolute; `*` and `?` within a name, `**` for any directories. No symlink is followed. */
  readonly files: string;
  /** Only those not written to for so long. */
  readonly ageMs: number;
  readonly order: "oldest" | "largest";
  /** `auto`: deleted, or truncated in place where a process holds it open for writing. */
  readonly method: "auto" | "delete" | "truncate";
}

/** What is otherwise for the mounts whose path matches. */
export interface MountRule {
  /** As {@link PlaceRule.files}; the last that matches counts. */
  readonly path: string;
  readonly enabled: boolean;
  readonly space: Room | null;
  readonly inodes: Room | null;
}

export interface DiskPolicy {
  readonly enabled: boolean;
  readonly intervalMs: number;
  readonly intervalMinMs: number;
  /** Files are looked for ahead, and looks come oftener, when a mount would be full sooner than this. */
  readonly horizonMs: number;
  readonly space: Room;
  readonly inodes: Room;
  readonly mounts: readonly MountRule[];
  readonly places: readonly PlaceRule[];
  /** A process fills a disk at an abnormal rate when it writes so many times what it wrote on average in its life. */
  readonly abnormalFactor: number;
  readonly ladder: readonly DiskRung[];
}

/** Nobody is ended for I/O: who is throttled harms nobody any more. */
export type IoRung =
  | Extract<Rung, { readonly action: "log" | "command" }>
  /** The heaviest cgroup is let do this share of what it does now. */
  | { readonly action: "throttle"; readonly share: number; readonly deadlineMs: number };

export interface IoPolicy {
  readonly enabled: boolean;
  readonly intervalMs: number;
  /** A device is saturated when it is busy for this share of the time … */
  readonly busyShare: number;
  /** … and tasks of the host stall on I/O for this share (PSI io, some) … */
  readonly stallShare: number;
  /** … for so long. */
  readonly forMs: number;
  /** Who may be throttled, and which devices are looked at (`*` as in names). */
  readonly cgroups: readonly string[];
  readonly devices: readonly string[];
  /** Never below this, a device. */
  readonly bytesMinPerSecond: number;
  readonly operationsMinPerSecond: number;
  readonly releaseMs: number;
  readonly measureMs: number;
  readonly ladder: readonly IoRung[];
}

/** One step of the squeeze: a rate, and a delay that is added (0: none). */
export interface SqueezeStep {
  readonly bytesPerSecond: number;
  readonly delayMs: number;
}

export interface NetPolicy {
  readonly enabled: boolean;
  /** Patterns of names (`*`, `?`). Which are listened to and may be put down … */
  readonly interfaces: readonly string[];
  /** … and which never, whatever the line above says. */
  readonly never: readonly string[];
  /** What is done to a local interface whose MAC address another host has too. */
  readonly duplicate: "log" | "down" | "retest";
  /** After `retest`, how long it stays down before it is tried again; doubles. */
  readonly retestMs: number;
  /** What was heard so long ago is forgotten. */
  readonly expiryMs: number;
  /** Addresses that move by design (VRRP, HSRP and CARP groups are known) besides these, as patterns. */
  readonly movingMacs: readonly string[];
  readonly rates: RatesPolicy | null;
}

/** Interfaces that send too much are squeezed, step by step, and at last put down. */
export interface RatesPolicy {
  readonly intervalMs: number;
  readonly interfaces: readonly string[];
  /** Samples over which the average goes. */
  readonly window: number;
  readonly bytesPerSecond: number;
  readonly packetsPerSecond: number;
  readonly downBytesPerSecond: number;
  readonly downPacketsPerSecond: number;
  readonly steps: readonly SqueezeStep[];
  /** A step is taken at most so often, and taken back after so long below half of the limit. */
  readonly stepMs: number;
  readonly relaxMs: number;
  /** After the last step: put it down. */
  readonly down: boolean;
}

export interface VmPolicy {
  readonly enabled: boolean;
  /** As `virsh --connect` takes it. */
  readonly uri: string;
  readonly intervalMs: number;
  /** Patterns of domains that are never touched; and who comes first, in this order, before size decides. */
  readonly never: readonly string[];
  readonly order: readonly string[];
  /** The level of memory at which domains are hibernated, the one that uses most first; null: at none. */
  readonly hibernateAt: "warning" | "critical" | null;
  /** Under load of the processors those that use most are suspended first. */
  readonly freezeOnCpu: boolean;
  /** Suspended domains go on when the pressure has been over for so long. */
  readonly resumeAfterMs: number;
  /** When neither helps: virsh destroy. */
  readonly destroy: boolean;
  /** Patterns of cgroups with QEMU processes that libvirt does not know of. */
  readonly qemuCgroups: readonly string[];
  readonly deadlineMs: number;
}

export interface ResourcePolicies {
  readonly cpu: CpuPolicy;
  readonly disk: DiskPolicy;
  readonly io: IoPolicy;
  readonly net: NetPolicy;
  readonly vm: VmPolicy;
  readonly app: ApplicationsPolicy;
}
