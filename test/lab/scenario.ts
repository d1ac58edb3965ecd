/** What a scenario is, and what a play of it yields. Plain data; the judging of one by the other is in judge.ts. */

/** A program of test/programs/hog.c under a name of its own. */
export interface Program {
  /** Its name (comm, at most 15 bytes), by which guards and results know it. */
  readonly name: string;
  /** Arguments of hog: the mode first. */
  readonly args: readonly string[];
  /** Milliseconds after time zero (the guard is ready and settled), or before the guard is started. */
  readonly at: number | "before";
  readonly oomScoreAdj?: number;
  /** Path of a cgroup's directory, to begin in. */
  readonly cgroup?: string;
}

export interface VmShape {
  readonly memory: "512M" | "1G" | "2G";
  readonly swap: "512M" | "1G" | null;
  readonly cgroup: "v1" | "v2";
}

export interface Scenario {
  readonly name: string;
  /** What happens and what is right, in one sentence. */
  readonly story: string;
  readonly vm: VmShape;
  readonly programs: readonly Program[];
  /** The guard is started as a child of this program. */
  readonly guardParent?: Pick<Program, "name" | "args">;
  /**
   * Who is to be ended: of all processes so named at least one (`any`), or every one (`all`).
   * Null: nobody is to be ended at all.
   */
  readonly victim: { readonly name: string; readonly which: "any" | "all" } | null;
  /** Names of which every process must be alive at the end, with no signal sent to it. */
  readonly innocents: readonly string[];
  /** Names that the guard's own configuration says never to end. */
  readonly never?: readonly string[];
  /** A tmpfs as large as memory is mounted here. */
  readonly tmpfs?: string;
  readonly cgroup?: { readonly path: string; readonly file: string; readonly value: string };
  /** How long to play when the victim is not ended before. */
  readonly lastMs: number;
  /** How long to go on after the victim has ended (2 s): what comes back too late costs an innocent then. */
  readonly graceMs?: number;
}

/** A SIGTERM or SIGKILL as the kernel traced it (signal:signal_generate); time on CLOCK_MONOTONIC. */
export interface SentSignal {
  readonly atMs: number;
  readonly signal: number;
  /** Sent by the kernel itself (SI_KERNEL): its OOM killer. */
  readonly byKernel: boolean;
  readonly fromName: string;
  readonly fromPid: number;
  readonly toName: string;
  readonly toPid: number;
}

export interface PlayedProgram {
  readonly name: string;
  readonly pid: number;
  readonly startedMs: number;
  /** 0: it lives. */
  readonly endedMs: number;
  /** Exit status, or -1 when it was ended by `signal`. */
  readonly exit: number;
  readonly signal: number;
  /** How many processes of this name were alive at the end. */
  readonly left: number;
}

/** The facts of one play, as test/lab/guest/play.c wrote them. Times in ms on CLOCK_MONOTONIC, sizes in KiB. */
export interface Facts {
  /** 0: the guard never said that it was ready. */
  readonly readyMs: number;
  readonly zeroMs: number;
  readonly overMs: number;
  readonly guardPid: number;
  readonly guardLives: boolean;
  readonly guardStatus: number;
  /** The kernel's own count of OOM kills, oom_kill of /proc/vmstat. */
  readonly oomKills: number;
  readonly totalKib: number;
  readonly availableFirstKib: number;
  readonly availableLowKib: number;
  readonly swapFreeLowKib: number;
  /** Each time at which less than the line became available, after more than half as much again had been. */
  readonly crossedMs: readonly number[];
  readonly clockWorstGapMs: number;
  readonly clockWorstGapAtMs: number;
  readonly clockTicks: number;
  readonly programs: readonly PlayedProgram[];
  /** From SIGTERM to the guard's end; -1: it had to be killed, or had ended already. */
  readonly guardStopMs: number;
}

export interface Play {
  readonly scenario: string;
  readonly guard: string;
  /** Null: the VM ended before the play was over. */
  readonly facts: Facts | null;
  readonly signals: readonly SentSignal[];
  readonly guardLog: string;
  readonly programsLog: string;
}
