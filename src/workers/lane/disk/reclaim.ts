import fs from "node:fs";
import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";
import type { RoomName } from "../../../core/disk/action.ts";
import { compilePlace, type Place, placeProblem } from "../../../core/disk/place.ts";
import type { ActionStep } from "../../../core/messages.ts";
import type { PlaceRule } from "../../../core/policy/resources.ts";
import { formatBytes } from "../../../core/units.ts";
import { monotonicUs } from "../../common/clock.ts";
import { type Gathered, gather, inOrder, keyOf, type ListedFile, pathOf } from "./gather.ts";
import { type Removal, Remover } from "./remove.ts";
import { Writers } from "./writers.ts";

/** What was gathered ahead is used for so long. */
const FRESH_MS = 60_000;
/** Files between two turns of the event loop. */
const FILES_PER_TURN = 128;
/** A file system may give back what was freed a little later; it is waited for so long, so many times. */
const SETTLE_MS = 200;
const SETTLES_MOST = 3;
const SETTLE_LOOK_MS = 5;
/** Files that are named in the report; the rest are counted. */
const NAMED_MOST = 50;

/** What is free, by statfs(2). */
export interface FreeRoom {
  readonly availableBytes: number;
  readonly freeInodes: number | null;
}

export interface ReclaimJob {
  /** A path on the mount that is low. */
  readonly path: string;
  readonly device: number;
  readonly room: RoomName;
  /** Enough is free from here on. */
  readonly recover: number;
  readonly places: readonly PlaceRule[];
  readonly deadlineMs: number;
  readonly dryRun: boolean;
  /** CLOCK_MONOTONIC: the steps count from here. */
  readonly atUs: number;
}

export interface ReclaimResult {
  readonly before: FreeRoom;
  /** When it was enough; else at the end. Whoever fills the disk goes on meanwhile. */
  readonly after: FreeRoom;
  readonly enough: boolean;
  readonly deleted: number;
  readonly truncated: number;
  readonly passedOver: number;
  readonly steps: readonly ActionStep[];
}

/** One reclaim as it goes. */
interface Course {
  readonly job: ReclaimJob;
  readonly remover: Remover;
  readonly steps: ActionStep[];
  readonly beganMs: number;
  /** What should have become free since the last look, and how much has to. */
  expected: number;
  wanted: number;
  settles: number;
  /** Files that stay, and notes that were made: not said again when files are looked for once more. */
  readonly settled: Set<string>;
  /** What was free when it was found to be enough. */
  enoughRoom: FreeRoom | null;
  unnamed: number;
  deleted: number;
  truncated: number;
  passedOver: number;
}

/** Frees space and inodes by removing files of listed places. */
export class Reclaimer {
  readonly #procRoot: string;
  readonly #spared: readonly string[];
  #places: readonly Place[] = [];
  #compiled: readonly PlaceRule[] | null = null;
  #problems: string[] = [];
  #gathered: Gathered | null = null;

  /** @param spared paths of files that are not touched, listed or not */
  constructor(procRoot: string, spared: readonly string[] = []) {
    this.#procRoot = procRoot;
    this.#spared = spared;
  }

  /** Looks for the files ahead of need. */
  prepare(rules: readonly PlaceRule[]): void {
    this.#compile(rules);
    this.#gathered = gather(this.#procRoot, this.#places, Date.now());
  }

