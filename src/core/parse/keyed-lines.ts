import { nextLine, startsWith, unsignedAt } from "./bytes.ts";

const NEWLINE = 10;
const ABSENT = -1;

/** One wanted line: its key as it stands in the file, terminator and all, and what its number is multiplied by. */
export interface KeyedField {
  readonly key: string;
  /** 1024 for the lines that /proc/meminfo gives in kB; a page's size for a count of pages. */
  readonly scale: number;
}

/**
 * Reads chosen lines of a `key number` file: /proc/meminfo, /proc/vmstat, a cgroup's memory.stat.
 *
 * It remembers where each line began. The kernel writes the same lines in the same order, so nearly always the key
 * still stands there: comparing it is the whole search. When one has moved, the file is searched line by line again; so
 * it is when one was absent and the file's length has changed, as after a read that was cut off.
 */
export class KeyedLines {
  readonly #keys: Uint8Array[];
  readonly #scales: Float64Array;
  readonly #starts: Int32Array;
  /** How long the file was when it was searched, and whether all lines were there. */
  #searchedLength = ABSENT;
  #complete = false;

  /** @param fields the lines wanted; or another's, to share its keys: for one of many files of the same kind */
  constructor(fields: readonly KeyedField[] | KeyedLines) {
    if (fields instanceof KeyedLines) {
      this.#keys = fields.#keys;
      this.#scales = fields.#scales;
    } else {
      this.#keys = fields.map((field) => new TextEncoder().encode(field.key));
      this.#scales = Float64Array.from(fields, (field) => field.scale);
    }
    this.#starts = new Int32Array(this.#keys.length).fill(ABSENT);
  }

  /**
   * Parses the first `length` bytes into `out[outAt + i]` for the i-th field; NaN where a line is absent.
   * @returns how many fields were found
   */
  parse(bytes: Uint8Array, length: number, out: Float64Array, outAt: number): number {
    if (!this.#stillThere(bytes, length)) this.#locate(bytes, length);
    let found = 0;
    for (let i = 0; i < this.#keys.length; i++) {
      const start = this.#starts[i] as number;
      if (start === ABSENT) {
        out[outAt + i] = Number.NaN;
        continue;
      }
      const value = unsignedAt(bytes, start + (this.#keys[i] as Uint8Array).length, length);
      out[outAt + i] = value * (this.#scales[i] as number);
      found++;
    }
    return found;
  }

  /** All lines found last time are where they were; false also when there was no last time, or others may have come. */
  #stillThere(bytes: Uint8Array, length: number): boolean {
    if (!this.#complete && length !== this.#searchedLength) return false;
    let found = false;
    for (let i = 0; i < this.#keys.length; i++) {
      const start = this.#starts[i] as number;
      if (start === ABSENT) continue;
      if (start > 0 && bytes[start - 1] !== NEWLINE) return false;
      if (!startsWith(bytes, start, length, this.#keys[i] as Uint8Array)) return false;
      found = true;
    }
    return found;
  }

  #locate(bytes: Uint8Array, length: number): void {
    this.#starts.fill(ABSENT);
    for (let line = 0; line < length; line = nextLine(bytes, line, length)) {
      for (let i = 0; i < this.#keys.length; i++) {
        if (this.#starts[i] !== ABSENT || !startsWith(bytes, line, length, this.#keys[i] as Uint8Array))
          continue;
        this.#starts[i] = line;
        break;
      }
    }
    this.#searchedLength = length;
    this.#complete = !this.#starts.includes(ABSENT);
  }
}
