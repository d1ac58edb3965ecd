import fs from "node:fs";

/** Null when all was written; otherwise why not. */
type Refusal = string | null;

/**
 * A log of lines that others read while it grows: each line is one write(2), and stands whole or not at all. When the file
 * is moved away (rotated), it is begun anew at its path; one that is cut (copytruncate) is gone on with. What a full
 * disk refuses is lost, and counted: a line of then is of no use later.
 */
export class MonitorLog {
  readonly #path: string;
  readonly #tell: (problem: Refusal, lostLines: number) => void;
  #descriptor: number | null = null;
  #inode = 0;
  #device = 0;
  #lost = 0;
  #refusal: Refusal = null;
  /** Where a half line was left that could not be taken back at once; null: none. */
  #tornAt: number | null = null;

  /** @param tell is told why lines are lost, once, and (null) when they are written again */
  constructor(path: string, tell: (problem: Refusal, lostLines: number) => void) {
    this.#path = path;
    this.#tell = tell;
  }

  /** @param lines ended by a newline each */
  write(lines: readonly string[]): void {
    let refusal: Refusal = null;
    let lost = 0;
    for (const line of lines) {
      refusal ??= this.#writeLine(line);
      if (refusal !== null) lost++;
    }
    this.#note(refusal, lost);
  }

  close(): void {
    if (this.#descriptor !== null) fs.closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  #note(refusal: Refusal, lost: number): void {
    this.#lost += lost;
    if (refusal !== null && this.#refusal === null) this.#tell(refusal, this.#lost);
    if (refusal === null && this.#refusal !== null) {
      this.#tell(null, this.#lost);
      this.#lost = 0;
    }
    this.#refusal = refusal;
  }

  #writeLine(line: string): Refusal {
    const bytes = Buffer.from(line);
    try {
      const descriptor = this.#open();
      this.#takeBack(descriptor);
      const written = fs.writeSync(descriptor, bytes);
      if (written === bytes.length) return null;
      this.#tornAt = fs.fstatSync(descriptor).size - written;
      this.#takeBack(descriptor);
      return "no space is left for a whole line";
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** Takes back half a line, unless others have written behind it. */
  #takeBack(descriptor: number): void {
    if (this.#tornAt === null) return;
    const at = this.#tornAt;
    if (fs.fstatSync(descriptor).size > at) fs.ftruncateSync(descriptor, at);
    this.#tornAt = null;
  }

  /** The descriptor of the file that is at the path now. @throws as fs.openSync does */
  #open(): number {
    const there = fs.statSync(this.#path, { throwIfNoEntry: false });
    const descriptor = this.#descriptor;
    if (descriptor !== null && there?.ino === this.#inode && there.dev === this.#device) return descriptor;
    this.close();
    this.#tornAt = null;
    const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
    // No symbolic link is followed, which another could have laid there; a pipe without a reader is refused, not waited for.
    const opened = fs.openSync(this.#path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o644);
    const { ino, dev } = fs.fstatSync(opened);
    this.#descriptor = opened;
    this.#inode = ino;
    this.#device = dev;
    return opened;
  }
}
