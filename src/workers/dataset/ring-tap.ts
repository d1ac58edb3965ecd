import { RingViews, type SealedColumn, type SharedRing, wrapSegment } from "../../core/ring/views.ts";

/** Complete rows of one segment of a ring, not taken before. */
export interface RowRange {
  readonly sequence: number;
  readonly from: number;
  readonly rows: number;
}

/** A range's rows of one column. */
export interface RangeColumn {
  /** The ring's own memory. */
  readonly values: SealedColumn["values"];
  /** Null when none is null; else a copy: the writer goes on setting bits in the last byte of an open segment's. */
  readonly validity: Uint8Array | null;
  readonly nulls: number;
}

/**
 * Takes the rows of a ring in whole ranges, each row once: those of sealed segments, and, when asked, those that are
 * complete in the open one. What the writer has overwritten before it was taken is counted.
 */
export class RingTap {
  readonly #views: RingViews;
  #sequence: number;
  #row = 0;
  /** Rows before the next one to take, modulo 2^32. */
  #position: number;
  #lost = 0;

  /** @param position rows of the ring that another tap took or lost before */
  constructor(ring: SharedRing, position = 0) {
    this.#views = new RingViews(ring);
    this.#position = position >>> 0;
    this.#sequence = Math.max(0, this.#views.head - this.#views.segments + 1);
    const oldestPosition = this.#rowsBefore(this.#sequence);
    const ahead = (this.#position - oldestPosition) | 0;
    if (ahead < 0) this.#lose(this.#sequence, oldestPosition);
    else this.#advance(ahead);
  }

  /** Rows that are gone without having been taken. */
  get lostRows(): number {
    return this.#lost;
  }

  /**
   * The next range, without taking it: asked again, the answer is the same or has more rows.
   * @param open whether those of a segment that is not full yet are wanted too
   */
  next(open: boolean): RowRange | null {
    this.#skipLost();
    for (;;) {
      const head = this.#views.head;
      const sealed = this.#sequence < head;
      if (!sealed && !open) return null;
      const rows = sealed ? this.#sealedRows(this.#sequence) : this.#views.openRows;
      // Sealed between the two looks: that count of rows is the next segment's.
      if (!sealed && this.#views.head !== head) continue;
      if (rows > this.#row) return { sequence: this.#sequence, from: this.#row, rows: rows - this.#row };
      if (!sealed) return null;
      this.#sequence++;
      this.#row = 0;
    }
  }

  columns({ sequence, from, rows }: RowRange): RangeColumn[] {
    return wrapSegment(this.#views, sequence, from + rows).map(({ values, validity }) => {
      const bits = copyBits(validity, from, rows);
      const nulls = rows - countBits(bits);
      return { values: values.subarray(from), validity: nulls === 0 ? null : bits, nulls };
    });
  }

  /** The writer has not begun to overwrite the range. */
  intact({ sequence }: RowRange): boolean {
    return this.#views.head - sequence < this.#views.segments;
  }

  /** To be said when a range is safe. One that was not intact is found lost by the next call of {@link next}. */
  take({ rows }: RowRange): void {
    this.#row += rows;
    this.#position = (this.#position + rows) >>> 0;
  }

  #sealedRows(sequence: number): number {
    return Atomics.load(this.#views.header, this.#views.sealedRowsIndex(sequence));
  }

  #rowsBefore(sequence: number): number {
    return Atomics.load(this.#views.header, this.#views.rowsBeforeIndex(sequence));
  }

  #advance(rows: number): void {
    let left = rows;
    for (; this.#sequence < this.#views.head; this.#sequence++) {
      const inSegment = this.#sealedRows(this.#sequence);
      if (left < inSegment) break;
      left -= inSegment;
    }
    this.#row = left;
  }

  /** Goes on to the oldest segment that is still there. */
  #skipLost(): void {
    for (;;) {
      const head = this.#views.head;
      const oldest = head - this.#views.segments + 1;
      if (this.#sequence >= oldest) return;
      const position = this.#rowsBefore(oldest);
      // The count of rows before it stays until the writer has come round twice; then it is asked again.
      if (this.#views.head === head) this.#lose(oldest, position);
    }
  }

  #lose(oldest: number, position: number): void {
    this.#lost += (position - this.#position) >>> 0;
    this.#position = position >>> 0;
    this.#sequence = oldest;
    this.#row = 0;
  }
}

/** So many bits of a bitmap from bit `from` on, as a bitmap of whole 8 bytes; what is beyond them is 0. */
export function copyBits(bitmap: Uint8Array, from: number, count: number): Uint8Array {
  const bits = new Uint8Array(Math.ceil(count / 64) * 8);
  const first = from >> 3;
  const shift = from & 7;
  const bytes = Math.ceil(count / 8);
  for (let i = 0; i < bytes; i++) {
    const low = (bitmap[first + i] as number) >> shift;
    const high = shift === 0 ? 0 : (bitmap[first + i + 1] ?? 0) << (8 - shift);
    bits[i] = low | high;
  }
  if ((count & 7) !== 0) bits[bytes - 1] = (bits[bytes - 1] as number) & ((1 << (count & 7)) - 1);
  return bits;
}

function countBits(bits: Uint8Array): number {
  let count = 0;
  for (const word of new Uint32Array(bits.buffer)) {
    let pairs = word - ((word >>> 1) & 0x55555555);
    pairs = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
    count += Math.imul((pairs + (pairs >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  return count;
}
