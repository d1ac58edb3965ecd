import type { ProcessRow } from "./candidate.ts";
import type { Snapshot } from "./snapshot.ts";
import { Standing } from "./standing.ts";

/**
 * Sums over the members of many groups at once, a slot a group, in columns: thousands of rows are added on the hot
 * path and hardly any group becomes a candidate. Members are looked up only for those that do.
 */
export interface Sums {
  /** Members that would end. */
  readonly count: Int32Array;
  readonly privateBytes: Float64Array;
  readonly ownSharedBytes: Float64Array;
  readonly grownBytes: Float64Array;
  /** What the one member that holds most would bring back. */
  readonly largestBytes: Float64Array;
  /** Row of the oldest member, -1: none. */
  readonly oldest: Int32Array;
  readonly oomScoreAdj: Float64Array;
  readonly preference: Float64Array;
  /** Not 0: the group holds what must not end with it. */
  readonly blocked: Uint8Array;
  /** Cgroup of the members, -1: of none it is known. */
  readonly cgroup: Float64Array;
  /** Not 0: members of several cgroups, or in a tree of several sessions: they were not started together. */
  readonly mixed: Uint8Array;
}

/** Groups with a number of their own: process groups by pgid, cgroups by inode. */
export interface KeyedGroups {
  readonly sums: Sums;
  /** Number of a group to its slot. */
  readonly slots: ReadonlyMap<number, number>;
  /** Numbers of the groups that the kernel itself would end as one. */
  readonly asOne: ReadonlySet<number>;
}

export interface Trees {
  /** The slot is the row of the root, which is a member. */
  readonly sums: Sums;
  /** Row of the parent, -1: none that started before its child. */
  readonly parent: Int32Array;
  /** What the child's subtree that holds most would bring back. */
  readonly largestChildBytes: Float64Array;
  /** Not 0: members of several process groups. */
  readonly scattered: Uint8Array;
  /** Rows, children before parents; rows on or above a cycle are missing. */
  readonly order: Int32Array;
  readonly orderLength: number;
}

/** Process groups, over all rows. One that holds a row marked in `apart` is blocked. */
export function sumProcessGroups(snapshot: Snapshot, standing: Uint8Array, apart: Uint8Array): KeyedGroups {
  const { rows } = snapshot;
  const slots = new Map<number, number>();
  const sums = emptySums(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const id = (rows[i] as ProcessRow).processGroup;
    if (isGroupId(id)) addMember(sums, slotOf(slots, id), snapshot, i, standing, apart[i] as number);
  }
  return { sums, slots, asOne: new Set() };
}

/** Cgroups: all, or only those that ask to be ended as one (memory.oom.group, the kernel's cgroup-v2 document). */
export function sumCgroups(snapshot: Snapshot, standing: Uint8Array, which: "all" | "as-one"): KeyedGroups {
  const { rows } = snapshot;
  const slots = new Map<number, number>();
  const asOne = new Set<number>();
  for (const row of rows) {
    if (!isGroupId(row.cgroupId)) continue;
    if (row.cgroupAsOne) asOne.add(row.cgroupId);
    if (row.cgroupAsOne || which === "all") slotOf(slots, row.cgroupId);
  }
  const sums = emptySums(slots.size);
  if (slots.size === 0) return { sums, slots, asOne };
  for (let i = 0; i < rows.length; i++) {
    const slot = slots.get((rows[i] as ProcessRow).cgroupId ?? 0);
    if (slot !== undefined) addMember(sums, slot, snapshot, i, standing, 0);
  }
  return { sums, slots, asOne };
}

/** Trees: each row with all its descendants, summed from the leaves up; a cycle has no leaf and no tree. */
export function sumTrees(snapshot: Snapshot, standing: Uint8Array, apart: Uint8Array): Trees {
  const { rows } = snapshot;
  const parent = livingParents(snapshot);
  const sums = emptySums(rows.length);
  const largestChildBytes = new Float64Array(rows.length);
  const scattered = new Uint8Array(rows.length);
  const childrenLeft = new Int32Array(rows.length);
  const order = new Int32Array(rows.length);
  for (const p of parent) if (p >= 0) (childrenLeft[p] as number)++;
  let found = 0;
  for (let i = 0; i < rows.length; i++) {
    addMember(sums, i, snapshot, i, standing, apart[i] as number);
    if (childrenLeft[i] === 0) order[found++] = i;
  }
  for (let next = 0; next < found; next++) {
    const child = order[next] as number;
    const p = parent[child] as number;
    if (p < 0) continue;
    const bytes = (sums.privateBytes[child] as number) + (sums.ownSharedBytes[child] as number);
    largestChildBytes[p] = Math.max(largestChildBytes[p] as number, bytes);
    const row = rows[child] as ProcessRow;
    const above = rows[p] as ProcessRow;
    if (scattered[child] !== 0 || row.processGroup !== above.processGroup) scattered[p] = 1;
    if (!row.zombie && row.session !== above.session) sums.mixed[p] = 1;
    addSubtree(sums, p, child, rows);
    if (--(childrenLeft[p] as number) === 0) order[found++] = p;
  }
  return { sums, parent, largestChildBytes, scattered, order, orderLength: found };
}

