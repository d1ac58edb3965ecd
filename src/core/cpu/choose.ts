import type { CandidateKind, ProcessRow, VictimQuestion } from "../victim/candidate.ts";
import {
  compareAge,
  type KeyedGroups,
  preferenceOf,
  sumCgroups,
  sumProcessGroups,
  sumTrees,
  treeMembers,
  type Trees,
} from "../victim/groups.ts";
import { readSnapshot, type Snapshot } from "../victim/snapshot.ts";
import { EXCLUSIONS, judgeStandings, Standing, type Standings } from "../victim/standing.ts";
import type { Culprit } from "./action.ts";
import { PARTS_PER_CORE, type Use } from "./process-loads.ts";

/** How many candidates are named. */
const BEST_COUNT = 10;
/** A group is one culprit when it uses so many times what its hungriest member does … */
const CROWD_FACTOR = 8;
/** … and one who may be left in peace otherwise has to use so much more, while the run queue is not long. */
const SINGLE_FACTOR = 8;
/** How much more, or less, the policy's preference makes of somebody's use. */
const PREFERENCE_FACTOR = 4;
/** Of what is to go, who uses less than this share is not worth his work; nor is who uses less than a hundredth of a processor. */
const WORTH_SHARE = 0.05;
const WORTH_PARTS = 0.01 * PARTS_PER_CORE;

export interface CulpritQuestion {
  readonly processes: readonly ProcessRow[];
  /** What each used over the window. */
  readonly useOf: (row: ProcessRow) => Use;
  /** What those used that are gone, of a process group. */
  readonly departedOfGroup: (processGroup: number) => number;
  /** Processors online, tasks that run or could, and how many processors must become free for the level to end. */
  readonly cores: number;
  readonly running: number;
  readonly excessCores: number;
  readonly unit: VictimQuestion["unit"];
  readonly ownPid: number;
  /** Identities ("pid:startTicks") that were acted on already. */
  readonly settled: ReadonlySet<string>;
}

export interface CpuCandidate extends Culprit {
  /** Processors it used, on average over the window. */
  readonly cores: number;
  /** Its use, weighed: the order of the ranking. */
  readonly weight: number;
  readonly preference: number;
}

export interface CulpritRanking {
  /** Heaviest first, at most ten; empty: there is nobody who may be acted on and is worth it. */
  readonly candidates: readonly CpuCandidate[];
  /** How many processes each exclusion took out. */
  readonly excluded: Readonly<Record<string, number>>;
}

interface Draft {
  readonly kind: CandidateKind;
  readonly id: number;
  /** Row it is named by. */
  readonly leader: number;
  readonly parts: number;
  readonly weight: number;
  readonly preference: number;
}

interface Work {
  readonly question: CulpritQuestion;
  readonly snapshot: Snapshot;
  readonly standings: Standings;
  readonly uses: readonly Use[];
  /** How many times what a single one uses a crowd must use, to come before it. */
  readonly crowdPrice: number;
  readonly worthParts: number;
  readonly drafts: Draft[];
}

/**
 * Ranks who creates the load, by processor time over the window. Those who must not be touched are those who must not
 * be ended for memory (victim/standing.ts). Pure; every order of `processes` gives the same answer.
 *
 * A crowd (a fork bomb, a build) is a process group or a tree that uses eight times what any member of it does. Where
 * the run queue is no longer than there are processors, a single one comes before a crowd that uses up to eight times
 * as much: to be busy together is no fault. The longer the queue, the less that counts: many who all could run are what
 * a long queue consists of.
 */
export function rankCulprits(question: CulpritQuestion): CulpritRanking {
  const victims = questionOf(question);
  const read = readSnapshot(victims);
  const standings = judgeStandings(read, victims);
  const uses = read.rows.map(question.useOf);
  const zeros = new Float64Array(read.rows.length);
  const snapshot: Snapshot = {
    ...read,
    // What sums over groups add up is bytes for memory; here it is use.
    privateBytes: Float64Array.from(uses, (use) => use.ownParts),
    ownSharedBytes: zeros,
    grownBytes: zeros,
  };
  const queue = question.running / Math.max(1, question.cores);
  const work: Work = {
    question,
    snapshot,
    standings,
    uses,
    crowdPrice: Math.min(SINGLE_FACTOR, Math.max(1, SINGLE_FACTOR / Math.max(queue, 1))),
    worthParts: Math.max(WORTH_PARTS, WORTH_SHARE * question.excessCores * PARTS_PER_CORE),
    drafts: [],
  };
  const trees = consider(work);
  const best = work.drafts.sort((a, b) => compareDrafts(a, b, snapshot)).slice(0, BEST_COUNT);
  return {
    candidates: best.map((draft) => materialise(draft, work, trees)),
    excluded: Object.fromEntries(
      EXCLUSIONS.flatMap((why) => {
        const count = standings.counts.get(why);
        return count === undefined ? [] : [[why, count]];
      }),
    ),
  };
}

