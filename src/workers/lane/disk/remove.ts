import fs from "node:fs";
import type { RoomName } from "../../../core/disk/action.ts";
import { openForWriting } from "../../../native/files.ts";
import { Directory, joined } from "./directory.ts";
import { explain, type ListedFile } from "./gather.ts";
import type { Writers } from "./writers.ts";

const { O_RDONLY, O_WRONLY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = fs.constants;
const FLAGS = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
const BLOCK_BYTES = 512;

/** What became of one file. */
export interface Removal {
  readonly what: "deleted" | "truncated" | "passed over" | "gone";
  /** What it held; other names and those that have it open may keep it. */
  readonly bytes: number;
  readonly inodes: number;
  /** Why it was passed over. */
  readonly why: string | null;
}

const GONE: Removal = { what: "gone", bytes: 0, inodes: 0, why: null };

/**
 * Removes listed files one by one, each only where it was found and only if it still is the one that was found. The
 * directory of the last one is kept open for the next.
 */
export class Remover {
  readonly #procRoot: string;
  readonly #writers: Writers;
  readonly #room: RoomName;
  readonly #dryRun: boolean;
  /** Identities (`device:inode`) that are not touched, listed or not. */
  readonly #spared: ReadonlySet<string>;
  #directory: Directory | null = null;
  #path: Buffer = Buffer.alloc(0);
  #names: readonly Buffer[] | null = null;

  constructor(
    procRoot: string,
    writers: Writers,
    { room, dryRun, spared }: { room: RoomName; dryRun: boolean; spared: ReadonlySet<string> },
  ) {
    this.#procRoot = procRoot;
    this.#spared = spared;
    this.#writers = writers;
    this.#room = room;
    this.#dryRun = dryRun;
  }

  /** @param names how many listed names the file has: with more than these it would keep its space, or lose a name that is not listed */
  remove(file: ListedFile, names: number, nowMs: number): Removal {
    const directory = this.#open(file);
    if (!(directory instanceof Directory)) {
      return directory.code === "ENOENT" ? GONE : passedOver(explain(directory.code));
    }
    const entry = directory.entry(file.name);
    let descriptor = -1;
    try {
      descriptor = fs.openSync(entry, O_RDONLY | FLAGS);
      const stat = fs.fstatSync(descriptor);
      if (stat.dev !== file.device || stat.ino !== file.inode || !stat.isFile())
        return passedOver("it is another file by now");
      if (nowMs - stat.mtimeMs < file.place.rule.ageMs) return passedOver("it was written to meanwhile");
      if (this.#spared.has(`${stat.dev}:${stat.ino}`)) return passedOver("it is the guard's own record");
      if (stat.nlink > names) return passedOver("it has names that are not listed");
      return this.#removeOpen(file, entry, descriptor, stat);
    } catch (error) {
      return failed(error as NodeJS.ErrnoException);
    } finally {
      // A lease on it ends with this.
      if (descriptor >= 0) fs.closeSync(descriptor);
    }
  }

  close(): void {
    this.#directory?.close();
    this.#directory = null;
    this.#names = null;
  }

  #removeOpen(file: ListedFile, entry: Buffer, descriptor: number, stat: fs.Stats): Removal {
    const { method } = file.place.rule;
    const bytes = stat.blocks * BLOCK_BYTES;
    // Deleted, it would go on to grow, where nobody sees it.
    if (method === "truncate" || (method === "auto" && this.#isWritten(descriptor, stat))) {
      if (this.#room === "inodes")
        return passedOver("a process writes to it: emptied, it would keep its inode");
      if (!this.#dryRun) truncate(entry, file);
      return { what: "truncated", bytes, inodes: 0, why: null };
    }
    if (!this.#dryRun) fs.unlinkSync(entry);
    const last = stat.nlink === 1;
    return { what: "deleted", bytes: last ? bytes : 0, inodes: last ? 1 : 0, why: null };
  }

  #isWritten(descriptor: number, { dev, ino }: fs.Stats): boolean {
    const answer = openForWriting(descriptor);
    return answer === "unknown" ? this.#writers.has(dev, ino) : answer === "somebody";
  }

  /** The file's directory, found again from its place's base; the last one again only while it has not been moved. */
  #open(file: ListedFile): Directory | { readonly code: string } {
    // All files of one directory, as they were gathered, share the list of its names.
    if (
      this.#directory !== null &&
      file.directories === this.#names &&
      this.#directory.path.equals(this.#path)
    )
      return this.#directory;
    this.close();
    const base = Directory.open(this.#procRoot, file.place.base);
    if (!(base instanceof Directory)) return base;
    const directory = base.below(file.directories);
    base.close();
    if (!(directory instanceof Directory)) return directory;
    this.#directory = directory;
    this.#names = file.directories;
    this.#path = joined([Buffer.from(`/${file.place.base.join("/")}`), ...file.directories]);
    // Moved between the opening and this: it is not where it is listed.
    if (directory.path.equals(this.#path)) return directory;
    this.close();
    return { code: "ENOENT" };
  }
}

/** Empties a file in place: who writes to it goes on to. */
function truncate(entry: Buffer, file: ListedFile): void {
  const descriptor = fs.openSync(entry, O_WRONLY | FLAGS);
  try {
    const { dev, ino } = fs.fstatSync(descriptor);
    if (dev === file.device && ino === file.inode) fs.ftruncateSync(descriptor, 0);
  } finally {
    fs.closeSync(descriptor);
  }
}

function passedOver(why: string): Removal {
  return { what: "passed over", bytes: 0, inodes: 0, why };
}

function failed({ code }: NodeJS.ErrnoException): Removal {
  switch (code) {
    case "ENOENT":
      return GONE;
    case "ELOOP":
      return passedOver("it is a symlink by now");
    case "EBUSY":
      return passedOver("something is mounted on it");
    case "EPERM":
    case "EACCES":
      return passedOver("it must not be removed (immutable, append-only, or not ours)");
    default:
      return passedOver(code ?? "failed");
  }
}
