/**
 * Where everything lies in a ring's shared memory.
 *
 * A ring is a fixed number of segments; a segment holds so many rows of every column. A column's part of a segment is
 * laid out as Arrow lays out an array (Arrow columnar format, "Physical memory layout"): the values side by side,
 * little endian, and a validity bitmap, least significant bit first, both on 64-byte boundaries. So a finished segment
 * is a record batch without copying.
 */

export type ColumnType = "uint64" | "int32" | "float64";

export interface Column {
  /** Units last: `availableBytes`. */
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
}

export interface RingShape {
  readonly columns: readonly Column[];
  readonly rowsPerSegment: number;
  readonly segments: number;
}

const ALIGNMENT_BYTES = 64;
const WORD_BYTES = 4;
/** One word a cache line: two threads never write into the same one. */
export const WORDS_PER_SLOT = ALIGNMENT_BYTES / WORD_BYTES;

/** Words of the header, in slots. */
export const HeaderSlot = {
  /** Number of the segment being written. Counts up for ever; its place is this modulo the number of segments. */
  head: 0,
  /** Rows of that segment that are complete. */
  rows: 1,
  /** From here, one slot a segment: how many rows it held when it was sealed, and see {@link ROWS_BEFORE_WORD}. */
  sealedRows: 2,
} as const;

/**
 * Words of a segment's slot, two: how many rows (modulo 2^32) were written before it, by which a reader that lost
 * segments knows how much. The two are used in turns, round by round, so that the count of the oldest segment that can
 * still be read is there while the next one in its place is being prepared.
 */
export const ROWS_BEFORE_WORD = 1;

/** Numbers that belong to a whole segment, such as when a walk began. */
export const STAMPS_PER_SEGMENT = 8;

const VALUE_BYTES: Readonly<Record<ColumnType, number>> = { uint64: 8, int32: 4, float64: 8 };

export interface RingLayout {
  readonly shape: RingShape;
  readonly stampsAt: number;
  /** Where segment 0 begins, and how far the next one is. */
  readonly segmentsAt: number;
  readonly segmentBytes: number;
  /** Of each column within a segment. */
  readonly valuesAt: readonly number[];
  readonly validityAt: readonly number[];
  readonly totalBytes: number;
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

/** @throws RangeError on a shape without rows, columns, or the two segments that reading beside writing needs */
export function ringLayout(shape: RingShape): RingLayout {
  if (shape.segments < 2 || shape.rowsPerSegment < 1 || shape.columns.length === 0) {
    throw new RangeError("a ring needs at least two segments, one row and one column");
  }
  const headerBytes = alignUp((HeaderSlot.sealedRows + shape.segments) * ALIGNMENT_BYTES);
  const stampsBytes = alignUp(shape.segments * STAMPS_PER_SEGMENT * 8);
  const valuesAt: number[] = [];
  const validityAt: number[] = [];
  let at = 0;
  for (const column of shape.columns) {
    valuesAt.push(at);
    at += alignUp(shape.rowsPerSegment * VALUE_BYTES[column.type]);
    validityAt.push(at);
    at += alignUp(Math.ceil(shape.rowsPerSegment / 8));
  }
  const segmentsAt = headerBytes + stampsBytes;
  return {
    shape,
    stampsAt: headerBytes,
    segmentsAt,
    segmentBytes: at,
    valuesAt,
    validityAt,
    totalBytes: segmentsAt + at * shape.segments,
  };
}
