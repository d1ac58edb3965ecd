import { crc32 } from "node:zlib";
import {
  type Data,
  Field,
  Float64,
  Int32,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Uint64,
} from "apache-arrow";
import { ALIGNMENT_BYTES, CHECKSUM_KEY, formatChecksum, shapeBytes } from "../../core/dataset/message.ts";
import type { Column, ColumnType } from "../../core/ring/layout.ts";
import type { RangeColumn } from "./ring-tap.ts";

const TYPES: Readonly<Record<ColumnType, () => Uint64 | Int32 | Float64>> = {
  uint64: () => new Uint64(),
  int32: () => new Int32(),
  float64: () => new Float64(),
};

/** One stream's messages as lists of byte arrays, which are what they were made from: nothing is copied. */
export class BatchEncoder extends RecordBatchStreamWriter {
  readonly #arrowSchema: Schema;
  /** The message that the stream begins with. */
  readonly beginning: readonly Uint8Array[];
  #chunks: Uint8Array[] = [];

  constructor(columns: readonly Column[]) {
    super({ autoDestroy: false });
    this.#arrowSchema = new Schema(
      columns.map(({ name, type, nullable }) => new Field(name, TYPES[type](), nullable)),
    );
    this.reset(undefined, this.#arrowSchema);
    this.beginning = this.#takeChunks();
  }

  /** A record batch. What it consists of is the caller's columns: to be written before they change. */
  encode(columns: readonly RangeColumn[], rows: number): Uint8Array[] {
    const { fields } = this.#arrowSchema;
    const children = columns.map((column, i) => dataOf(column, (fields[i] as Field).type, rows));
    const metadata = new Map<string, string>();
    const data = makeData({ type: new Struct(fields), length: rows, nullCount: 0, children });
    const batch = new RecordBatch(this.#arrowSchema, data, metadata);
    metadata.set(CHECKSUM_KEY, this.#checksum(batch));
    this._writeRecordBatch(batch);
    return this.#takeChunks();
  }

  /** What a stream ends with. */
  end(): Uint8Array[] {
    this._writeFooter(this.#arrowSchema);
    return this.#takeChunks();
  }

  protected override _write(chunk: Uint8Array | Int32Array): this {
    if (chunk.byteLength > 0)
      this.#chunks.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    return this;
  }

  #checksum(batch: RecordBatch): string {
    const { nodes, bufferRegions, buffers } = this._assembleRecordBatch(batch);
    const shape = shapeBytes(
      batch.numRows,
      nodes.flatMap(({ length, nullCount }) => [length, nullCount]),
      bufferRegions.flatMap(({ offset, length }) => [offset, length]),
    );
    let checksum = crc32(shape);
    for (const buffer of buffers) {
      checksum = crc32(buffer as NodeJS.ArrayBufferView, checksum);
      const over = buffer.byteLength % ALIGNMENT_BYTES;
      if (over > 0) checksum = crc32(new Uint8Array(ALIGNMENT_BYTES - over), checksum);
    }
    return formatChecksum(checksum);
  }

  #takeChunks(): Uint8Array[] {
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks;
  }
}

function dataOf(
  { values, validity, nulls }: RangeColumn,
  type: Uint64 | Int32 | Float64,
  length: number,
): Data {
  return makeData({ type, length, data: values, nullBitmap: validity, nullCount: nulls } as never);
}