/** Rows of a tree's members that may end: parents come after children in `order`, so one pass backwards finds them. */
export function treeMembers(trees: Trees, standing: Uint8Array, root: number): number[] {
  const inside = new Uint8Array(standing.length);
  inside[root] = 1;
  const members: number[] = [];
  for (let k = trees.orderLength - 1; k >= 0; k--) {
    const i = trees.order[k] as number;
    const p = trees.parent[i] as number;
    if (p >= 0 && inside[p] !== 0) inside[i] = 1;
    if (inside[i] !== 0 && standing[i] === Standing.free) members.push(i);
  }
  return members;
}

/** Older first: earlier start, then lower pid. */
export function compareAge(a: ProcessRow, b: ProcessRow): number {
  return a.startTicks - b.startTicks || a.pid - b.pid;
}

/** Whether a number names a group that can be ended: 0 is the kernel's group, or the root cgroup. */
function isGroupId(id: number | null): id is number {
  return id !== null && Number.isSafeInteger(id) && id > 0;
}

/** A process cannot have started before its parent: then the parent has gone and its pid belongs to another. */
function livingParents(snapshot: Snapshot): Int32Array {
  const { rows, parent } = snapshot;
  return parent.map((p, i) =>
    p >= 0 && (rows[p] as ProcessRow).startTicks <= (rows[i] as ProcessRow).startTicks ? p : -1,
  );
}

function slotOf(slots: Map<number, number>, id: number): number {
  const known = slots.get(id);
  if (known !== undefined) return known;
  slots.set(id, slots.size);
  return slots.size - 1;
}

function emptySums(length: number): Sums {
  return {
    count: new Int32Array(length),
    privateBytes: new Float64Array(length),
    ownSharedBytes: new Float64Array(length),
    grownBytes: new Float64Array(length),
    largestBytes: new Float64Array(length),
    oldest: new Int32Array(length).fill(-1),
    oomScoreAdj: new Float64Array(length).fill(Infinity),
    preference: new Float64Array(length).fill(Infinity),
    blocked: new Uint8Array(length),
    cgroup: new Float64Array(length).fill(-1),
    mixed: new Uint8Array(length),
  };
}

function addMember(
  sums: Sums,
  slot: number,
  snapshot: Snapshot,
  i: number,
  standing: Uint8Array,
  apart: number,
): void {
  if (standing[i] === Standing.protected || apart !== 0) sums.blocked[slot] = 1;
  if (standing[i] !== Standing.free) return;
  const row = snapshot.rows[i] as ProcessRow;
  const privateBytes = snapshot.privateBytes[i] as number;
  const ownSharedBytes = snapshot.ownSharedBytes[i] as number;
  (sums.count[slot] as number)++;
  (sums.privateBytes[slot] as number) += privateBytes;
  (sums.ownSharedBytes[slot] as number) += ownSharedBytes;
  (sums.grownBytes[slot] as number) += snapshot.grownBytes[i] as number;
  sums.largestBytes[slot] = Math.max(sums.largestBytes[slot] as number, privateBytes + ownSharedBytes);
  sums.oomScoreAdj[slot] = Math.min(sums.oomScoreAdj[slot] as number, adjOf(row));
  sums.preference[slot] = Math.min(sums.preference[slot] as number, preferenceOf(row));
  sums.oldest[slot] = older(sums.oldest[slot] as number, i, snapshot.rows);
  addCgroup(sums, slot, Number.isSafeInteger(row.cgroupId) ? (row.cgroupId as number) : -1);
}

/** One known cgroup after another: the answer does not depend on which comes first. */
function addCgroup(sums: Sums, slot: number, cgroup: number): void {
  if (cgroup < 0) return;
  if ((sums.cgroup[slot] as number) < 0) sums.cgroup[slot] = cgroup;
  else if (sums.cgroup[slot] !== cgroup) sums.mixed[slot] = 1;
}

function addSubtree(sums: Sums, to: number, from: number, rows: readonly ProcessRow[]): void {
  if (sums.blocked[from] !== 0) sums.blocked[to] = 1;
  if (sums.mixed[from] !== 0) sums.mixed[to] = 1;
  addCgroup(sums, to, sums.cgroup[from] as number);
  (sums.count[to] as number) += sums.count[from] as number;
  (sums.privateBytes[to] as number) += sums.privateBytes[from] as number;
  (sums.ownSharedBytes[to] as number) += sums.ownSharedBytes[from] as number;
  (sums.grownBytes[to] as number) += sums.grownBytes[from] as number;
  sums.largestBytes[to] = Math.max(sums.largestBytes[to] as number, sums.largestBytes[from] as number);
  sums.oomScoreAdj[to] = Math.min(sums.oomScoreAdj[to] as number, sums.oomScoreAdj[from] as number);
  sums.preference[to] = Math.min(sums.preference[to] as number, sums.preference[from] as number);
  sums.oldest[to] = older(sums.oldest[to] as number, sums.oldest[from] as number, rows);
}

function older(a: number, b: number, rows: readonly ProcessRow[]): number {
  if (a < 0 || b < 0) return Math.max(a, b);
  return compareAge(rows[a] as ProcessRow, rows[b] as ProcessRow) <= 0 ? a : b;
}

/** oom_score_adj within its range, 0 where it is not known. */
export function adjOf(row: ProcessRow): number {
  const adj = row.oomScoreAdj ?? 0;
  return Number.isNaN(adj) ? 0 : Math.max(-1000, Math.min(adj, 1000));
}

/** -1, 0 or +1. */
export function preferenceOf(row: ProcessRow): number {
  return row.preference > 0 ? 1 : row.preference < 0 ? -1 : 0;
}