/** What the exclusions and the sums ask; what else a question of memory holds is not used. */
function questionOf(question: CulpritQuestion): VictimQuestion {
  const { processes, unit, ownPid, settled } = question;
  const absent = {
    anonBytes: null,
    sharedBytes: null,
    hugePagesBytes: null,
    kernelBytes: null,
    swapUsedBytes: null,
  };
  return {
    processes,
    holders: { totalBytes: 1, availableBytes: 0, ...absent },
    shortfallBytes: 1,
    nowTicks: 0,
    ticksPerSecond: 1,
    unit,
    minimumBytes: 0,
    ownPid,
    stuck: settled,
  };
}

/** Gathers candidates of the asked unit. @returns the trees, where they were looked at */
function consider(work: Work): Trees | null {
  const { snapshot, standings, question } = work;
  const { unit } = question;
  const apart = new Uint8Array(snapshot.rows.length);
  if (unit !== "process")
    considerCgroups(work, sumCgroups(snapshot, standings.of, unit === "cgroup" ? "all" : "as-one"), apart);
  let trees: Trees | null = null;
  if (unit === "group") considerGroups(work, sumProcessGroups(snapshot, standings.of, apart), apart);
  if (unit === "auto") {
    const single = singleUses(work);
    considerCrowds(work, sumProcessGroups(snapshot, standings.of, apart), single);
    trees = sumTrees(snapshot, standings.of, apart);
    considerTrees(work, trees, single);
  }
  considerProcesses(work, apart);
  return trees;
}

/** What each process would count for alone, with what its many children did that are gone. */
function singleUses({ uses }: Work): Float64Array {
  return Float64Array.from(uses, (use) => use.ownParts + use.departedParts);
}

function considerProcesses(work: Work, apart: Uint8Array): void {
  const { snapshot, standings, uses } = work;
  for (let i = 0; i < snapshot.rows.length; i++) {
    if (standings.of[i] !== Standing.free || apart[i] !== 0) continue;
    const row = snapshot.rows[i] as ProcessRow;
    const use = uses[i] as Use;
    add(work, {
      kind: "process",
      id: row.pid,
      leader: i,
      parts: use.ownParts + use.departedParts,
      preference: preferenceOf(row),
      price: 1,
    });
  }
}

/** Cgroups that end as one, or all where the policy says so. Marks in `apart` whose members are not looked at singly. */
function considerCgroups(work: Work, cgroups: KeyedGroups, apart: Uint8Array): void {
  const { sums, slots, asOne } = cgroups;
  for (const [id, slot] of slots) if (sums.blocked[slot] === 0) addGroup(work, "cgroup", id, cgroups, 0, 1);
  for (let i = 0; i < apart.length; i++) {
    const id = (work.snapshot.rows[i] as ProcessRow).cgroupId;
    const slot = id === null ? undefined : slots.get(id);
    if (slot !== undefined && (sums.blocked[slot] === 0 || asOne.has(id as number))) apart[i] = 1;
  }
}

function considerGroups(work: Work, groups: KeyedGroups, apart: Uint8Array): void {
  const { sums, slots } = groups;
  for (const [id, slot] of slots) {
    if (sums.blocked[slot] === 0)
      addGroup(work, "process-group", id, groups, work.question.departedOfGroup(id), 1);
  }
  for (let i = 0; i < apart.length; i++) {
    const slot = slots.get((work.snapshot.rows[i] as ProcessRow).processGroup);
    if (slot !== undefined && sums.blocked[slot] === 0) apart[i] = 1;
  }
}

