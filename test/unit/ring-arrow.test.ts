/** A sealed segment is a record batch of Apache Arrow, as it lies in memory. */
import {
  Data,
  Field,
  Float64,
  Int32,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Table,
  tableFromIPC,
  Uint64,
} from "apache-arrow";
import { expect, test } from "vitest";
import type { Column } from "../../src/core/ring/layout.ts";
import { RingReader } from "../../src/core/ring/reader.ts";
import { createRing, RingViews, type SealedColumn, wrapSegment } from "../../src/core/ring/views.ts";
import { RingWriter } from "../../src/core/ring/writer.ts";

const ROWS = 21;
const COLUMNS: readonly Column[] = [
  { name: "usedBytes", type: "uint64", nullable: true },
  { name: "oomScoreAdj", type: "int32", nullable: true },
  { name: "costUs", type: "float64", nullable: true },
];

/** Of row i, NaN for null; uint64 past 2^32, so that both halves count. */
function rowOf(i: number): number[] {
  return [
    i % 4 === 0 ? Number.NaN : 2 ** 40 + i,
    i % 3 === 0 ? Number.NaN : -i,
    i % 7 === 0 ? Number.NaN : i / 8,
  ];
}

function sealed(): { views: RingViews; sequence: number; rows: number } {
  const ring = createRing({ columns: COLUMNS, rowsPerSegment: 32, segments: 2 });
  const writer = new RingWriter(ring);
  for (let i = 0; i < ROWS; i++) writer.append(Float64Array.from(rowOf(i)));
  writer.seal();
  const reader = new RingReader(ring);
  const sequence = reader.newestSealed;
  return { views: new RingViews(ring), sequence, rows: reader.segmentRows(sequence) };
}

function dataOf({ values, validity }: SealedColumn, length: number): Data {
  const common = { length, nullBitmap: validity };
  if (values instanceof BigUint64Array) return makeData({ ...common, type: new Uint64(), data: values });
  if (values instanceof Int32Array) return makeData({ ...common, type: new Int32(), data: values });
  return makeData({ ...common, type: new Float64(), data: values });
}

function batchOf(columns: readonly SealedColumn[], length: number): RecordBatch {
  const children = columns.map((column) => dataOf(column, length));
  const fields = columns.map(({ name }, i) => new Field(name, (children[i] as Data).type, true));
  return new RecordBatch(new Schema(fields), makeData({ type: new Struct(fields), length, children }));
}

function expectRows(table: Table): void {
  expect(table.numRows).toBe(ROWS);
  for (let i = 0; i < ROWS; i++) {
    const expected = rowOf(i).map((value) => (Number.isNaN(value) ? null : value));
    const found = COLUMNS.map(({ name }) => {
      const value: unknown = table.getChild(name)?.get(i);
      return typeof value === "bigint" ? Number(value) : value;
    });
    expect(found).toEqual(expected);
  }
}

test("values and nulls are read by Arrow out of the ring's own memory", () => {
  const { views, sequence, rows } = sealed();
  expect(rows).toBe(ROWS);
  const columns = wrapSegment(views, sequence, rows);
  const batch = batchOf(columns, rows);
  expectRows(new Table([batch]));
  batch.data.children.forEach((child, i) => {
    const column = columns[i] as SealedColumn;
    expect(child.values.buffer).toBe(views.memory);
    expect(child.values.byteOffset).toBe(column.values.byteOffset);
    expect(child.values.byteOffset % 64).toBe(0);
    expect(child.nullBitmap.buffer).toBe(views.memory);
    expect(child.nullBitmap.byteOffset).toBe(column.validity.byteOffset);
  });
  // The very memory: what is changed in the ring is changed in the batch.
  const costs = (columns[2] as SealedColumn).values as Float64Array;
  costs[1] = 42;
  expect(batch.getChild("costUs")?.get(1)).toBe(42);
});

test("written as an IPC stream it is read again as it was", () => {
  const { views, sequence, rows } = sealed();
  const batch = batchOf(wrapSegment(views, sequence, rows), rows);
  const writer = new RecordBatchStreamWriter();
  writer.write(batch);
  writer.finish();
  const table = tableFromIPC(writer.toUint8Array(true));
  expectRows(table);
  expect(table.schema.fields.map(({ name, nullable }) => [name, nullable])).toEqual(
    COLUMNS.map(({ name }) => [name, true]),
  );
});
