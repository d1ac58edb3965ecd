import type { CandidateKind, ProcessRow, VictimQuestion } from "./candidate.ts";
import { type Draft, keepBest } from "./draft.ts";
import {
  adjOf,
  type KeyedGroups,
  preferenceOf,
  type Sums,
  sumCgroups,
  sumProcessGroups,
  sumTrees,
  type Trees,
} from "./groups.ts";
import { recoverableBytes, type Snapshot } from "./snapshot.ts";
import { addCount, Standing, type Standings } from "./standing.ts";

/** Fewer members than this are no crowd: in `auto` they are looked at one by one. */
const CROWD_COUNT = 8;
/** In `auto` a group of which one member holds this share is not the hog: that member is. */
const DOMINANT_SHARE = 0.5;
/** A tree of which one child's subtree holds this share is not named by its root: the subtree is looked at. */
const DESCEND_SHARE = 0.9;

/** The best candidates, and what is needed to look up their members. */
export interface Field {
  readonly best: readonly Draft[];
  /** What the one candidate that brings back most would bring back. */
  readonly largestBytes: number;
  readonly trees: Trees | null;
}

interface Work {
  readonly snapshot: Snapshot;
  readonly standings: Standings;
  readonly best: Draft[];
  largestBytes: number;
}

/** Gathers the candidates of the asked unit; counts in `standings` whom it leaves out. */
export function considerAll(question: VictimQuestion, snapshot: Snapshot, standings: Standings): Field {
  const { unit } = question;
  const work: Work = { snapshot, standings, best: [], largestBytes: 0 };
  const apart = new Uint8Array(snapshot.rows.length);
  let trees: Trees | null = null;
  if (unit !== "process") {
    considerCgroups(work, sumCgroups(snapshot, standings.of, unit === "cgroup" ? "all" : "as-one"), apart);
  }
  if (unit === "group") {
    considerProcessGroups(work, sumProcessGroups(snapshot, standings.of, apart), apart);
  } else if (unit === "auto") {
    const groups = sumProcessGroups(snapshot, standings.of, apart);
    trees = sumTrees(snapshot, standings.of, apart);
    considerCrowds(work, groups);
    considerTrees(work, trees, groups);
  }
  considerProcesses(work, apart);
  return { best: work.best, largestBytes: work.largestBytes, trees };
}

/** Cgroups that end as one. Marks in `apart` the rows that are not to be looked at singly any more. */
function considerCgroups(work: Work, cgroups: KeyedGroups, apart: Uint8Array): void {
  const { snapshot, standings } = work;
  if (cgroups.slots.size === 0) return;
  for (const [id, slot] of cgroups.slots) {
    if (cgroups.sums.blocked[slot] === 0) considerGroup(work, "cgroup", id, cgroups.sums, slot);
    else if (cgroups.asOne.has(id)) {
      addCount(standings.counts, "group-protected", cgroups.sums.count[slot] as number);
    }
  }
  for (let i = 0; i < apart.length; i++) {
    const id = (snapshot.rows[i] as ProcessRow).cgroupId;
    const slot = id === null ? undefined : cgroups.slots.get(id);
    // Where a cgroup must not end and does not ask to end as one, its members stay single.
    if (slot !== undefined && (cgroups.sums.blocked[slot] === 0 || cgroups.asOne.has(id as number)))
      apart[i] = 1;
  }
}

/** Unit `group`: every process group is a candidate, also one of one. Members of a blocked one stay single. */
function considerProcessGroups(work: Work, groups: KeyedGroups, apart: Uint8Array): void {
  for (const [id, slot] of groups.slots) {
    if (groups.sums.blocked[slot] === 0) considerGroup(work, "process-group", id, groups.sums, slot);
  }
  for (let i = 0; i < apart.length; i++) {
    const slot = groups.slots.get((work.snapshot.rows[i] as ProcessRow).processGroup);
    if (slot !== undefined && groups.sums.blocked[slot] === 0) apart[i] = 1;
  }
}

/** Unit `auto`: process groups of many small members. */
function considerCrowds(work: Work, groups: KeyedGroups): void {
  for (const [id, slot] of groups.slots) {
    if (isCrowd(work.snapshot, groups.sums, slot)) {
      considerGroup(work, "process-group", id, groups.sums, slot, true);
    }
  }
}

