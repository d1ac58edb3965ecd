import { nextLine } from "../parse/bytes.ts";

const COLON = 58;
const SPACE = 32;
const NEWLINE = 10;
const ZERO = 48;
/**
 * Of each direction /proc/net/dev (proc_pid_net(5)) has eight columns, and the first four are wanted: bytes, packets,
 * errors and drops, in the order of the ring's columns from receivedBytes on.
 */
const WANTED = 4;
const UNWANTED = 4;
/**
 * The last four columns, none wider than the kernel makes it at least. Looked behind at once, no other interface can be
 * missed: the shortest line of one is longer.
 */
const USUAL_REST_BYTES = 30;
/** How many numbers {@link InterfaceLines.values} has for an interface. */
export const COUNTERS = WANTED * 2;
/** The kernel's names have at most 15 bytes (IFNAMSIZ); a zero ends them here. */
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
  /** Where the first interface's line began: the heading before it is the same as long as the kernel is. */
  #firstLine = 0;

  /** @returns how many interfaces there are; a line that is cut off is passed over */
  parse(bytes: Uint8Array, length: number): number {
    let count = 0;
    for (let line = this.#behindHeading(bytes, length); line < length; ) {
      if ((count + 1) * COUNTERS > this.values.length) this.#grow();
      let name = line;
      while (name < length && bytes[name] === SPACE) name++;
      let colon = this.#behindKnown(bytes, name, length, count);
      const known = colon >= 0;
      if (!known) colon = behindName(bytes, name, length);
      // The heading has no colon after its first word.
      const end = colon < 0 ? -1 : this.#parseCounters(bytes, colon + 1, length, count * COUNTERS);
      if (end >= 0) {
        if (!known) this.#takeName(bytes, name, colon, count);
        if (count === 0) this.#firstLine = line;
        count++;
      }
      line = end < 0 ? nextLine(bytes, name, length) : behindLine(bytes, end, length);
    }
    if (count !== this.#count) this.changes++;
    this.#count = count;
    return count;
  }

  /** @returns where to begin: where the first interface stood if it still does, else at the beginning */
  #behindHeading(bytes: Uint8Array, length: number): number {
    const line = this.#firstLine;
    if (line === 0 || line >= length || bytes[line - 1] !== NEWLINE) return 0;
    let name = line;
    while (name < length && bytes[name] === SPACE) name++;
    return this.#behindKnown(bytes, name, length, 0) < 0 ? 0 : line;
  }

  /** @returns where the colon is that ends the name which stood at this place before; -1 when another name is there */
  #behindKnown(bytes: Uint8Array, from: number, length: number, index: number): number {
    const names = this.#nameBytes;
    let own = index * NAME_BYTES;
    let at = from;
    let byte = 0;
    while (at < length && (byte = names[own] as number) !== 0 && bytes[at] === byte) {
      at++;
      own++;
    }
    return at > from && at < length && names[own] === 0 && bytes[at] === COLON ? at : -1;
  }

  /** @returns where the last number that is wanted ends; -1 when one is missing, or may have been cut off */
  #parseCounters(bytes: Uint8Array, from: number, length: number, out: number): number {
    let at = this.#parseNumbers(bytes, from, length, out);
    for (let i = 0; at >= 0 && i < UNWANTED; i++) at = behindNumber(bytes, at);
    return at < 0 ? at : this.#parseNumbers(bytes, at, length, out + WANTED);
  }

  /**
   * {@link WANTED} numbers, each ended by a blank. Only where one ends is held against the length: what stands behind
   * that is of an older look, and ends at the buffer's end.
   * @returns where the last one ends; -1 when one is missing, or may have been cut off
   */
  #parseNumbers(bytes: Uint8Array, from: number, length: number, out: number): number {
    const { values } = this;
    let at = from;
    for (let i = 0; i < WANTED; i++) {
      while (bytes[at] === SPACE) at++;
      const first = at;
      let value = 0;
      let digit = 0;
      while ((digit = (bytes[at] as number) - ZERO) >= 0 && digit <= 9) {
        value = value * 10 + digit;
        at++;
      }
      if (at === first || at >= length || bytes[at] !== SPACE) return -1;
      values[out + i] = value <= Number.MAX_SAFE_INTEGER ? value : Number.NaN;
    }
    return at;
  }

  #takeName(bytes: Uint8Array, from: number, end: number, index: number): void {
    const own = index * NAME_BYTES;
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

/** @returns where the colon is that ends the name at `from`; -1 when there is no name, or it is longer than one can be */
function behindName(bytes: Uint8Array, from: number, length: number): number {
  let at = from;
  while (at < length && at - from < NAME_BYTES - 1 && isOfName(bytes[at] as number)) at++;
  return at > from && at < length && bytes[at] === COLON ? at : -1;
}

/** @returns where the line after the one whose last wanted number ends at `from` begins */
function behindLine(bytes: Uint8Array, from: number, length: number): number {
  const usual = from + USUAL_REST_BYTES;
  return usual < length && bytes[usual] === NEWLINE ? usual + 1 : nextLine(bytes, from, length);
}

/** @returns where the number after the blanks ends; -1 when there is none */
function behindNumber(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at] === SPACE) at++;
  const first = at;
  while (isDigit(bytes[at] as number)) at++;
  return at === first ? -1 : at;
}

const isDigit = (byte: number): boolean => byte >= ZERO && byte <= 57;
const isOfName = (byte: number): boolean => byte > SPACE && byte !== COLON;