function considerCrowds(work: Work, groups: KeyedGroups, single: Float64Array): void {
  const largest = new Float64Array(groups.slots.size);
  for (let i = 0; i < single.length; i++) {
    const slot = groups.slots.get((work.snapshot.rows[i] as ProcessRow).processGroup);
    if (slot !== undefined && work.standings.of[i] === Standing.free)
      largest[slot] = Math.max(largest[slot] as number, single[i] as number);
  }
  for (const [id, slot] of groups.slots) {
    if (groups.sums.blocked[slot] !== 0) continue;
    const departed = work.question.departedOfGroup(id);
    const parts = (groups.sums.privateBytes[slot] as number) + departed;
    if (parts >= CROWD_FACTOR * (largest[slot] as number))
      addGroup(work, "process-group", id, groups, departed, work.crowdPrice);
  }
}

function considerTrees(work: Work, trees: Trees, single: Float64Array): void {
  const { rows } = work.snapshot;
  const largest = Float64Array.from(single, (parts, i) =>
    work.standings.of[i] === Standing.free ? parts : 0,
  );
  for (let k = 0; k < trees.orderLength; k++) {
    const root = trees.order[k] as number;
    const above = trees.parent[root] as number;
    if (above >= 0) largest[above] = Math.max(largest[above] as number, largest[root] as number);
    const row = rows[root] as ProcessRow;
    if (work.standings.of[root] !== Standing.free || trees.sums.blocked[root] !== 0) continue;
    // A session's leader is a shell or a service manager: what it started need have nothing in common.
    if (trees.sums.mixed[root] !== 0 || row.pid === row.session) continue;
    // Within one process group a group is named by it.
    if (trees.scattered[root] === 0) continue;
    const parts = trees.sums.privateBytes[root] as number;
    if (parts < CROWD_FACTOR * (largest[root] as number)) continue;
    const preference = trees.sums.preference[root] as number;
    add(work, { kind: "tree", id: row.pid, leader: root, parts, preference, price: work.crowdPrice });
  }
}

function addGroup(
  work: Work,
  kind: CandidateKind,
  id: number,
  { sums, slots }: KeyedGroups,
  departedParts: number,
  price: number,
): void {
  const slot = slots.get(id) as number;
  const oldest = sums.oldest[slot] as number;
  if (oldest < 0) return;
  const { snapshot, standings } = work;
  const named = kind === "cgroup" ? undefined : snapshot.indexOf.get(id);
  const leads =
    named !== undefined &&
    standings.of[named] === Standing.free &&
    (snapshot.rows[named] as ProcessRow).processGroup === id;
  const parts = (sums.privateBytes[slot] as number) + departedParts;
  add(work, {
    kind,
    id,
    leader: leads ? named : oldest,
    parts,
    preference: sums.preference[slot] as number,
    price,
  });
}

function add(work: Work, { price, ...draft }: Omit<Draft, "weight"> & { readonly price: number }): void {
  if (draft.parts < work.worthParts) return;
  const weight = (draft.parts / price) * PREFERENCE_FACTOR ** draft.preference;
  work.drafts.push({ ...draft, weight });
}

const KIND_ORDER: Readonly<Record<CandidateKind, number>> = {
  process: 0,
  "process-group": 1,
  tree: 2,
  cgroup: 3,
};

/** Heavier first, then the younger, the higher pid, the smaller kind. Total. */
function compareDrafts(a: Draft, b: Draft, { rows }: Snapshot): number {
  const left = rows[a.leader] as ProcessRow;
  const right = rows[b.leader] as ProcessRow;
  return (
    b.weight - a.weight ||
    b.parts - a.parts ||
    right.startTicks - left.startTicks ||
    right.pid - left.pid ||
    KIND_ORDER[a.kind] - KIND_ORDER[b.kind] ||
    b.id - a.id
  );
}

function materialise(draft: Draft, work: Work, trees: Trees | null): CpuCandidate {
  const { kind, id, leader, parts, weight, preference } = draft;
  const { rows } = work.snapshot;
  const { pid, startTicks } = rows[leader] as ProcessRow;
  const members = memberRows(draft, work, trees)
    .map((i) => rows[i] as ProcessRow)
    .sort(compareAge)
    .map((row) => ({ pid: row.pid, startTicks: row.startTicks }));
  return { kind, id, pid, startTicks, members, cores: parts / PARTS_PER_CORE, weight, preference };
}

function memberRows(draft: Draft, { snapshot, standings }: Work, trees: Trees | null): number[] {
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