/** Unit `auto`: trees of many small members that are more or less than a process group (a build under ninja(1)). */
function considerTrees(work: Work, trees: Trees, groups: KeyedGroups): void {
  const { snapshot, standings } = work;
  const { sums } = trees;
  for (let k = 0; k < trees.orderLength; k++) {
    const root = trees.order[k] as number;
    if (standings.of[root] !== Standing.free || !isCrowd(snapshot, sums, root)) continue;
    const row = snapshot.rows[root] as ProcessRow;
    // A session's leader is a shell or a service manager: what it started need have nothing in common.
    if (row.pid === row.session) continue;
    const bytes = (sums.privateBytes[root] as number) + (sums.ownSharedBytes[root] as number);
    if ((trees.largestChildBytes[root] as number) >= DESCEND_SHARE * bytes) continue;
    const slot = groups.slots.get(row.processGroup);
    const wholeGroup = slot !== undefined && groups.sums.count[slot] === sums.count[root];
    if (trees.scattered[root] === 0 && wholeGroup) continue;
    considerGroup(work, "tree", row.pid, sums, root, true);
  }
}

function considerProcesses(work: Work, apart: Uint8Array): void {
  const { snapshot, standings } = work;
  const { rows, scale } = snapshot;
  let tooSmall = 0;
  for (let i = 0; i < rows.length; i++) {
    if (standings.of[i] !== Standing.free || apart[i] !== 0) continue;
    const ownShared = snapshot.ownSharedBytes[i] as number;
    const bytes = recoverableBytes(scale, snapshot.privateBytes[i] as number, ownShared);
    if (bytes < scale.worthBytes || bytes === 0) {
      tooSmall++;
      continue;
    }
    const row = rows[i] as ProcessRow;
    work.largestBytes = Math.max(work.largestBytes, bytes);
    const unscored = {
      kind: "process" as const,
      id: row.pid,
      leader: i,
      recoverableBytes: bytes,
      grownBytes: snapshot.grownBytes[i] as number,
      oldestTicks: row.startTicks,
      oomScoreAdj: adjOf(row),
      preference: preferenceOf(row),
      count: 1,
      collective: false,
    };
    keepBest(work.best, unscored, snapshot);
  }
  addCount(standings.counts, "too-small", tooSmall);
}

function considerGroup(
  work: Work,
  kind: CandidateKind,
  id: number,
  sums: Sums,
  slot: number,
  collective = false,
): void {
  const { snapshot, standings } = work;
  const count = sums.count[slot] as number;
  if (count === 0) return;
  const bytes = groupBytes(snapshot, sums, slot);
  if (bytes < snapshot.scale.worthBytes || bytes === 0) {
    // Members of a crowd are looked at singly too, and counted there.
    if (!collective) addCount(standings.counts, "too-small", count);
    return;
  }
  const oldest = sums.oldest[slot] as number;
  work.largestBytes = Math.max(work.largestBytes, bytes);
  const unscored = {
    kind,
    id,
    leader: leaderOf(work, kind, id, oldest),
    recoverableBytes: bytes,
    grownBytes: sums.grownBytes[slot] as number,
    oldestTicks: (snapshot.rows[oldest] as ProcessRow).startTicks,
    oomScoreAdj: sums.oomScoreAdj[slot] as number,
    preference: sums.preference[slot] as number,
    count,
    collective,
  };
  keepBest(work.best, unscored, snapshot);
}

/** The process group's leader while it lives, the tree's root, else the oldest. */
function leaderOf(work: Work, kind: CandidateKind, id: number, oldest: number): number {
  const named = kind === "cgroup" ? undefined : work.snapshot.indexOf.get(id);
  if (named === undefined || work.standings.of[named] !== Standing.free) return oldest;
  return kind === "tree" || (work.snapshot.rows[named] as ProcessRow).processGroup === id ? named : oldest;
}

/** Many members, started together, none of which is the hog, and none of which must live. */
function isCrowd(snapshot: Snapshot, sums: Sums, slot: number): boolean {
  if ((sums.count[slot] as number) < CROWD_COUNT) return false;
  if (sums.blocked[slot] !== 0 || sums.mixed[slot] !== 0) return false;
  return (sums.largestBytes[slot] as number) < DOMINANT_SHARE * groupBytes(snapshot, sums, slot);
}

function groupBytes(snapshot: Snapshot, sums: Sums, slot: number): number {
  return recoverableBytes(
    snapshot.scale,
    sums.privateBytes[slot] as number,
    sums.ownSharedBytes[slot] as number,
  );
}
