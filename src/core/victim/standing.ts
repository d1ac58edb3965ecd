import type { ProcessRow, VictimQuestion } from "./candidate.ts";
import { type Snapshot, stuckTest } from "./snapshot.ts";

/** Why a process is no candidate; the keys of Ranking.excluded. The order is the order of the tests. */
export const EXCLUSIONS = [
  "invalid",
  "duplicate",
  "init",
  "guard",
  "kernel-thread",
  "never",
  "oom-score-adj",
  "supervisor",
  "zombie",
  "stuck",
  "group-protected",
  "too-small",
] as const;
export type Exclusion = (typeof EXCLUSIONS)[number];

/** May be ended; may be left out of a group without harm; must not end, nor any group it is in. */
export const Standing = { free: 0, absent: 1, protected: 2 } as const;

/** oom_score_adj at which the kernel never chooses a process (proc_pid_oom_score_adj(5)). */
const OOM_SCORE_ADJ_NEVER = -1000;

export interface Standings {
  /** A Standing a row. */
  readonly of: Uint8Array;
  readonly counts: Map<Exclusion, number>;
}

/** Who must never end: by identity, by policy, by the kernel's own mark, or as the ancestor of one of those. */
export function judgeStandings(snapshot: Snapshot, question: VictimQuestion): Standings {
  const { rows, parent } = snapshot;
  const counts = new Map<Exclusion, number>();
  addCount(counts, "invalid", snapshot.invalidCount);
  addCount(counts, "duplicate", snapshot.duplicateCount);
  const guards = new Uint8Array(rows.length);
  const supervisors = new Uint8Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as ProcessRow;
    if (row.pid === question.ownPid) {
      guards[i] = 1;
      markAncestors(parent, i, guards);
    }
    if (row.never) markAncestors(parent, i, supervisors);
  }
  const stuck = stuckTest(question.stuck);
  const of = new Uint8Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as ProcessRow;
    const why = exclusionOf(row, guards[i] === 1, supervisors[i] === 1, stuck(row));
    if (why === null) continue;
    addCount(counts, why, 1);
    // A thread of the kernel, a zombie and what was signalled already are no reason to spare the rest of their group.
    of[i] =
      why === "kernel-thread" || why === "zombie" || why === "stuck" ? Standing.absent : Standing.protected;
  }
  return { of, counts };
}

export function addCount(counts: Map<Exclusion, number>, why: Exclusion, by: number): void {
  if (by > 0) counts.set(why, (counts.get(why) ?? 0) + by);
}

function exclusionOf(row: ProcessRow, guard: boolean, supervisor: boolean, stuck: boolean): Exclusion | null {
  if (row.pid === 1) return "init";
  if (guard) return "guard";
  if (row.kernelThread) return "kernel-thread";
  if (row.never) return "never";
  if (row.oomScoreAdj !== null && row.oomScoreAdj <= OOM_SCORE_ADJ_NEVER) return "oom-score-adj";
  if (supervisor) return "supervisor";
  if (row.zombie) return "zombie";
  return stuck ? "stuck" : null;
}

/** Marks the ancestors of a row. Ends on a cycle too: every step marks one that was not marked. */
function markAncestors(parent: Int32Array, from: number, marks: Uint8Array): void {
  for (let i = parent[from] as number; i >= 0 && marks[i] === 0; i = parent[i] as number) marks[i] = 1;
}
