import fs from "node:fs";
import type { AuditLine } from "../../core/audit/line.ts";

/** Lines that could not be written wait for room; beyond so many the oldest are lost, and counted. */
const WAITING_LINES = 1024;

/**
 * The audit log: JSON lines, appended one write a line, so that a reader never sees half of one that was followed by
 * another. Grown over its limit, it becomes FILE.1 and is begun anew. A full disk loses nothing at once: lines wait.
 */
export class AuditLog {
  readonly #path: string;
  readonly #limitBytes: number;
  #descriptor: number;
  #sizeBytes: number;
  readonly #waiting: string[] = [];
  #lost = 0;
  #broken = false;

  /** @throws as fs.openSync does */
  constructor(path: string, limitBytes: number) {
    this.#path = path;
    this.#limitBytes = limitBytes;
    this.#descriptor = openForAppending(path);
    this.#sizeBytes = fs.fstatSync(this.#descriptor).size;
    this.#endTornLine();
  }

  /** Lines that were lost for ever since the last call. */
  takeLost(): number {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }

  /** Writes a line, after those that wait. @returns why it has to wait, null when it was written */
  write(line: AuditLine): string | null {
    this.#waiting.push(`${JSON.stringify(line)}\n`);
    if (this.#waiting.length > WAITING_LINES) {
      this.#waiting.shift();
      this.#lost++;
    }
    return this.flush();
  }

  /** Tries again to write what waits. @returns why it goes on waiting */
  flush(): string | null {
    for (;;) {
      const line = this.#waiting[0];
      if (line === undefined) return null;
      const refusal = this.#append(line);
      if (refusal !== null) return refusal;
      this.#waiting.shift();
    }
  }

  close(): void {
    this.flush();
    fs.closeSync(this.#descriptor);
  }

  #append(line: string): string | null {
    const bytes = Buffer.from(line);
    try {
      if (this.#sizeBytes > 0 && this.#sizeBytes + bytes.length > this.#limitBytes) this.#rotate();
      if (this.#broken) fs.ftruncateSync(this.#descriptor, this.#sizeBytes);
      this.#broken = false;
      const written = fs.writeSync(this.#descriptor, bytes);
      if (written < bytes.length) {
        // The disk is full in mid-line: take the half back, so that the file stays lines of JSON.
        this.#broken = true;
        return "no space left for a whole line";
      }
      this.#sizeBytes += bytes.length;
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  }

  #rotate(): void {
    fs.renameSync(this.#path, `${this.#path}.1`);
    fs.closeSync(this.#descriptor);
    this.#descriptor = openForAppending(this.#path);
    this.#sizeBytes = 0;
  }

  /** A guard that lost power in mid-line left a line without an end: the next one must not be glued to it. */
  #endTornLine(): void {
    if (this.#sizeBytes === 0) return;
    const last = Buffer.alloc(1);
    const reader = fs.openSync(this.#path, fs.constants.O_RDONLY);
    fs.readSync(reader, last, 0, 1, this.#sizeBytes - 1);
    fs.closeSync(reader);
    if (last[0] !== 10) this.#sizeBytes += fs.writeSync(this.#descriptor, "\n");
  }
}

/**
 * Opens an audit log, made when it is not there. No symbolic link is followed: another could have laid it there. A pipe
 * without a reader is refused rather than waited for.
 * @throws as fs.openSync does
 */
export function openForAppending(path: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  return fs.openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o640);
}
