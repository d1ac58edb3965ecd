import fs from "node:fs";
import os from "node:os";
import { invariant } from "../../core/fault.ts";
import {
  foldJournal,
  formatSet,
  isJournaled,
  type JournalState,
  type OutstandingChange,
} from "../../core/rescue/journal.ts";
import type { SystemError } from "../../native/system-error.ts";
import { writeAmount, writeDigits } from "./journal-bytes.ts";

/** Room for the lines of one transaction; a larger one makes more. */
const BUFFER_BYTES = 16 * 1024;
/** The digits and blanks of a line: two times at most `max` or 16 digits, an inode of 15. */
const LINE_OVERHEAD_BYTES = 96;
/** A journal that has grown over this is written anew in {@link Journal.tidy}; so long at most is what a guardian reads. */
const TIDY_BYTES = 32 * 1024;
/** And over this at once, however much there is to do. */
const TIDY_AT_ONCE_BYTES = 256 * 1024;

const SET = Buffer.from("set ");
const BLANK = 32;

/** A file that is, or was, on the journal. */
interface Entry {
  readonly path: string;
  readonly inode: number;
  /** ` PATH\n`, as it ends a line. */
  readonly end: Buffer;
  outstanding: boolean;
  original: number;
  before: number;
  value: number;
  waiting: boolean;
  /** A line of it waits for {@link Journal.commit}: what is then to be true. */
  pending: "set" | "closed" | null;
  pendingBefore: number;
  pendingValue: number;
}

/**
 * The journal of changed limits, as its one writer has it (core/rescue/journal.ts says what is in it). A change is
 * journaled by {@link set} and {@link commit}, one write(2) for all that change together, and only made when that
 * succeeded. Not synced to disk: limits do not outlive the kernel either.
 */
export class Journal {
  readonly path: string;
  #descriptor = -1;
  #sizeBytes = 0;
  /** A part of a line may stand at the end, and could not be taken back. */
  #torn = false;
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #length = 0;
  readonly #entries = new Map<string, Entry>();
  readonly #pending: Entry[] = [];

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Opens the journal, made when it is not there, written anew with what is outstanding in it.
   * @throws as fs.openSync, fs.writeSync and fs.renameSync do: without a journal nothing may be changed
   */
  static open(path: string): Journal {
    const journal = new Journal(path);
    for (const change of readJournal(path).outstanding) {
      const entry = journal.#makeEntry(change.path, change.inode);
      Object.assign(entry, { ...change, outstanding: true });
    }
    journal.#writeAnew();
    return journal;
  }

  /** Whether a file may hold something else than the guard found, as of the last {@link commit}. */
  isOutstanding(path: string, inode: number): boolean {
    const entry = this.#entries.get(path);
    return entry !== undefined && entry.inode === inode && entry.outstanding;
  }

  /** What a file held before the guard's first outstanding change; NaN when there is none. */
  originalOf(path: string, inode: number): number {
    const entry = this.#entries.get(path);
    return entry !== undefined && entry.inode === inode && entry.outstanding ? entry.original : Number.NaN;
  }

