/**
 * What the choice of a victim works on, and what it answers. Plain data: a snapshot of processes in, a ranking out.
 */

/** One process as last seen. Null is absent (not read, or the kernel did not say), never zero. */
export interface ProcessRow {
  readonly pid: number;
  /** Ticks after boot at which it started (proc(5), stat field 22): with the pid, its identity. */
  readonly startTicks: number;
  readonly ppid: number;
  readonly processGroup: number;
  readonly session: number;
  readonly uid: number | null;
  readonly kernelThread: boolean;
  readonly zombie: boolean;
  /** Resident, all kinds (stat field 24). */
  readonly residentBytes: number;
  /** Private anonymous memory, resident. Shared pages count once: proportional where that was read. */
  readonly anonBytes: number | null;
  /** Swapped out. */
  readonly swapBytes: number | null;
  /** Shared memory that only this process maps and that no file name holds: it comes back when the process ends. */
  readonly ownSharedBytes: number | null;
  readonly oomScoreAdj: number | null;
  /** Number of the cgroup's memory directory (its inode), 0 for the hierarchy's root; null: not read. */
  readonly cgroupId: number | null;
  /** The cgroup asks to be ended as one: memory.oom.group. */
  readonly cgroupAsOne: boolean;
  /** +1 the policy prefers it, -1 avoids it, 0 neither. */
  readonly preference: number;
  /** The policy says never, by a rule of its own or an ancestor's. */
  readonly never: boolean;
  /** Bytes it (or what it was forked from) grew lately: present minus decayed average. Not below 0. */
  readonly grownBytes: number;
  /** CPU time in ticks since it started: its own, and that of children that ended and were waited for. */
  readonly cpuTicks: number;
  readonly childTicks: number;
}

/** Where the memory of the host or scope is, in bytes; null: not known there. */
export interface MemoryHolders {
  readonly totalBytes: number;
  readonly availableBytes: number;
  readonly anonBytes: number | null;
  readonly sharedBytes: number | null;
  readonly hugePagesBytes: number | null;
  readonly kernelBytes: number | null;
  readonly swapUsedBytes: number | null;
}

export interface VictimQuestion {
  readonly processes: readonly ProcessRow[];
  readonly holders: MemoryHolders;
  /** How much must come back until the level ends. */
  readonly shortfallBytes: number;
  /** Ticks after boot now, and ticks a second, for ages. */
  readonly nowTicks: number;
  readonly ticksPerSecond: number;
  readonly unit: "auto" | "process" | "group" | "cgroup";
  readonly minimumBytes: number;
  /** The guard itself: never a victim, nor its ancestors. */
  readonly ownPid: number;
  /** Identities ("pid:startTicks") that were signalled and would not die: not chosen again. */
  readonly stuck: ReadonlySet<string>;
}

export type CandidateKind = "process" | "process-group" | "tree" | "cgroup";

/** The parts of a score; the score is their sum. Each is in points, named in docs/victim.md. */
export interface ScoreParts {
  readonly recovers: number;
  readonly growth: number;
  readonly age: number;
  readonly oomScoreAdj: number;
  readonly preference: number;
  readonly few: number;
}

export interface Candidate {
  readonly kind: CandidateKind;
  /** The process, the group's leader (or oldest member), the tree's root, or the cgroup's oldest process. */
  readonly pid: number;
  readonly startTicks: number;
  /** pid for a process, pgid for a process group, root pid for a tree, inode for a cgroup. */
  readonly id: number;
  readonly members: readonly { readonly pid: number; readonly startTicks: number }[];
  readonly recoverableBytes: number;
  readonly grownBytes: number;
  readonly ageSeconds: number;
  readonly score: number;
  readonly parts: ScoreParts;
}

/** Why nobody is ended. */
export type Sparing =
  | { readonly why: "no-candidate" }
  | {
      readonly why: "held-elsewhere";
      readonly holder: "shared" | "huge-pages" | "kernel";
      readonly heldBytes: number;
    };

export interface Ranking {
  /** Best first. Empty when there is nobody who may be ended. */
  readonly candidates: readonly Candidate[];
  /** Set: nobody is to be ended, although there may be candidates. */
  readonly sparing: Sparing | null;
  /** How many processes each exclusion took out, for the record. */
  readonly excluded: Readonly<Record<string, number>>;
}
