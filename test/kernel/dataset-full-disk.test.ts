/** A disk that is full while recording: what is written stays valid, what is lost is counted, and it goes on. */
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { openDataset } from "../../src/workers/common/dataset-reader.ts";
import { DatasetWriter } from "../../src/workers/dataset/dataset-writer.ts";
import { beginDataset, Producer, readRows, rowOf } from "../support/dataset.ts";
import { testDirectory } from "../support/guard.ts";
import { mountSmall } from "../support/mount.ts";
import { mounts, need, root } from "../support/needs.ts";

const DISK_KIB = 256;
const FILLER_KIB = 128;

/** The numbers of the rows of the usage table, each checked to be as it was appended. */
function rowsThere(directory: string): number[] {
  const dataset = openDataset(directory);
  const rows = readRows(dataset, "usage").map((row) => {
    const i = ((row[0] as number) - 1e9) / 1000;
    expect(row).toEqual(rowOf("usage", i));
    return i;
  });
  expect(dataset.losses).toEqual([]);
  return rows;
}

test("no half batch stays behind; rows wait in the ring, the oldest are lost and counted, and it resumes", (context) => {
  need(context, root, mounts);
  const disk = path.join(testDirectory(context), "disk");
  mountSmall(context, disk, DISK_KIB);
  const filler = path.join(disk, "filler");
  fs.writeFileSync(filler, Buffer.alloc(FILLER_KIB * 1024));
  const directory = beginDataset(path.join(disk, "set"));
  const producer = new Producer(100, 4);
  const writer = new DatasetWriter(directory, producer.rings);
  let appended = 0;
  const flushes = (count: number): (string | null)[] =>
    Array.from({ length: count }, () => {
      for (let i = 0; i < 50; i++) producer.append("usage", rowOf("usage", appended++));
      return writer.flush(appended * 20, 0);
    });

  const whileFull = flushes(300);
  const firstRefusal = whileFull.findIndex((refusal) => refusal !== null);
  expect(firstRefusal).toBeGreaterThan(10);
  // The room that a manifest left when it was renewed may do for a batch or two.
  expect(whileFull.filter((refusal) => refusal !== null).length).toBeGreaterThan(100);
  expect(whileFull[firstRefusal]).toMatch(/ENOSPC|no space/);
  const before = rowsThere(directory);
  expect(before).toEqual(Array.from(before, (_, i) => i));
  expect(before.length).toBeGreaterThan(firstRefusal * 40);
  expect(writer.written.lostRows.usage).toBeGreaterThan(5000);

  fs.rmSync(filler);
  expect(flushes(20)).toEqual(Array.from({ length: 20 }, () => null));
  expect(writer.finish(appended * 20, 0, new Date(0).toISOString())).toBeNull();
  const after = rowsThere(directory);
  expect(after.slice(0, before.length)).toEqual(before);
  expect(after.at(-1)).toBe(appended - 1);
  const { manifest } = openDataset(directory);
  expect(manifest.complete).toBe(true);
  expect(manifest.lostRows.usage).toBe(appended - after.length);
  for (let i = 1; i < after.length; i++) expect(after[i]).toBeGreaterThan(after[i - 1] as number);
});

test("a disk that was full for a moment has cost nothing", (context) => {
  need(context, root, mounts);
  const disk = path.join(testDirectory(context), "disk");
  mountSmall(context, disk, DISK_KIB);
  const directory = beginDataset(path.join(disk, "set"));
  const producer = new Producer(1000, 4);
  const writer = new DatasetWriter(directory, producer.rings);
  const filler = path.join(disk, "filler");
  const room = fs.statfsSync(disk);
  fs.writeFileSync(filler, Buffer.alloc(room.bfree * room.bsize));
  for (let i = 0; i < 2000; i++) producer.append("usage", rowOf("usage", i));
  expect(writer.flush(0, 0)).toMatch(/ENOSPC|no space/);
  fs.rmSync(filler);
  expect(writer.finish(1000, 0, new Date(0).toISOString())).toBeNull();
  expect(rowsThere(directory).length).toBe(2000);
  expect(openDataset(directory).manifest.lostRows.usage).toBe(0);
});