  /** All that is outstanding, as of the last {@link commit}: what a new life of the thread takes over. */
  outstanding(): OutstandingChange[] {
    return [...this.#entries.values()].filter(({ outstanding }) => outstanding).map(toChange);
  }

  /**
   * Writes down, with the next {@link commit}, that `path` is about to be changed from `before` to `value` (bytes,
   * Infinity for no limit; 0 and 1 of memory.oom_control). What it held before its first outstanding change is what will
   * be put back. Once a file between two commits: whoever finds the journal knows two values that may be in it, not three.
   */
  set(path: string, inode: number, before: number, value: number): void {
    const entry = this.#entryOf(path, inode);
    invariant(entry.pending === null, `${path} is journaled once a transaction`);
    const original = entry.outstanding ? entry.original : before;
    entry.pending = "set";
    entry.pendingBefore = before;
    entry.pendingValue = value;
    this.#pending.push(entry);
    this.#reserve(entry);
    this.#append(SET);
    this.#length = writeDigits(this.#buffer, this.#length, inode);
    for (let i = 0; i < 3; i++) {
      this.#buffer[this.#length++] = BLANK;
      this.#length = writeAmount(this.#buffer, this.#length, i === 0 ? original : i === 1 ? before : value);
    }
    this.#append(entry.end);
  }

  /** Forgets what was set and closed since the last {@link commit}. */
  discard(): void {
    this.#length = 0;
    for (const entry of this.#pending) entry.pending = null;
    this.#pending.length = 0;
  }

  /**
   * Takes a file off the journal, with the next {@link commit}, when what was last written to it is its original.
   * @returns false when it is not: it stays
   */
  settle(path: string, inode: number): boolean {
    const entry = this.#entries.get(path);
    if (entry === undefined || entry.inode !== inode || !entry.outstanding) return true;
    if (entry.value !== entry.original) return false;
    this.#strike(entry, "done");
    return true;
  }

  /**
   * Takes a file off the journal, with the next {@link commit}, whatever was last written to it.
   * `done`: it holds its original; `left`: somebody else has changed it; `gone`: its cgroup is no more.
   */
  strike(path: string, inode: number, why: "done" | "left" | "gone"): void {
    const entry = this.#entries.get(path);
    if (entry !== undefined && entry.inode === inode && entry.outstanding) this.#strike(entry, why);
  }

  /**
   * Writes what was set and closed since the last time.
   * @returns null when it stands in the journal. Otherwise nothing of it does, and nothing of it may be changed.
   */
  commit(): SystemError | null {
    if (this.#length === 0) return null;
    const refusal = this.#write();
    this.#length = 0;
    for (const entry of this.#pending) {
      if (refusal === null) apply(entry);
      entry.pending = null;
    }
    this.#pending.length = 0;
    if (refusal === null && this.#sizeBytes > TIDY_AT_ONCE_BYTES) this.tidy();
    return refusal;
  }

  /**
   * Writes the journal anew when it has grown, or when somebody has removed it: to be called now and then, when there is
   * time. @returns why it could not be; what was outstanding still is
   */
  tidy(): SystemError | null {
    if (this.#sizeBytes <= TIDY_BYTES && this.#isInPlace()) return null;
    try {
      this.#writeAnew();
      return null;
    } catch (error) {
      return asSystemError("rewrite", error);
    }
  }

  /** Lets go of the file. What is outstanding stays so: the guardian puts it back. */
  close(): void {
    if (this.#descriptor >= 0) fs.closeSync(this.#descriptor);
    this.#descriptor = -1;
  }

  #entryOf(path: string, inode: number): Entry {
    const known = this.#entries.get(path);
    if (known !== undefined && known.inode === inode) return known;
    // Another cgroup at the same path: what the journal says of the old one is about nobody any more.
    if (known?.outstanding === true) this.#strike(known, "gone");
    return this.#makeEntry(path, inode);
  }

  #makeEntry(path: string, inode: number): Entry {
    invariant(isJournaled(path), `${JSON.stringify(path)} is a cgroup's limit file`);
    const entry: Entry = {
      path,
      inode,
      end: Buffer.from(` ${path}\n`),
      outstanding: false,
      original: 0,
      before: 0,
      value: 0,
      waiting: false,
      pending: null,
      pendingBefore: 0,
      pendingValue: 0,
    };
    this.#entries.set(path, entry);
    return entry;
  }

  #strike(entry: Entry, why: "done" | "left" | "gone"): void {
    invariant(entry.pending === null, `${entry.path} is journaled once a transaction`);
    entry.pending = "closed";
    this.#pending.push(entry);
    this.#reserve(entry);
    this.#append(Buffer.from(`${why} `));
    this.#length = writeDigits(this.#buffer, this.#length, entry.inode);
    this.#append(entry.end);
  }

  #reserve(entry: Entry): void {
    if (this.#length + LINE_OVERHEAD_BYTES + entry.end.length <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(this.#buffer.length * 2 + entry.end.length);
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }

  #append(bytes: Buffer): void {
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** One write(2); what a full disk took only a part of is taken back. */
  #write(): SystemError | null {
    try {
      if (this.#torn) this.#takeBack();
      const written = fs.writeSync(this.#descriptor, this.#buffer, 0, this.#length, null);
      if (written === this.#length) {
        this.#sizeBytes += written;
        return null;
      }
      this.#torn = true;
      this.#takeBack();
      return { call: "write", errno: os.constants.errno.ENOSPC, code: "ENOSPC" };
    } catch (error) {
      return asSystemError("write", error);
    }
  }

  #takeBack(): void {
    fs.ftruncateSync(this.#descriptor, this.#sizeBytes);
    this.#torn = false;
  }

  #isInPlace(): boolean {
    try {
      return fs.statSync(this.path).ino === fs.fstatSync(this.#descriptor).ino;
    } catch {
      return false;
    }
  }

  /** Beside the old one and then in its place: at no moment is there none. Files that are not outstanding are forgotten. */
  #writeAnew(): void {
    const outstanding = this.outstanding();
    const text = Buffer.from(outstanding.map(formatSet).join(""));
    const beside = `${this.path}.new`;
    fs.rmSync(beside, { force: true });
    const { O_WRONLY, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;
    const descriptor = fs.openSync(beside, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      const written = fs.writeSync(descriptor, text);
      if (written < text.length) throw Object.assign(new Error("ENOSPC: no space left"), { code: "ENOSPC" });
      fs.renameSync(beside, this.path);
    } catch (error) {
      fs.closeSync(descriptor);
      throw error;
    }
    this.close();
    this.#descriptor = descriptor;
    this.#sizeBytes = text.length;
    this.#torn = false;
    for (const [path, entry] of this.#entries) {
      if (!entry.outstanding && entry.pending === null) this.#entries.delete(path);
    }
  }
}

/** What a journal comes to; of one that is not there, nothing. @throws as fs.readFileSync does, but for ENOENT */
export function readJournal(path: string): JournalState {
  try {
    return foldJournal(fs.readFileSync(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return foldJournal("");
    throw error;
  }
}

function apply(entry: Entry): void {
  if (entry.pending === "closed") {
    entry.outstanding = false;
    return;
  }
  if (!entry.outstanding) entry.original = entry.pendingBefore;
  entry.outstanding = true;
  entry.waiting = false;
  entry.before = entry.pendingBefore;
  entry.value = entry.pendingValue;
}

function toChange({ path, inode, original, before, value, waiting }: Entry): OutstandingChange {
  return { path, inode, original, before, value, waiting };
}

function asSystemError(call: string, error: unknown): SystemError {
  const { code, errno } = error as NodeJS.ErrnoException;
  return { call, errno: Math.abs(errno ?? 0), code: code ?? String(error) };
}
