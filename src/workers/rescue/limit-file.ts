import fs from "node:fs";
import { parseLimit } from "../../core/parse/single-number.ts";

const TEXT_BYTES = 24;
const ZERO = 48;
const MAX = Buffer.from("max");

/** Decimal digits of a whole number, written into a buffer that is kept. */
class DecimalText {
  readonly bytes = Buffer.alloc(TEXT_BYTES);

  /** @returns how many bytes the number took */
  set(value: number): number {
    let length = 1;
    for (let rest = Math.floor(value / 10); rest > 0; rest = Math.floor(rest / 10)) length++;
    let rest = value;
    for (let at = length - 1; at >= 0; at--) {
      const tens = Math.floor(rest / 10);
      this.bytes[at] = ZERO + (rest - tens * 10);
      rest = tens;
    }
    return length;
  }
}

/**
 * One file of a cgroup that holds a limit, opened ahead of need: read and written without making anything.
 * Infinity is no limit: `max` on v2, 2^63 rounded to pages on v1 (where -1 writes it).
 */
export class LimitFile {
  readonly path: string;
  readonly #descriptor: number;
  readonly #text = new DecimalText();
  readonly #read = Buffer.alloc(TEXT_BYTES + 8);
  readonly #unlimited: Buffer;

  /** @throws as fs.openSync does */
  constructor(path: string, version: 1 | 2) {
    this.path = path;
    this.#descriptor = fs.openSync(path, fs.constants.O_RDWR);
    this.#unlimited = version === 2 ? MAX : Buffer.from("-1");
  }

  /** Bytes; NaN when the cgroup is gone. */
  read(): number {
    try {
      return parseLimit(this.#read, fs.readSync(this.#descriptor, this.#read, 0, this.#read.length, 0));
    } catch {
      return Number.NaN;
    }
  }

  /**
   * Writes whole bytes.
   * @returns null when the kernel took it, else its word: EBUSY (usage is above, v1), EINVAL, EPERM, ENODEV (gone)
   */
  write(bytes: number): string | null {
    try {
      if (bytes === Number.POSITIVE_INFINITY) {
        fs.writeSync(this.#descriptor, this.#unlimited, 0, this.#unlimited.length, 0);
      } else {
        const length = this.#text.set(bytes);
        fs.writeSync(this.#descriptor, this.#text.bytes, 0, length, 0);
      }
      return null;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    }
  }

  close(): void {
    fs.closeSync(this.#descriptor);
  }
}

/** A limit that is read once; NaN when its cgroup is gone. */
export function readLimit(path: string): number {
  try {
    const bytes = fs.readFileSync(path);
    return parseLimit(bytes, bytes.length);
  } catch {
    return Number.NaN;
  }
}
