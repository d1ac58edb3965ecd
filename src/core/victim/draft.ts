import type { CandidateKind, ScoreParts } from "./candidate.ts";
import { type Load, scoreOf, scoreParts } from "./score.ts";
import type { Snapshot } from "./snapshot.ts";

/** How many candidates a ranking names. */
const BEST_COUNT = 10;

/** A candidate before its members are looked up. */
export interface Draft {
  readonly kind: CandidateKind;
  readonly id: number;
  /** Row of the process the candidate is named by. */
  readonly leader: number;
  readonly pid: number;
  readonly startTicks: number;
  readonly load: Load;
  readonly score: number;
  readonly parts: ScoreParts;
}

/** What is known of a candidate before it has a score. */
export type Unscored = Omit<Load, "ageSeconds"> &
  Pick<Draft, "kind" | "id" | "leader"> & {
    /** Start of the oldest member. */
    readonly oldestTicks: number;
  };

/** Scores a candidate and keeps it if it is among the best. */
export function keepBest(best: Draft[], unscored: Unscored, snapshot: Snapshot): void {
  const { kind, id, leader, recoverableBytes, grownBytes, oomScoreAdj, preference, count, collective } =
    unscored;
  const { scale } = snapshot;
  const ageSeconds = Math.max(0, scale.nowTicks - unscored.oldestTicks) / scale.ticksPerSecond;
  const load: Load = {
    recoverableBytes,
    grownBytes,
    ageSeconds,
    oomScoreAdj,
    preference,
    count,
    collective,
  };
  const parts = scoreParts(load, scale);
  const score = scoreOf(parts);
  // Most are not among the best: they are not to cost more than their score.
  if (best.length === BEST_COUNT && score < (best[BEST_COUNT - 1] as Draft).score) return;
  const { pid, startTicks } = snapshot.rows[leader] as { pid: number; startTicks: number };
  const draft: Draft = { kind, id, leader, pid, startTicks, load, score, parts };
  let place = best.length;
  while (place > 0 && compareDrafts(draft, best[place - 1] as Draft) < 0) place--;
  if (place === BEST_COUNT) return;
  best.splice(place, 0, draft);
  if (best.length > BEST_COUNT) best.pop();
}

const KIND_ORDER: Readonly<Record<CandidateKind, number>> = {
  process: 0,
  "process-group": 1,
  tree: 2,
  cgroup: 3,
};

/** Better first: score, then what comes back, then the younger, then the higher pid, then the smaller kind. Total. */
function compareDrafts(a: Draft, b: Draft): number {
  return (
    b.score - a.score ||
    b.load.recoverableBytes - a.load.recoverableBytes ||
    b.startTicks - a.startTicks ||
    b.pid - a.pid ||
    KIND_ORDER[a.kind] - KIND_ORDER[b.kind] ||
    b.id - a.id
  );
}
