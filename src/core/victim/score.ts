import type { ScoreParts } from "./candidate.ts";
import type { Scale } from "./snapshot.ts";

/** Points of each part of a score. Why each has its size: docs/victim.md. */
const Weight = {
  /** Brings back the whole shortfall. */
  covers: 40,
  /** Would bring back all memory of the host: a smaller hog before a bigger one only for better reasons. */
  size: 12,
  /** Is all the growth there is. */
  growth: 60,
  /** Was started just now. */
  age: 15,
  /** oom_score_adj 1000. */
  adjPositive: 6,
  /** oom_score_adj -1000, had it not been excluded. */
  adjNegative: 40,
  preference: 40,
  /** Ending a group whose members could be ended singly. */
  collective: 24,
  /** Each doubling of the number of processes ended. */
  doubling: 1,
} as const;

/** The age from which on a process is simply old. */
const AGE_OLD_SECONDS = 30 * 24 * 3600;
const LOG_AGE_OLD = Math.log1p(AGE_OLD_SECONDS);

/** What is known of a candidate, process or group. */
export interface Load {
  readonly recoverableBytes: number;
  readonly grownBytes: number;
  readonly ageSeconds: number;
  /** -999 to 1000, 0 where not known; of a group the lowest. */
  readonly oomScoreAdj: number;
  /** -1, 0, +1; of a group the lowest. */
  readonly preference: number;
  /** How many processes end. */
  readonly count: number;
  /** The members could be ended singly too. */
  readonly collective: boolean;
}

/** The parts of the score, in points. Finite for every load of finite numbers. */
export function scoreParts(load: Load, scale: Scale): ScoreParts {
  const covered = Math.min(1, load.recoverableBytes / scale.shortfallBytes);
  const size = Math.sqrt(Math.min(1, load.recoverableBytes / scale.totalBytes));
  const adj = load.oomScoreAdj / 1000;
  const old = Math.log1p(Math.min(load.ageSeconds, AGE_OLD_SECONDS)) / LOG_AGE_OLD;
  // Nearly every candidate is a single process: its logarithm is known.
  const doublings = load.count === 1 ? 0 : Math.log2(load.count);
  const price = (load.collective ? Weight.collective : 0) + Weight.doubling * doublings;
  return {
    recovers: Weight.covers * covered + Weight.size * size,
    growth: Weight.growth * Math.min(1, load.grownBytes / scale.growthBytes),
    age: Weight.age * (1 - old),
    oomScoreAdj: adj * (adj > 0 ? Weight.adjPositive : Weight.adjNegative),
    preference: Weight.preference * load.preference,
    few: 0 - price,
  };
}

/** The score: the sum of the parts, always in this order. */
export function scoreOf(parts: ScoreParts): number {
  return parts.recovers + parts.growth + parts.age + parts.oomScoreAdj + parts.preference + parts.few;
}
