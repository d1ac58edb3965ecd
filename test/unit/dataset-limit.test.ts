/** A guard's datasets do not grow over their limit: what is oldest goes, and nothing that is not theirs. */
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { rowsSaid } from "../../src/core/dataset/manifest.ts";
import { runName, runNames } from "../../src/core/dataset/runs.ts";
import { TABLE_NAMES } from "../../src/core/dataset/tables.ts";
import { openDataset } from "../../src/workers/common/dataset-reader.ts";
import { DatasetWriter } from "../../src/workers/dataset/dataset-writer.ts";
import { EarlierRuns } from "../../src/workers/dataset/earlier-runs.ts";
import { beginDataset, Producer, readRows, rowOf } from "../support/dataset.ts";
import { testDirectory } from "../support/guard.ts";

const LIMIT_BYTES = 2 ** 20;
const RENEW_MS = 2000;

/** Writes so many rows of each table, of usage five times as many; between two looks the limit may be passed by little. */
function fill(writer: DatasetWriter, producer: Producer, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    for (const table of TABLE_NAMES) {
      const times = table === "usage" ? 5 : 1;
      for (let k = 0; k < times; k++) producer.append(table, rowOf(table, i * times + k));
    }
    if (i % 40 === 0) expect(writer.flush(i * RENEW_MS, 0)).toBeNull();
  }
}

function bytesBelow(directory: string): number {
  const sizes = fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .map((each) => (each.isFile() ? fs.statSync(path.join(each.parentPath, each.name)).size : 0));
  return sizes.reduce((sum, size) => sum + size, 0);
}

test("a dataset that has grown to its limit loses what is oldest of its largest table, and counts it", (context) => {
  const directory = path.join(testDirectory(context), runName(1.7e12));
  const producer = new Producer(256, 4);
  let writer = new DatasetWriter(beginDataset(directory), producer.rings, { limitBytes: LIMIT_BYTES });
  fill(writer, producer, 0, 3000);
  expect(writer.flush(3000 * RENEW_MS, 0)).toBeNull();
  // Another life of the thread goes on with the same counts.
  writer = new DatasetWriter(directory, producer.rings, { limitBytes: LIMIT_BYTES });
  fill(writer, producer, 3000, 5000);
  expect(writer.finish(5000 * RENEW_MS, 0, "2025-01-01T00:00:00.000Z")).toBeNull();

  // The manifest, and what was written since the last look, are not counted.
  expect(bytesBelow(directory)).toBeLessThan(LIMIT_BYTES * 1.25);
  const dataset = openDataset(directory);
  const { manifest } = dataset;
  const removed = TABLE_NAMES.reduce((sum, table) => sum + manifest.removedRows[table], 0);
  expect(removed).toBeGreaterThan(10_000);
  for (const table of TABLE_NAMES) {
    const wrote = table === "usage" ? 25_000 : 5000;
    const rows = readRows(dataset, table);
    expect(manifest.lostRows[table]).toBe(0);
    expect(rowsSaid(manifest)[table]).toBe(rows.length);
    expect(rows.length + manifest.removedRows[table], table).toBe(wrote);
    // What is left is the newest, without a gap.
    expect(rows.at(0)).toEqual(rowOf(table, wrote - rows.length));
    expect(rows.at(-1)).toEqual(rowOf(table, wrote - 1));
  }
  expect(dataset.losses).toEqual([]);
});

test("datasets of earlier starts go first, the oldest before the others", (context) => {
  const parent = testDirectory(context);
  const runs = [1.7e12, 1.7e12 + 60_000, 1.7e12 + 120_000].map((startedMs) => runName(startedMs));
  const [first = "", second = "", last = ""] = runs;
  for (const run of [first, second]) {
    const producer = new Producer(256, 4);
    const writer = new DatasetWriter(beginDataset(path.join(parent, run)), producer.rings);
    fill(writer, producer, 0, 400);
    writer.finish(1e6, 0, "2025-01-01T00:00:00.000Z");
  }
  const earlier = bytesBelow(path.join(parent, second));
  const producer = new Producer(256, 4);
  const present = path.join(parent, last);
  const writer = new DatasetWriter(beginDataset(present), producer.rings, { limitBytes: earlier * 2 });
  expect(fs.readdirSync(parent).sort()).toEqual(runs);
  fill(writer, producer, 0, 200);
  expect(writer.flush(1e6, 0)).toBeNull();
  expect(fs.readdirSync(parent).sort()).toEqual([second, last]);
  expect(writer.written.rows.usage).toBe(1000);
  expect(openDataset(parent).directory).toBe(present);
});

test("what is not a dataset's own stays: other names, other files, what a link leads to", (context) => {
  const parent = testDirectory(context);
  const name = (minute: number): string => runName(1.7e12 + minute * 60_000);
  const elsewhere = path.join(testDirectory(context), "elsewhere");
  beginDataset(elsewhere);
  beginDataset(path.join(parent, "monday"));
  fs.symlinkSync(elsewhere, path.join(parent, name(0)));
  fs.mkdirSync(path.join(parent, name(1)));
  fs.writeFileSync(path.join(parent, name(1), "usage-000001.arrow"), "no manifest beside it");
  beginDataset(path.join(parent, name(2)));
  fs.writeFileSync(path.join(parent, name(2), "notes.txt"), "somebody's own");
  const runs = new EarlierRuns(path.join(parent, name(9)));
  let removed = 0;
  while (runs.removeOldest()) removed++;
  expect(removed).toBe(3);
  expect(runs.bytes).toBe(0);
  expect(fs.readdirSync(parent).sort()).toEqual([name(0), name(1), name(2), "monday"].sort());
  expect(fs.readdirSync(elsewhere)).toEqual(["manifest.json"]);
  expect(fs.readdirSync(path.join(parent, name(1)))).toEqual(["usage-000001.arrow"]);
  expect(fs.readdirSync(path.join(parent, name(2)))).toEqual(["notes.txt"]);
});

test("names of runs sort by time, and no other name is one", () => {
  expect(runName(Date.parse("2026-11-20T18:05:12.345Z"))).toBe("2026-11-20T18-05-12-345Z");
  expect(runNames(["monday", "2026-11-20T18-05-12-345Z", "2026-11-20", "2026-01-20T18-05-12-345Z"])).toEqual([
    "2026-01-20T18-05-12-345Z",
    "2026-11-20T18-05-12-345Z",
  ]);
});
