/** What a rescue did, as it goes from the rescue thread to the analysis and onto the record. */

/** What said that a cgroup is about to die. */
export type RescueTrigger =
  /** It met its limit: v1 memory.oom_control, v2 `oom` of memory.events. */
  | "oom"
  /** Usage came near the limit: v1 usage threshold, v2 memory.high. */
  | "near-limit";

export type RescueOutcome =
  /** The limit was raised. */
  | "raised"
  /** Nobody has memory to give: the kernel or the guard's ladder decides. A pause was ended. */
  | "no-plan"
  /** It was rescued as often, or lent as much, as the policy allows. A pause was ended. */
  | "cap"
  /** The kernel refused a write; what had been changed was put back. */
  | "refused"
  /** Only what would have been done: `dry_run`. */
  | "dry-run";

export interface DonorReport {
  readonly number: number;
  readonly path: string;
  readonly reducedBytes: number;
  readonly limitBeforeBytes: number;
  readonly limitAfterBytes: number;
}

export interface RescueReport {
  readonly id: string;
  readonly number: number;
  readonly path: string;
  readonly inode: number;
  readonly trigger: RescueTrigger;
  readonly outcome: RescueOutcome;
  /** Why it was refused: the kernel's word and the file. */
  readonly refusal: string | null;
  /** 1: from the global limit; 2: from donors; 0: nothing was added. */
  readonly step: 0 | 1 | 2;
  readonly addedBytes: number;
  readonly limitBeforeBytes: number;
  readonly limitAfterBytes: number;
  /** When it woke; NaN where it did not look. */
  readonly usageBytes: number;
  readonly donors: readonly DonorReport[];
  /** It was paused when the kernel spoke. */
  readonly paused: boolean;
  /** Growth that the amount was reckoned from. */
  readonly growthBytesPerSecond: number;
  /** CLOCK_MONOTONIC: the thread woke; the receiver's limit had been written. */
  readonly wokenUs: number;
  readonly raisedUs: number;
  readonly wallMs: number;
}

/** Why something lent is to go back. */
export type ReturnReason =
  /** The receiver has not needed it for long enough. */
  | "unneeded"
  /** A donor came near its reduced limit, or uses more than its median. */
  | "donor-needs"
  /** The receiver's cgroup was removed: there is nothing to lower. */
  | "receiver-gone"
  /** Somebody else wrote the receiver's limit: that word stands, there is nothing to lower. */
  | "limit-changed"
  /** The policy no longer names the receiver, or the donor. */
  | "policy";

/** A part of a loan that is to go back: the receiver's limit is lowered, then the donors' are raised. */
export interface LeaseReturn {
  /** Number of the receiver's cgroup; 0 when it is not known any more (a loan from before a restart). */
  readonly number: number;
  /** What the receiver's limit goes down by; 0 when there is nothing to lower. Else no less than the donors' sum. */
  readonly bytes: number;
  readonly donors: readonly { readonly number: number; readonly bytes: number }[];
  readonly why: ReturnReason;
}

export type ReturnOutcome =
  /** It went back, as far as `returnedBytes` says. */
  | "returned"
  /** Usage left no room for it just then: it is asked for again. */
  | "waits"
  /** The kernel refused a write; what had been changed was put back. */
  | "refused";

/** What became of a {@link LeaseReturn}, as it goes from the rescue thread to the analysis and onto the record. */
export interface ReturnReport {
  /** As in the {@link LeaseReturn}. */
  readonly number: number;
  readonly path: string;
  readonly why: ReturnReason;
  readonly outcome: ReturnOutcome;
  /** The kernel's word and the file. */
  readonly refusal: string | null;
  /** What the receiver's limit went down by. */
  readonly returnedBytes: number;
  /** NaN when there was nothing to lower. */
  readonly limitAfterBytes: number;
  readonly donors: readonly {
    readonly number: number;
    readonly path: string;
    readonly returnedBytes: number;
    readonly limitAfterBytes: number;
  }[];
  /** CLOCK_MONOTONIC when the limits had been written. */
  readonly timeUs: number;
  readonly wallMs: number;
}

/** A limit that is not what it was: as the journal has it. */
export interface OutstandingLimit {
  readonly path: string;
  readonly originalLimitBytes: number;
  readonly presentLimitBytes: number;
}

export interface Recommendation {
  readonly path: string;
  readonly limitBytes: number | null;
  readonly recommendedBytes: number;
  readonly why: string;
}
