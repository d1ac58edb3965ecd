import type { Candidate, ProcessRow, Ranking, VictimQuestion } from "./candidate.ts";
import { considerAll, type Field } from "./consider.ts";
import type { Draft } from "./draft.ts";
import { compareAge, treeMembers, type Trees } from "./groups.ts";
import { readSnapshot, type Snapshot } from "./snapshot.ts";
import { judgeSparing } from "./spare.ts";
import { EXCLUSIONS, judgeStandings, Standing, type Standings } from "./standing.ts";

/**
 * Ranks who is to be ended so that `shortfallBytes` come back: best first, at most ten; and says when it is
 * better to end nobody. Bytes in, points and bytes out; what the parts of a score weigh and why: docs/victim.md.
 *
 * Pure: every order of `processes` gives the same answer. Throws for nothing that a snapshot may hold: cycles,
 * orphans, duplicate pids, values that are negative, NaN or infinite. The guard's own ancestors are spared as far as
 * the snapshot holds them and the guard.
 */
export function rankVictims(question: VictimQuestion): Ranking {
  const snapshot = readSnapshot(question);
  const standings = judgeStandings(snapshot, question);
  const field = considerAll(question, snapshot, standings);
  const candidates = field.best.map((draft) => materialise(draft, snapshot, standings, field.trees));
  return {
    candidates,
    sparing: judgeSparing(
      candidates[0],
      restOf(field, snapshot, standings),
      question.holders,
      snapshot.scale,
    ),
    excluded: countsOf(standings),
  };
}

/** What the judgement of sparing needs beside the best candidate. */
function restOf(
  field: Field,
  snapshot: Snapshot,
  standings: Standings,
): { largestBytes: number; ownSharedBytes: number } {
  let ownSharedBytes = 0;
  for (let i = 0; i < snapshot.rows.length; i++) {
    if (standings.of[i] === Standing.free) ownSharedBytes += snapshot.ownSharedBytes[i] as number;
  }
  return { largestBytes: field.largestBytes, ownSharedBytes };
}

function countsOf(standings: Standings): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const why of EXCLUSIONS) {
    const count = standings.counts.get(why);
    if (count !== undefined) counts[why] = count;
  }
  return counts;
}

function materialise(draft: Draft, snapshot: Snapshot, standings: Standings, trees: Trees | null): Candidate {
  const { kind, id, pid, startTicks, load, score, parts } = draft;
  const members = memberRows(draft, snapshot, standings, trees)
    .map((i) => snapshot.rows[i] as ProcessRow)
    .sort(compareAge)
    .map((row) => ({ pid: row.pid, startTicks: row.startTicks }));
  const { recoverableBytes, grownBytes, ageSeconds } = load;
  return { kind, pid, startTicks, id, members, recoverableBytes, grownBytes, ageSeconds, score, parts };
}

function memberRows(draft: Draft, snapshot: Snapshot, standings: Standings, trees: Trees | null): number[] {
  if (draft.kind === "process") return [draft.leader];
  if (draft.kind === "tree" && trees !== null) return treeMembers(trees, standings.of, draft.leader);
  const members: number[] = [];
  for (let i = 0; i < snapshot.rows.length; i++) {
    const row = snapshot.rows[i] as ProcessRow;
    const id = draft.kind === "cgroup" ? row.cgroupId : row.processGroup;
    if (id === draft.id && standings.of[i] === Standing.free) members.push(i);
  }
  return members;
}
