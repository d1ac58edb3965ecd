import { HeaderSlot, STAMPS_PER_SEGMENT, WORDS_PER_SLOT } from "./layout.ts";
import { RingViews, type SharedRing } from "./views.ts";

const WORD = 2 ** 32;
const PER_WORD = 1 / WORD;

/**
 * The one producer of a ring. It never waits: a reader that is too slow loses the oldest segment.
 * A new writer on an old ring goes on where the last committed row is, so a restarted sampler loses nothing else.
 */
export class RingWriter {
  readonly #views: RingViews;
  /** What is asked for at each value, at hand. */
  readonly #kind: Uint8Array;
  /** In words of 4 bytes, from the segment's begin on. */
  readonly #valuesAt: Int32Array;
  readonly #validityAt: Int32Array;
  #sequence: number;
  #base: number;
  #rows: number;

  constructor(ring: SharedRing) {
    this.#views = new RingViews(ring);
    this.#kind = this.#views.kind;
    this.#valuesAt = Int32Array.from(this.#views.layout.valuesAt, (at) => at >> 2);
    this.#validityAt = Int32Array.from(this.#views.layout.validityAt);
    this.#sequence = this.#views.head;
    this.#base = this.#views.segmentAt(this.#sequence);
    this.#rows = this.#views.openRows;
  }

  get rows(): number {
    return this.#rows;
  }

  /** No row fits any more: the segment has to be sealed first. */
  get full(): boolean {
    return this.#rows === this.#views.rowsPerSegment;
  }

  /**
   * Writes one row: `frame[i]` is the i-th column, NaN is null. A full segment is sealed first.
   * uint64 takes 0 to 2^53, fractions are cut off; what does not fit its column is written as null.
   */
  append(frame: Float64Array): void {
    this.put(frame);
    this.commit();
  }

  /** As {@link append}, but nobody sees the row before {@link commit}, or a seal: for many rows at once. */
  put(frame: Float64Array): void {
    if (this.full) this.seal();
    const row = this.#rows;
    const kind = this.#kind;
    const valuesAt = this.#valuesAt;
    const validityAt = this.#validityAt;
    const { bytes, words, doubles } = this.#views;
    const wordBase = (this.#base >> 2) + row * 2;
    const byteBase = this.#base + (row >> 3);
    const bit = 1 << (row & 7);
    for (let column = 0; column < kind.length; column++) {
      const value = frame[column] as number;
      const type = kind[column] as number;
      const at = wordBase + (valuesAt[column] as number);
      let valid = value === value;
      if (type === 0) {
        valid = value >= 0 && value <= Number.MAX_SAFE_INTEGER;
        const whole = valid ? value : 0;
        const high = Math.floor(whole * PER_WORD);
        words[at] = whole - high * WORD;
        words[at + 1] = high;
      } else if (type === 8) {
        doubles[at >> 1] = value;
      } else {
        valid = value === (value | 0);
        words[at - row] = valid ? value : 0;
      }
      const present = bytes[byteBase + (validityAt[column] as number)] as number;
      bytes[byteBase + (validityAt[column] as number)] = valid ? present | bit : present & ~bit;
    }
    this.#rows = row + 1;
  }

  /** Lets readers see what has been {@link put}. */
  commit(): void {
    Atomics.store(this.#views.header, HeaderSlot.rows * WORDS_PER_SLOT, this.#rows);
  }

  /** A number for the whole open segment. */
  stamp(index: number, value: number): void {
    const at = (this.#sequence % this.#views.segments) * STAMPS_PER_SEGMENT + index;
    this.#views.stamps[at] = value;
  }

  /** Ends the open segment, however many rows it has, and begins the next. */
  seal(): void {
    const { header } = this.#views;
    const rowsBefore = Atomics.load(header, this.#views.rowsBeforeIndex(this.#sequence));
    Atomics.store(header, this.#views.sealedRowsIndex(this.#sequence), this.#rows);
    this.#sequence++;
    Atomics.store(header, this.#views.rowsBeforeIndex(this.#sequence), rowsBefore + this.#rows);
    this.#rows = 0;
    this.#base = this.#views.segmentAt(this.#sequence);
    // Rows before head: a reader that sees the new head must not see the old count of rows with it.
    Atomics.store(header, HeaderSlot.rows * WORDS_PER_SLOT, 0);
    Atomics.store(header, HeaderSlot.head * WORDS_PER_SLOT, this.#sequence);
  }
}
