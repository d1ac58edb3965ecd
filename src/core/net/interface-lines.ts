import { nextLine, unsignedAt } from "../parse/bytes.ts";

const COLON = 58;
const SPACE = 32;
/** The columns of /proc/net/dev (proc_pid_net(5)) that are wanted, in the order of the ring's columns from receivedBytes on. */
const WANTED = [0, 1, 2, 3, 8, 9, 10, 11] as const;
const COLUMNS = 16;
/** How many numbers {@link InterfaceLines.values} has for an interface. */
export const COUNTERS = WANTED.length;
/** The kernel's names have at most 15 bytes (IFNAMSIZ). */
const NAME_BYTES = 16;
const FIRST_ROOM = 16;

/**
 * Reads /proc/net/dev without strings: numbers of each interface, in the file's order. A name is remembered by its
 * place, and becomes a string only when another one stands there.
 */
export class InterfaceLines {
  /** For the i-th interface, {@link COUNTERS} numbers from i times that on; NaN where one is absent. */
  values = new Float64Array(FIRST_ROOM * COUNTERS);
  /** Names by place; those beyond the last count are old. */
  readonly names: string[] = [];
  /** How often another name has stood at a place. */
  changes = 0;
  #nameBytes = new Uint8Array(FIRST_ROOM * NAME_BYTES);
  #count = 0;

  /** @returns how many interfaces there are; a line that is cut off is passed over */
  parse(bytes: Uint8Array, length: number): number {
    let count = 0;
    for (let line = 0; line < length; line = nextLine(bytes, line, length)) {
      let name = line;
      while (name < length && bytes[name] === SPACE) name++;
      let colon = name;
      while (colon < length && colon - name < NAME_BYTES - 1 && isOfName(bytes[colon] as number)) colon++;
      // The heading has no colon after its first word.
      if (colon === name || colon >= length || bytes[colon] !== COLON) continue;
      if (this.#parseLine(bytes, colon + 1, length, count)) this.#takeName(bytes, name, colon, count++);
    }
    if (count !== this.#count) this.changes++;
    this.#count = count;
    return count;
  }

  #parseLine(bytes: Uint8Array, from: number, length: number, index: number): boolean {
    if ((index + 1) * COUNTERS > this.values.length) this.#grow();
    let at = from;
    let wanted = 0;
    for (let column = 0; column < COLUMNS; column++) {
      while (at < length && bytes[at] === SPACE) at++;
      if (column === WANTED[wanted]) {
        this.values[index * COUNTERS + wanted] = unsignedAt(bytes, at, length);
        wanted++;
      }
      if (wanted === COUNTERS) break;
      const first = at;
      while (at < length && isDigit(bytes[at] as number)) at++;
      if (at === first) return false;
    }
    // What runs into the end may have been cut off.
    return !Number.isNaN(this.values[index * COUNTERS + COUNTERS - 1] as number);
  }

  #takeName(bytes: Uint8Array, from: number, end: number, index: number): void {
    const own = index * NAME_BYTES;
    let same = this.#nameBytes[own + (end - from)] === 0;
    for (let i = 0; same && i < end - from; i++) same = this.#nameBytes[own + i] === bytes[from + i];
    if (same && this.names[index] !== undefined) return;
    this.#nameBytes.fill(0, own, own + NAME_BYTES);
    for (let i = 0; i < end - from; i++) this.#nameBytes[own + i] = bytes[from + i] as number;
    this.names[index] = String.fromCharCode(...bytes.subarray(from, end));
    this.changes++;
  }

  #grow(): void {
    const values = new Float64Array(this.values.length * 2);
    values.set(this.values);
    this.values = values;
    const names = new Uint8Array(this.#nameBytes.length * 2);
    names.set(this.#nameBytes);
    this.#nameBytes = names;
  }
}

const isDigit = (byte: number): boolean => byte >= 48 && byte <= 57;
const isOfName = (byte: number): boolean => byte > SPACE && byte !== COLON;