  /** Removes files until enough is free, none are left, or the time is over. Never rejects. */
  async reclaim(job: ReclaimJob): Promise<ReclaimResult> {
    this.#compile(job.places);
    const before = freeRoom(job.path);
    const remover = new Remover(this.#procRoot, new Writers(this.#procRoot), {
      room: job.room,
      dryRun: job.dryRun,
      spared: new Set(this.#spared.flatMap(identityOf)),
    });
    const course: Course = {
      job,
      remover,
      steps: [],
      beganMs: performance.now(),
      expected: 0,
      wanted: job.recover - amount(before, job.room),
      settles: 0,
      settled: new Set(),
      enoughRoom: null,
      unnamed: 0,
      deleted: 0,
      truncated: 0,
      passedOver: 0,
    };
    for (const problem of this.#problems) note(course, "place", problem);
    let enough = course.wanted <= 0;
    try {
      const ahead = this.#takeGathered();
      if (ahead !== null && !enough) enough = await removeAll(course, ahead);
      // What was found ahead may be gone, and others may have come.
      const late = performance.now() - course.beganMs > job.deadlineMs;
      if (!enough && !late && !(job.dryRun && ahead !== null))
        enough = await removeAll(course, gather(this.#procRoot, this.#places, Date.now()));
    } finally {
      remover.close();
    }
    if (course.unnamed > 0) note(course, "more files", `${course.unnamed}`);
    const { steps, deleted, truncated, passedOver } = course;
    const after = course.enoughRoom ?? freeRoom(job.path);
    return { before, after, enough, deleted, truncated, passedOver, steps };
  }

  #takeGathered(): Gathered | null {
    const gathered = this.#gathered;
    this.#gathered = null;
    return gathered !== null && Date.now() - gathered.atMs < FRESH_MS ? gathered : null;
  }

  #compile(rules: readonly PlaceRule[]): void {
    if (this.#compiled !== null && JSON.stringify(this.#compiled) === JSON.stringify(rules)) return;
    this.#compiled = rules;
    this.#gathered = null;
    this.#problems = rules.flatMap(({ files }) => placeProblem(files) ?? []);
    this.#places = rules.filter(({ files }) => placeProblem(files) === null).map(compilePlace);
  }
}

/** @returns whether enough is free */
async function removeAll(course: Course, gathered: Gathered): Promise<boolean> {
  const { job } = course;
  for (const text of gathered.notes) if (!course.settled.has(text)) note(course, "look for files", text);
  for (const text of gathered.notes) course.settled.add(text);
  const nowMs = Date.now();
  const files = inOrder(gathered, job.device, nowMs);
  const names = namesByInode(files);
  let count = 0;
  for (const file of files) {
    if (course.settled.size > 0 && course.settled.has(keyOf(file))) continue;
    if (course.expected >= course.wanted && (await isEnough(course))) return true;
    if (performance.now() - course.beganMs > job.deadlineMs) return isEnough(course);
    const beganUs = monotonicUs();
    const removal = course.remover.remove(file, names.get(file.inode) ?? 1, nowMs);
    take(course, file, removal, beganUs);
    if (removal.what === "passed over" || removal.what === "truncated") course.settled.add(keyOf(file));
    if (removal.what === "deleted") names.set(file.inode, (names.get(file.inode) ?? 1) - 1);
    if (++count % FILES_PER_TURN === 0) await turn();
  }
  return isEnough(course);
}

function take(course: Course, file: ListedFile, removal: Removal, beganUs: number): void {
  if (removal.what === "gone") return;
  course.expected += course.job.room === "space" ? removal.bytes : removal.inodes;
  if (removal.what === "deleted") course.deleted++;
  else if (removal.what === "truncated") course.truncated++;
  else course.passedOver++;
  if (course.steps.length >= NAMED_MOST) {
    course.unnamed++;
    return;
  }
  const path = pathOf(file.place, [...file.directories, file.name]);
  const verb = removal.what === "truncated" ? "empty" : "delete";
  const result = removal.why ?? `${removal.what}, ${formatBytes(removal.bytes)}`;
  push(course, course.job.dryRun ? `would ${verb} ${path}` : `${verb} ${path}`, beganUs, result);
}

/** Looks at what is free now; where that is less than was removed, waits a little for the file system. */
async function isEnough(course: Course): Promise<boolean> {
  const { job } = course;
  if (job.dryRun) return course.expected >= course.wanted;
  const waits = course.expected >= course.wanted && course.settles < SETTLES_MOST;
  const untilMs = performance.now() + (waits ? SETTLE_MS : 0);
  for (;;) {
    const now = freeRoom(job.path);
    const free = amount(now, job.room);
    if (free >= job.recover) {
      course.enoughRoom = now;
      return true;
    }
    if (performance.now() >= untilMs) {
      if (waits) course.settles++;
      course.wanted = job.recover - free;
      course.expected = 0;
      return false;
    }
    await pause(SETTLE_LOOK_MS);
  }
}

function identityOf(path: string): string[] {
  const stat = fs.statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? [] : [`${stat.dev}:${stat.ino}`];
}

function namesByInode(files: readonly ListedFile[]): Map<number, number> {
  const names = new Map<number, number>();
  for (const { inode } of files) names.set(inode, (names.get(inode) ?? 0) + 1);
  return names;
}

/** What is free where `path` leads to. @throws as fs.statfsSync does */
export function freeRoom(path: string): FreeRoom {
  const { bsize, bavail, files, ffree } = fs.statfsSync(path);
  return { availableBytes: bavail * bsize, freeInodes: files === 0 ? null : ffree };
}

/** Of one room: bytes, or inodes. */
export function amount(free: FreeRoom, room: RoomName): number {
  return room === "space" ? free.availableBytes : (free.freeInodes ?? Number.POSITIVE_INFINITY);
}

function note(course: Course, what: string, result: string): void {
  push(course, what, monotonicUs(), result);
}

function push(course: Course, what: string, beganUs: number, result: string): void {
  const round = (us: number): number => Math.round(us) / 1000;
  course.steps.push({
    what,
    afterMs: round(beganUs - course.job.atUs),
    tookMs: round(monotonicUs() - beganUs),
    result,
  });
}
