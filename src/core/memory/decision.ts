import type { LevelName, Rung } from "../policy/policy.ts";
import type { Candidate, ProcessRow, Ranking } from "../victim/candidate.ts";

/** The numbers that a decision stands on, as they were. Bytes and times; null is absent. */
export interface Numbers {
  readonly totalBytes: number | null;
  readonly availableBytes: number | null;
  readonly lineBytes: number | null;
  readonly recoverBytes: number | null;
  readonly swapTotalBytes: number | null;
  readonly swapFreeBytes: number | null;
  readonly fillBytesPerSecond: number;
  readonly timeToExhaustionMs: number | null;
  readonly pagesPerSecond: number;
  readonly stallShare: number;
  readonly sharedBytes: number | null;
  readonly hugePagesBytes: number | null;
  readonly kernelBytes: number | null;
  readonly anonBytes: number | null;
}

/**
 * What the analysis decided.
 * - `end`: the victim's ladder is climbed.
 * - `notify`: the level's ladder ends nobody; its logs and commands are run.
 * - `spare`: ending anybody would not help; said, and nobody touched.
 * - `nobody`: there is nobody who may be ended.
 */
export type Verdict = "end" | "notify" | "spare" | "nobody";

export interface Decision {
  readonly id: string;
  /** Its place in the analysis's count; the end of its id. */
  readonly number: number;
  readonly level: LevelName;
  /** CLOCK_MONOTONIC. */
  readonly atUs: number;
  readonly verdict: Verdict;
  readonly numbers: Numbers;
  readonly shortfallBytes: number;
  readonly rungs: readonly Rung[];
  readonly victim: Candidate | null;
  readonly candidates: readonly Candidate[];
  readonly sparing: Ranking["sparing"];
  readonly excluded: Ranking["excluded"];
  readonly dryRun: boolean;
  /** The sentinel carried out a standing order on the kernel's word, before the analysis was asked. */
  readonly ahead: boolean;
}

/** What the sentinel does at once when the kernel says that the line is crossed. */
export interface StandingOrder {
  readonly id: string;
  readonly number: number;
  readonly candidate: Candidate;
  readonly ranking: Ranking;
  readonly signal: number;
  /** It may be carried out without asking: the level needs no time, and nothing comes before the first signal. */
  readonly immediate: boolean;
  readonly lineBytes: number;
  readonly shortfallBytes: number;
}

export interface LevelChange {
  readonly level: LevelName;
  readonly change: "began" | "ended";
  readonly atUs: number;
  readonly numbers: Numbers;
}

/** A process as the analysis keeps it between walks. */
export type MutableProcessRow = { -readonly [K in keyof ProcessRow]: ProcessRow[K] } & { forked: boolean };

/** One walk over the processes. */
export interface Walk {
  readonly rows: readonly MutableProcessRow[];
  readonly beganUs: number;
  readonly endedUs: number;
  readonly nowTicks: number;
  readonly leftOut: number;
}

export function isEnding(rung: Rung): boolean {
  return rung.action === "sigterm" || rung.action === "sigkill";
}

const SIGTERM = 15;
const SIGKILL = 9;

/** A process is given at least so long after SIGTERM, however near exhaustion is; where there is less, none is sent. */
export const GRACE_US = 10_000;

/** The signal a ladder begins with, when nothing but log lines comes before; 0 otherwise. */
export function firstSignal(rungs: readonly Rung[]): number {
  const first = rungs.find((rung) => rung.action !== "log");
  return first === undefined ? 0 : signalOf(first);
}

/** Whether the first signal is the sentinel's: for one process, or for a whole process group at one stroke. */
export function isSentinels(victim: Pick<Candidate, "kind"> | null, signal: number): boolean {
  return signal !== 0 && (victim?.kind === "process" || victim?.kind === "process-group");
}

/** The signal of an ending rung, 0 of any other. */
export function signalOf(rung: { readonly action: string }): number {
  return rung.action === "sigterm" ? SIGTERM : rung.action === "sigkill" ? SIGKILL : 0;
}
