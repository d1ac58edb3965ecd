import {
  type ColumnType,
  HeaderSlot,
  type RingLayout,
  type RingShape,
  ROWS_BEFORE_WORD,
  ringLayout,
  STAMPS_PER_SEGMENT,
  WORDS_PER_SLOT,
} from "./layout.ts";

/** A ring in shared memory, as it is handed from thread to thread. */
export interface SharedRing {
  readonly shape: RingShape;
  readonly memory: SharedArrayBuffer;
}

/** @throws RangeError on an impossible shape */
export function createRing(shape: RingShape): SharedRing {
  return { shape, memory: new SharedArrayBuffer(ringLayout(shape).totalBytes) };
}

/** Typed views over a ring's memory, and where in them things are. What reader and writer share. */
export class RingViews {
  readonly layout: RingLayout;
  readonly columns: number;
  readonly segments: number;
  readonly rowsPerSegment: number;
  readonly memory: SharedArrayBuffer;
  readonly header: Int32Array;
  readonly stamps: Float64Array;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly doubles: Float64Array;
  /** 8 for float64, 4 for int32, 0 for uint64: cheaper to branch on than a string. */
  readonly kind: Uint8Array;

  constructor(ring: SharedRing) {
    this.layout = ringLayout(ring.shape);
    if (ring.memory.byteLength !== this.layout.totalBytes) {
      throw new RangeError(
        `a ring of this shape takes ${this.layout.totalBytes} bytes, not ${ring.memory.byteLength}`,
      );
    }
    this.memory = ring.memory;
    this.columns = ring.shape.columns.length;
    this.segments = ring.shape.segments;
    this.rowsPerSegment = ring.shape.rowsPerSegment;
    this.header = new Int32Array(ring.memory, 0, (HeaderSlot.sealedRows + this.segments) * WORDS_PER_SLOT);
    this.stamps = new Float64Array(ring.memory, this.layout.stampsAt, this.segments * STAMPS_PER_SEGMENT);
    this.bytes = new Uint8Array(ring.memory);
    this.words = new Uint32Array(ring.memory);
    this.doubles = new Float64Array(ring.memory);
    this.kind = Uint8Array.from(ring.shape.columns, (column) =>
      column.type === "float64" ? 8 : column.type === "int32" ? 4 : 0,
    );
  }

  segmentAt(sequence: number): number {
    return this.layout.segmentsAt + (sequence % this.segments) * this.layout.segmentBytes;
  }

  sealedRowsIndex(sequence: number): number {
    return (HeaderSlot.sealedRows + (sequence % this.segments)) * WORDS_PER_SLOT;
  }

  rowsBeforeIndex(sequence: number): number {
    return this.sealedRowsIndex(sequence) + ROWS_BEFORE_WORD + (Math.floor(sequence / this.segments) & 1);
  }

  get head(): number {
    return Atomics.load(this.header, HeaderSlot.head * WORDS_PER_SLOT);
  }

  get openRows(): number {
    return Atomics.load(this.header, HeaderSlot.rows * WORDS_PER_SLOT);
  }

  /** Reads one value; NaN where it is null. */
  valueAt(segmentAt: number, column: number, row: number): number {
    const validityAt = segmentAt + (this.layout.validityAt[column] as number) + (row >> 3);
    if (((this.bytes[validityAt] as number) & (1 << (row & 7))) === 0) return Number.NaN;
    const valuesAt = segmentAt + (this.layout.valuesAt[column] as number);
    switch (this.kind[column] as number) {
      case 8:
        return this.doubles[(valuesAt >> 3) + row] as number;
      case 4:
        return (this.words[(valuesAt >> 2) + row] as number) | 0;
      default: {
        const at = (valuesAt >> 2) + row * 2;
        return (this.words[at] as number) + (this.words[at + 1] as number) * 4294967296;
      }
    }
  }
}

/** One column of a sealed segment, as Arrow wants it: the very memory, nothing copied. */
export interface SealedColumn {
  readonly name: string;
  readonly values: BigUint64Array | Int32Array | Float64Array;
  readonly validity: Uint8Array;
}

/** The columns of segment `sequence`, of its first `rows` rows, wrapped. They change when the writer comes round. */
export function wrapSegment(views: RingViews, sequence: number, rows: number): SealedColumn[] {
  const base = views.segmentAt(sequence);
  return views.layout.shape.columns.map((column, i) => {
    const at = base + (views.layout.valuesAt[i] as number);
    const validityAt = base + (views.layout.validityAt[i] as number);
    const validity = new Uint8Array(views.memory, validityAt, Math.ceil(views.rowsPerSegment / 8));
    return { name: column.name, values: wrapValues(column.type, views.memory, at, rows), validity };
  });
}

function wrapValues(
  type: ColumnType,
  memory: SharedArrayBuffer,
  at: number,
  rows: number,
): SealedColumn["values"] {
  switch (type) {
    case "uint64":
      return new BigUint64Array(memory, at, rows);
    case "int32":
      return new Int32Array(memory, at, rows);
    case "float64":
      return new Float64Array(memory, at, rows);
  }
}
