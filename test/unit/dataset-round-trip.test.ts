/** What is written is read again, by our own reader and by two that share no code with the writer. */
import fs from "node:fs";
import path from "node:path";
import { tableFromIPC } from "@uwdata/flechette";
import pl from "nodejs-polars";
import { expect, test } from "vitest";
import { forEachTable, TABLE_COLUMNS, TABLE_NAMES, type TableName } from "../../src/core/dataset/tables.ts";
import type { CgroupIdentity } from "../../src/core/cgroups/columns.ts";
import { cgroupNumber } from "../../src/core/cgroups/number.ts";
import { rowsSaid, wallMsOf } from "../../src/core/dataset/manifest.ts";
import { openDataset } from "../../src/workers/common/dataset-reader.ts";
import { DatasetWriter } from "../../src/workers/dataset/dataset-writer.ts";
import { beginDataset, Producer, readRows, type Row, rowOf, segmentPaths } from "../support/dataset.ts";
import { testDirectory } from "../support/guard.ts";

const ROWS = 3001;
const SMALL_SEGMENT_BYTES = 20_000;

/** Writes so many rows of each table in uneven flushes. */
function record(directory: string, rows: number): void {
  const producer = new Producer(256, 4);
  const writer = new DatasetWriter(beginDataset(directory), producer.rings, {
    segmentBytes: SMALL_SEGMENT_BYTES,
  });
  writer.takeCgroups(
    { type: "cgroups", appeared: [{ number: 1, path: "/a\nb", inode: 7, onlyAncestor: false }], gone: [] },
    1e9,
  );
  for (let i = 0; i < rows; i++) {
    for (const table of TABLE_NAMES) producer.append(table, rowOf(table, i));
    if (i % 97 === 0 || i % 101 === 0) expect(writer.flush(i * 20, 3)).toBeNull();
  }
  writer.takeCgroups({ type: "cgroups", appeared: [], gone: [1] }, 2e9);
  expect(writer.finish(rows * 20, 5, "2025-01-01T00:00:00.000Z")).toBeNull();
}

function expectRows(found: readonly Row[], table: TableName): void {
  expect(found.length).toBe(ROWS);
  for (let i = 0; i < ROWS; i++) expect(found[i], `row ${i} of ${table}`).toEqual(rowOf(table, i));
}

test("values, nulls and counts come back, over several segments", (context) => {
  const directory = path.join(testDirectory(context), "set");
  record(directory, ROWS);
  const dataset = openDataset(directory);
  for (const table of TABLE_NAMES) {
    expect(dataset.files[table].length).toBeGreaterThan(2);
    expectRows(readRows(dataset, table), table);
  }
  expect(dataset.losses).toEqual([]);
  const { manifest } = dataset;
  expect(manifest.complete).toBe(true);
  expect(manifest.missedTicks).toBe(5);
  expect(manifest.lostRows).toEqual(forEachTable(() => 0));
  for (const table of TABLE_NAMES) {
    const segments = manifest.segments.filter((segment) => segment.table === table);
    expect(segments.reduce((sum, { rows }) => sum + rows, 0)).toBe(ROWS);
    for (const { file, bytes } of segments) expect(fs.statSync(path.join(directory, file)).size).toBe(bytes);
  }
  expect(dataset.cgroups.get(1)).toEqual({
    number: 1,
    path: "/a\nb",
    inode: 7,
    onlyAncestor: false,
    fromUs: 1e9,
    goneUs: 2e9,
  });
  expect(wallMsOf(manifest, 1e9 + 2500)).toBe(1.7e12 + 2.5);
});

test("polars reads the same", (context) => {
  const directory = path.join(testDirectory(context), "set");
  record(directory, ROWS);
  const dataset = openDataset(directory);
  for (const table of TABLE_NAMES) {
    const frames = segmentPaths(dataset, table).map((file) => pl.readIPCStream(fs.readFileSync(file)));
    const frame = pl.concat(frames);
    expect(frame.columns).toEqual(TABLE_COLUMNS[table].map(({ name }) => name));
    expectRows(
      (frame.rows() as (number | bigint | null)[][]).map((row) =>
        row.map((value) => (value === null ? Number.NaN : Number(value))),
      ),
      table,
    );
  }
});

test("flechette reads the same", (context) => {
  const directory = path.join(testDirectory(context), "set");
  record(directory, ROWS);
  const dataset = openDataset(directory);
  for (const table of TABLE_NAMES) {
    const rows: number[][] = [];
    for (const file of segmentPaths(dataset, table)) {
      const read = tableFromIPC(fs.readFileSync(file));
      expect(read.schema.fields.map(({ name }) => name)).toEqual(
        TABLE_COLUMNS[table].map(({ name }) => name),
      );
      const columns = TABLE_COLUMNS[table].map(
        ({ name }) => read.getChild(name)?.toArray() as ArrayLike<unknown>,
      );
      for (let i = 0; i < read.numRows; i++) {
        rows.push(columns.map((column) => (column[i] === null ? Number.NaN : Number(column[i]))));
      }
    }
    expectRows(rows, table);
  }
});

test("a new life of the writer goes on where the old one failed: no row twice, none lost, nothing torn", (context) => {
  const directory = path.join(testDirectory(context), "set");
  const producer = new Producer(64, 32);
  const identity = (number: number): CgroupIdentity => ({
    number,
    path: `/g${number}`,
    inode: 1,
    onlyAncestor: false,
  });
  let appended = 0;
  const append = (count: number): void => {
    for (let i = 0; i < count; i++, appended++)
      for (const table of TABLE_NAMES) producer.append(table, rowOf(table, appended));
  };
  let writer = new DatasetWriter(beginDataset(directory), producer.rings, {
    segmentBytes: SMALL_SEGMENT_BYTES,
  });
  for (let life = 1; life <= 5; life++) {
    const number = cgroupNumber(life, 0);
    writer.takeCgroups({ type: "cgroups", appeared: [identity(number)], gone: [] }, life);
    append(170);
    expect(writer.flush(life * 10_000, 0)).toBeNull();
    append(30);
    expect(writer.flush(life * 10_000 + 5000, 0)).toBeNull();
    append(7);
    // It dies in the middle of a write.
    const last = segmentPaths(openDataset(directory), "detail").at(-1) as string;
    fs.appendFileSync(last, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xf8, 1, 0, 0, 12, 0]));
    fs.appendFileSync(path.join(directory, "cgroups.jsonl"), '{"number":9');
    writer = new DatasetWriter(directory, producer.rings, { segmentBytes: SMALL_SEGMENT_BYTES });
  }
  expect(writer.finish(1e6, 0, new Date(0).toISOString())).toBeNull();
  const dataset = openDataset(directory);
  for (const table of TABLE_NAMES) {
    const rows = readRows(dataset, table);
    expect(rows.length).toBe(appended);
    for (let i = 0; i < appended; i++) expect(rows[i]).toEqual(rowOf(table, i));
  }
  expect(dataset.losses).toEqual([]);
  expect(rowsSaid(dataset.manifest)).toEqual(forEachTable(() => appended));
  // A later life of the sampler's numbers all anew: those of the earlier ones are gone.
  const gone = [...dataset.cgroups.values()].map(({ number, goneUs }) => [number, goneUs]);
  expect(gone).toEqual([1, 2, 3, 4, 5].map((life) => [cgroupNumber(life, 0), life < 5 ? life + 1 : null]));
});
