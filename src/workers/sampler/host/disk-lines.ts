import { nextLine, startsWith } from "../../../core/parse/bytes.ts";
import { DISK_FIELDS, Disk, parseDiskHead, parseDiskNumbers } from "../../../core/parse/diskstats.ts";

const NEWLINE = 10;
const BLANK = 32;
/** Nothing read and nothing written, merged or not, since boot. */
const IDLE = new TextEncoder().encode("0 0 0 0 0 ");

/** A line of /proc/diskstats: whose it is, as long as the same bytes begin it. */
export interface DiskLine {
  /** major * 2^20 + minor. */
  readonly device: number;
  readonly name: string;
  /** The bytes of major, minor and name as they stand in the line. */
  readonly head: Uint8Array;
  readonly wanted: boolean;
  /** It has been told of. */
  announced: boolean;
  /** In which read it was last found, and where. */
  seen: number;
  at: number;
}

/**
 * Walks over /proc/diskstats. The kernel writes the same devices in the same order, so nearly always the line begins with
 * the bytes that it began with before: comparing them is the whole search, and only wanted lines are parsed on.
 */
export class DiskLines {
  readonly #wants: (device: number, name: string) => boolean;
  readonly #values = new Float64Array(DISK_FIELDS);
  #lines: DiskLine[] = [];
  #reads = 0;

  /** @param wants asked once a device, when it appears */
  constructor(wants: (device: number, name: string) => boolean) {
    this.#wants = wants;
  }

  /**
   * Calls `found` for every wanted device that has ever done something, with its values by {@link Disk}.
   * @returns whether all lines were those of the last time
   */
  walk(bytes: Uint8Array, length: number, found: (line: DiskLine, values: Float64Array) => void): boolean {
    const values = this.#values;
    const lines = this.#lines;
    this.#reads++;
    let index = 0;
    let same = true;
    for (let at = 0; at < length; ) {
      let line = lines[index] as DiskLine;
      if (index >= lines.length || !startsWith(bytes, at, length, line.head)) {
        same = false;
        const other = this.#lineAt(bytes, at, length, index);
        if (other === null) {
          at = nextLine(bytes, at, length);
          continue;
        }
        line = other;
      }
      index++;
      line.seen = this.#reads;
      line.at = at;
      const numbersAt = at + line.head.length;
      at = this.#endOf(bytes, numbersAt, length, index);
      if (!line.wanted || startsWith(bytes, numbersAt, length, IDLE)) continue;
      if (!parseDiskNumbers(bytes, numbersAt, length, values)) continue;
      if ((values[Disk.reads] as number) + (values[Disk.writes] as number) === 0) continue;
      values[Disk.device] = line.device;
      found(line, values);
    }
    return same && index === this.#lines.length;
  }

  /** Where the line ends: where the next known one begins, if it still begins where it did. */
  #endOf(bytes: Uint8Array, from: number, length: number, next: number): number {
    const expected = this.#lines[next];
    if (expected !== undefined && expected.at > from && bytes[expected.at - 1] === NEWLINE) {
      if (startsWith(bytes, expected.at, length, expected.head)) return expected.at;
    }
    return nextLine(bytes, from, length);
  }

  /** Takes out those that the last walk did not find. */
  takeGone(): DiskLine[] {
    const gone = this.#lines.filter(({ seen }) => seen !== this.#reads);
    if (gone.length > 0) this.#lines = this.#lines.filter(({ seen }) => seen === this.#reads);
    return gone;
  }

  /** The line at `from`, known from elsewhere in the file or new, put in its place in the order. */
  #lineAt(bytes: Uint8Array, from: number, length: number, index: number): DiskLine | null {
    const known = this.#lines.findIndex(({ head }, i) => i > index && startsWith(bytes, from, length, head));
    const line = known >= 0 ? (this.#lines[known] as DiskLine) : this.#newLine(bytes, from, length);
    if (line === null) return null;
    if (known >= 0) this.#lines.splice(known, 1);
    this.#lines.splice(index, 0, line);
    return line;
  }

  #newLine(bytes: Uint8Array, from: number, length: number): DiskLine | null {
    const to = parseDiskHead(bytes, from, length, this.#values);
    const device = this.#values[Disk.device] as number;
    // Without the blank after it, the name may have been cut off, or be the begin of another's.
    if (Number.isNaN(device) || to >= length || bytes[to] !== BLANK) return null;
    const name = new TextDecoder().decode(bytes.subarray(this.#values[Disk.nameFrom], to));
    const wanted = this.#wants(device, name);
    // A copy: what a Buffer calls a slice is its own bytes, which the next read changes.
    const head = Uint8Array.from(bytes.subarray(from, to + 1));
    return { device, name, head, wanted, announced: false, seen: 0, at: 0 };
  }
}
