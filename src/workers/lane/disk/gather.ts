import fs from "node:fs";
import type { Place } from "../../../core/disk/place.ts";
import { Directory } from "./directory.ts";

/** Entries that are looked at, and files that are kept, at most: what is beyond is found when these are gone. */
const ENTRIES_MOST = 2_000_000;
const FILES_MOST = 200_000;
/** Directories within each other, at most. */
const DEPTH_MOST = 64;
const BLOCK_BYTES = 512;

/** A listed file, as it was found. */
export interface ListedFile {
  readonly place: Place;
  /** Directories from the place's base down to the one that it is in. */
  readonly directories: readonly Buffer[];
  readonly name: Buffer;
  /** Its identity. */
  readonly device: number;
  readonly inode: number;
  readonly links: number;
  readonly bytes: number;
  readonly writtenMs: number;
}

export interface Gathered {
  readonly files: readonly ListedFile[];
  /** What could not be looked into, and why. */
  readonly notes: readonly string[];
  /** When they were looked for, by Date.now(). */
  readonly atMs: number;
}

interface Walk {
  readonly place: Place;
  readonly base: Directory;
  readonly files: ListedFile[];
  readonly notes: string[];
  entries: number;
}

/** Finds the files of places: regular ones, by no symlink, in no mount within a place. Nothing is opened for it but directories. */
export function gather(procRoot: string, places: readonly Place[], nowMs: number): Gathered {
  const files: ListedFile[] = [];
  const notes: string[] = [];
  for (const place of places) {
    const base = Directory.open(procRoot, place.base);
    if (!(base instanceof Directory)) {
      // A directory that is not there is nothing to clean.
      if (base.code !== "ENOENT") notes.push(`/${place.base.join("/")}: ${explain(base.code)}`);
      continue;
    }
    try {
      const walk = { place, base, files, notes, entries: 0 };
      lookInto(walk, base, [], place.start);
      if (walk.entries > ENTRIES_MOST)
        notes.push(`${place.rule.files}: only the first ${ENTRIES_MOST} entries were looked at`);
    } finally {
      base.close();
    }
  }
  return { files, notes, atMs: nowMs };
}

function lookInto(
  walk: Walk,
  directory: Directory,
  directories: readonly Buffer[],
  at: readonly number[],
): void {
  const below: { name: Buffer; at: readonly number[] }[] = [];
  const listing = openListing(directory);
  if (listing === null) return;
  try {
    // A name that is no UTF-8 is held against the pattern with U+FFFD in the place of its bytes; it is used as it is.
    for (let entry = listing.readSync(); entry !== null; entry = listing.readSync()) {
      if (++walk.entries > ENTRIES_MOST || walk.files.length >= FILES_MOST) return;
      const name = entry.name as unknown as Buffer;
      const next = walk.place.next(at, name.toString());
      if (next.length === 0) continue;
      if (entry.isDirectory()) below.push({ name, at: next });
      else if (entry.isFile() && walk.place.isListed(next)) keep(walk, directory, directories, name);
    }
  } finally {
    listing.closeSync();
  }
  if (directories.length >= DEPTH_MOST) return;
  for (const each of below) descend(walk, [...directories, each.name], each.at);
}

function descend(walk: Walk, directories: readonly Buffer[], at: readonly number[]): void {
  const directory = walk.base.below(directories);
  if (!(directory instanceof Directory)) {
    if (directory.code === "EXDEV")
      walk.notes.push(`${pathOf(walk.place, directories)}: ${explain("EXDEV")}`);
    return;
  }
  try {
    lookInto(walk, directory, directories, at);
  } finally {
    directory.close();
  }
}

function openListing(directory: Directory): fs.Dir | null {
  try {
    return fs.opendirSync(directory.link, { encoding: "buffer" as BufferEncoding, bufferSize: 512 });
  } catch {
    return null;
  }
}

function keep(walk: Walk, directory: Directory, directories: readonly Buffer[], name: Buffer): void {
  try {
    const stat = fs.lstatSync(directory.entry(name));
    if (!stat.isFile()) return;
    walk.files.push({
      place: walk.place,
      directories,
      name,
      device: stat.dev,
      inode: stat.ino,
      links: stat.nlink,
      bytes: stat.blocks * BLOCK_BYTES,
      writtenMs: stat.mtimeMs,
    });
  } catch {
    // It went meanwhile.
  }
}

export function pathOf(place: Place, names: readonly Buffer[]): string {
  return `/${[...place.base, ...names.map(String)].join("/")}`;
}

/** Tells files apart by their path and inode. */
export function keyOf(file: ListedFile): string {
  return `${file.inode} ${pathOf(file.place, file.directories)}/${file.name.toString("latin1")}`;
}

/** What an errno means for a listed directory. */
export function explain(code: string): string {
  if (code === "ELOOP" || code === "ENOTDIR") return "a symlink or no directory is in its path: passed over";
  if (code === "EXDEV") return "another file system is mounted there: passed over";
  return `${code}: passed over`;
}

/**
 * Those that are on one file system and old enough, in the order in which they are to go: place by place as the policy
 * lists them; places that follow each other with one order are taken together.
 */
export function inOrder(gathered: Gathered, device: number, nowMs: number): ListedFile[] {
  const runs: { order: string; files: ListedFile[] }[] = [];
  const seen = new Set<string>();
  // Only two places can hold the same file.
  const several = gathered.files.some(({ place }) => place !== gathered.files[0]?.place);
  for (const file of gathered.files) {
    const { rule } = file.place;
    if (file.device !== device || nowMs - file.writtenMs < rule.ageMs) continue;
    if (several) {
      const key = keyOf(file);
      if (seen.has(key)) continue;
      seen.add(key);
    }
    let run = runs.at(-1);
    if (run?.order !== rule.order) {
      run = { order: rule.order, files: [] };
      runs.push(run);
    }
    run.files.push(file);
  }
  return runs.flatMap(({ order, files }) =>
    files.toSorted((a, b) => (order === "largest" ? b.bytes - a.bytes : a.writtenMs - b.writtenMs)),
  );
}
