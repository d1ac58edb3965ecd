import { STAMPS_PER_SEGMENT } from "./layout.ts";
import { RingViews, type SharedRing } from "./views.ts";

/** Reads a ring row by row, each row once, or looks at its newest whole segment. Any number of readers, none in the way. */
export class RingReader {
  readonly #views: RingViews;
  #sequence: number;
  #row: number;
  /** Rows written before the next one to read, modulo 2^32. */
  #position: number;
  #lostRows = 0;

  /** Begins with what is written from now on; with the present segment when that is just being sealed. */
  constructor(ring: SharedRing) {
    this.#views = new RingViews(ring);
    this.#sequence = this.#views.head;
    this.#row = this.#views.openRows;
    this.#position = this.#rowsBefore(this.#sequence) + this.#row;
  }

  /** Rows that were overwritten before this reader came to them. */
  get lostRows(): number {
    return this.#lostRows;
  }

  /**
   * The next row into `frame`, NaN for null.
   * @returns false when there is none yet
   */
  next(frame: Float64Array): boolean {
    for (;;) {
      const head = this.#views.head;
      if (!this.#skipLost(head)) continue;
      const rows = this.#sequence === head ? this.#views.openRows : this.#sealedRows(this.#sequence);
      // Sealed between the two looks: that count of rows is the next segment's.
      if (this.#sequence === head && this.#views.head !== head) continue;
      if (this.#row < rows) {
        this.#copy(this.#sequence, this.#row, frame);
        // The writer may have come round while this was copying.
        if (this.#views.head - this.#sequence >= this.#views.segments) continue;
        this.#row++;
        this.#position++;
        return true;
      }
      if (this.#sequence >= head) return false;
      this.#sequence++;
      this.#row = 0;
    }
  }

  /** Goes to the newest row and reads it; the ones between are passed over, not lost. False when there is no new one. */
  newest(frame: Float64Array): boolean {
    let found = false;
    while (this.next(frame)) found = true;
    return found;
  }

  /** Number of the newest sealed segment, -1 before the first. */
  get newestSealed(): number {
    return this.#views.head - 1;
  }

  /** How many rows sealed segment `sequence` has. */
  segmentRows(sequence: number): number {
    return this.#sealedRows(sequence);
  }

  /** One value of a sealed segment; NaN for null. Ask {@link intact} afterwards. */
  segmentValue(sequence: number, column: number, row: number): number {
    return this.#views.valueAt(this.#views.segmentAt(sequence), column, row);
  }

  /** The i-th stamp of a sealed segment. */
  segmentStamp(sequence: number, index: number): number {
    return this.#views.stamps[(sequence % this.#views.segments) * STAMPS_PER_SEGMENT + index] as number;
  }

  /** The writer has not begun to overwrite segment `sequence`. */
  intact(sequence: number): boolean {
    return this.#views.head - sequence < this.#views.segments;
  }

  #sealedRows(sequence: number): number {
    return Atomics.load(this.#views.header, this.#views.sealedRowsIndex(sequence));
  }

  #rowsBefore(sequence: number): number {
    return Atomics.load(this.#views.header, this.#views.rowsBeforeIndex(sequence));
  }

  /** Goes on to the oldest segment that is still there. @returns false when the writer has moved on meanwhile */
  #skipLost(head: number): boolean {
    const oldest = head - this.#views.segments + 1;
    if (this.#sequence >= oldest) return true;
    const position = this.#rowsBefore(oldest);
    if (this.#views.head !== head) return false;
    this.#lostRows += (position - this.#position) >>> 0;
    this.#position = position;
    this.#sequence = oldest;
    this.#row = 0;
    return true;
  }

  #copy(sequence: number, row: number, frame: Float64Array): void {
    const base = this.#views.segmentAt(sequence);
    for (let column = 0; column < this.#views.columns; column++) {
      frame[column] = this.#views.valueAt(base, column, row);
    }
  }
}
