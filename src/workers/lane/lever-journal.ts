import fs from "node:fs";
import {
  foldLevers,
  formatEnd,
  formatLever,
  type HeldLever,
  type LeverEnd,
  type LeversState,
} from "../../core/levers/journal.ts";

/** A journal that has grown over this is written anew. */
const TIDY_BYTES = 64 * 1024;

/**
 * The journal of what a lane has imposed, as its one writer has it (core/levers/journal.ts says what is in it). Not synced
 * to disk: nothing of it outlives the kernel either.
 */
export class LeverJournal {
  readonly path: string;
  readonly #held = new Map<number, HeldLever>();
  #descriptor = -1;
  #sizeBytes = 0;
  #nextNumber: number;

  private constructor(path: string) {
    this.path = path;
    const { held, nextNumber } = readLeverJournal(path);
    for (const entry of held) this.#held.set(entry.number, entry);
    this.#nextNumber = nextNumber;
  }

  /** What an earlier life of the lane left is taken over. The file is made when the first is set. @throws as fs does */
  static open(path: string): LeverJournal {
    const journal = new LeverJournal(path);
    if (journal.#held.size > 0) journal.#writeAnew();
    return journal;
  }

  get held(): readonly HeldLever[] {
    return [...this.#held.values()];
  }

  get nextNumber(): number {
    return this.#nextNumber;
  }

  /** @throws as fs.writeSync does, when a disk is full or gone: then it may not be imposed */
  set(entry: Omit<HeldLever, "waiting">): void {
    if (this.#descriptor < 0 || !this.#isInPlace()) this.#writeAnew();
    this.#append(formatLever(entry));
    this.#held.set(entry.number, { ...entry, waiting: false });
    this.#nextNumber = Math.max(this.#nextNumber, entry.number + 1);
  }

  /** What cannot be written down is put back once more by whoever finds the journal: it finds nothing to do. */
  close(number: number, end: LeverEnd): void {
    this.#held.delete(number);
    try {
      if (this.#sizeBytes > TIDY_BYTES) this.#writeAnew();
      else if (this.#descriptor >= 0) this.#append(formatEnd(number, end));
    } catch {
      // As said above.
    }
  }

  /** Lets go of the file. What is held stays so. */
  release(): void {
    if (this.#descriptor >= 0) fs.closeSync(this.#descriptor);
    this.#descriptor = -1;
  }

  #append(line: string): void {
    const bytes = Buffer.from(line);
    const written = fs.writeSync(this.#descriptor, bytes, 0, bytes.length, null);
    if (written === bytes.length) {
      this.#sizeBytes += written;
      return;
    }
    fs.ftruncateSync(this.#descriptor, this.#sizeBytes);
    throw Object.assign(new Error("ENOSPC: no space left for the journal"), { code: "ENOSPC" });
  }

  #isInPlace(): boolean {
    try {
      return fs.statSync(this.path).ino === fs.fstatSync(this.#descriptor).ino;
    } catch {
      return false;
    }
  }

  /** Beside the old one and then in its place: at no moment is there none. */
  #writeAnew(): void {
    const text = Buffer.from([...this.#held.values()].map(formatLever).join(""));
    const beside = `${this.path}.new`;
    fs.rmSync(beside, { force: true });
    const { O_WRONLY, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;
    const descriptor = fs.openSync(beside, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      if (fs.writeSync(descriptor, text) < text.length)
        throw new Error("ENOSPC: no space left for the journal");
      fs.renameSync(beside, this.path);
    } catch (error) {
      fs.closeSync(descriptor);
      throw error;
    }
    if (this.#descriptor >= 0) fs.closeSync(this.#descriptor);
    this.#descriptor = descriptor;
    this.#sizeBytes = text.length;
  }
}

/** What a journal comes to; of one that is not there, nothing. @throws as fs.readFileSync does, but for ENOENT */
export function readLeverJournal(path: string): LeversState {
  try {
    return foldLevers(fs.readFileSync(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return foldLevers("");
    throw error;
  }
}
