import {
  type Data,
  type DataType,
  Dictionary,
  Field,
  Float64,
  Int32,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  TimestampMicrosecond,
  Uint64,
  Utf8,
  type Vector,
  vectorFromArray,
} from "apache-arrow";
import { WORD } from "../../core/calibration/columns.ts";
import type { ColumnType } from "../../core/ring/layout.ts";
import type { Batch, BatchColumn } from "../common/dataset-reader.ts";
import { type Bearer, type Bearers, cellOf, type ExportShape, wordsOf } from "./export-rows.ts";

const TYPES: Readonly<Record<ColumnType, DataType>> = {
  uint64: new Uint64(),
  int32: new Int32(),
  float64: new Float64(),
};
const TIME = new TimestampMicrosecond("UTC");

/** How paths and names are written: once in a dictionary, or in each row, for formats that find repetitions by themselves. */
export type PathEncoding = "dictionary" | "plain";

/** Makes Arrow's record batches of batches of a dataset: its columns wrapped, and what they are joined with. */
export class ArrowRows {
  readonly schema: Schema;
  readonly #shape: ExportShape;
  readonly #joinedNames: NameColumn | null;

  constructor(shape: ExportShape, encoding: PathEncoding) {
    this.#shape = shape;
    const { bearers } = shape;
    this.#joinedNames =
      bearers === null ? null : encoding === "plain" ? new PlainNames() : new DictionaryNames(bearers.names);
    const joined = (bearers?.joined ?? []).map((each) => {
      const type = each === "inode" ? new Uint64() : (this.#joinedNames?.type ?? new Utf8());
      return new Field(each, type, true);
    });
    const own = shape.columns.map(({ name, type, nullable }) => new Field(name, TYPES[type], nullable));
    this.schema = new Schema([new Field("time", TIME, true), ...joined, ...own]);
  }

  /** Valid as long as the batch is. */
  batch(batch: Batch): RecordBatch {
    const { rows } = batch;
    const columns = this.#shape.columns.map(({ name }) => batch.column(name));
    const children = [timesOf(batch.column("timeUs"), rows, this.#shape.offsetUs)];
    const { bearers } = this.#shape;
    if (bearers !== null && this.#joinedNames !== null) {
      const borne = bearersOf(batch, bearers);
      children.push(this.#joinedNames.data(borne));
      if (bearers.joined.includes("inode")) children.push(inodesOf(borne));
    }
    columns.forEach((column, i) => {
      const type = TYPES[this.#shape.columns[i]?.type ?? "uint64"];
      children.push(dataOf(type, rows, column.values, column.validity));
    });
    return this.#of(children, rows);
  }

  /** A batch without rows. */
  empty(): RecordBatch {
    const none: BatchColumn = { values: new BigUint64Array(0), validity: null };
    return this.batch({ rows: 0, column: () => none });
  }

  #of(children: Data[], length: number): RecordBatch {
    const type = new Struct(this.schema.fields);
    return new RecordBatch(this.schema, makeData({ type, length, nullCount: 0, children }));
  }
}

function dataOf(type: DataType, length: number, data: unknown, validity: Uint8Array | null): Data {
  const nulls = validity === null ? { nullCount: 0 } : { nullBitmap: validity, nullCount: -1 };
  return makeData({ type, length, data, ...nulls } as never);
}

function timesOf(column: BatchColumn, rows: number, offsetUs: number): Data {
  const words = wordsOf(column);
  const times = new Uint32Array(rows * 2);
  for (let row = 0; row < rows; row++) {
    const us = Number(cellOf(column, words, row) ?? 0) + offsetUs;
    const high = Math.floor(us / WORD);
    times[row * 2] = us - high * WORD;
    times[row * 2 + 1] = high;
  }
  return dataOf(TIME, rows, new BigInt64Array(times.buffer), column.validity);
}

function bearersOf(batch: Batch, { column, at }: Bearers): Bearer[] {
  const [numbers, times] = [batch.column(column), batch.column("timeUs")];
  const [numberWords, timeWords] = [wordsOf(numbers), wordsOf(times)];
  return Array.from({ length: batch.rows }, (_, row) => {
    const number = Number(cellOf(numbers, numberWords, row) ?? -1);
    return at(number, Number(cellOf(times, timeWords, row) ?? 0));
  });
}

function inodesOf(bearers: readonly Bearer[]): Data {
  const words = new Uint32Array(bearers.length * 2);
  bearers.forEach(({ inode }, row) => {
    const value = inode ?? 0;
    words[row * 2] = value % WORD;
    words[row * 2 + 1] = Math.floor(value / WORD);
  });
  const validity = validityOf(bearers, ({ inode }) => inode !== null);
  return dataOf(new Uint64(), bearers.length, new BigUint64Array(words.buffer), validity);
}

function validityOf<T>(items: readonly T[], isThere: (item: T) => boolean): Uint8Array {
  const bits = new Uint8Array(Math.ceil(items.length / 8));
  items.forEach((item, i) => {
    if (isThere(item)) bits[i >> 3] = (bits[i >> 3] as number) | (1 << (i & 7));
  });
  return bits;
}

interface NameColumn {
  readonly type: DataType;
  data(bearers: readonly Bearer[]): Data;
}

class DictionaryNames implements NameColumn {
  readonly type = new Dictionary(new Utf8(), new Int32(), 0);
  readonly #indexes: ReadonlyMap<string | null, number>;
  readonly #dictionary: Vector<Utf8>;

  constructor(names: readonly string[]) {
    this.#indexes = new Map(names.map((name, i) => [name, i]));
    this.#dictionary = vectorFromArray(names.length === 0 ? [""] : names, new Utf8());
  }

  data(bearers: readonly Bearer[]): Data {
    // Readers check the index under a null too.
    const indexes = Int32Array.from(bearers, ({ name }) => this.#indexes.get(name) ?? 0);
    return makeData({
      type: this.type,
      length: bearers.length,
      data: indexes,
      nullBitmap: validityOf(bearers, ({ name }) => name !== null),
      dictionary: this.#dictionary,
    });
  }
}

class PlainNames implements NameColumn {
  readonly type = new Utf8();
  readonly #encoded = new Map<string | null, Uint8Array>([[null, new Uint8Array(0)]]);

  data(bearers: readonly Bearer[]): Data {
    const pieces = bearers.map(({ name }) => this.#bytesOf(name));
    const valueOffsets = new Int32Array(bearers.length + 1);
    pieces.forEach((piece, i) => {
      valueOffsets[i + 1] = (valueOffsets[i] as number) + piece.length;
    });
    return makeData({
      type: this.type,
      length: bearers.length,
      valueOffsets,
      data: Buffer.concat(pieces),
      nullBitmap: validityOf(bearers, ({ name }) => name !== null),
    });
  }

  #bytesOf(name: string | null): Uint8Array {
    const known = this.#encoded.get(name) ?? Buffer.from(name ?? "");
    this.#encoded.set(name, known);
    return known;
  }
}
