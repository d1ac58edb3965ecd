/** A dataset that is still being recorded: all passes of a calibration read the rows that the first one read. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { RankSearch } from "../../src/core/calibration/search.ts";
import { wantedRanks } from "../../src/core/calibration/summary.ts";
import { countRanges, countUsage } from "../../src/workers/batch/count.ts";
import type { CountPart } from "../../src/workers/batch/task.ts";
import { openDataset } from "../../src/workers/common/dataset-reader.ts";
import { DatasetWriter } from "../../src/workers/dataset/dataset-writer.ts";
import { cgroup } from "../support/calibration-dataset.ts";
import { beginDataset, Producer } from "../support/dataset.ts";

/** Far apart, but not so evenly that one pass could tell them all. */
const STEP_BYTES = 2 ** 30 + 4096;
const directory = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-growing-"));

afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

test("rows that come between two passes are in neither", () => {
  const producer = new Producer(256, 8);
  const writer = new DatasetWriter(beginDataset(directory), producer.rings);
  writer.takeCgroups({ type: "cgroups", appeared: [cgroup(1, "/a")], gone: [] }, 0);
  const append = (usageBytes: number, i: number): void =>
    producer.append("usage", [1e9 + i * 1000, 1, usageBytes]);
  // What has just come waits for a while before it is written.
  const settle = (nowMs: number): void => {
    for (const afterMs of [0, 1000]) expect(writer.flush(nowMs + afterMs, 0)).toBeNull();
  };
  const early = Array.from({ length: 101 }, (_, i) => ((i * 37) % 101) * STEP_BYTES);
  early.forEach(append);
  settle(1000);

  const dataset = openDataset(directory);
  const groupOf = Int32Array.from([-1, 0]);
  const progress = new SharedArrayBuffer(4);
  const { manifest } = dataset;
  const part: CountPart = {
    directory,
    manifest,
    table: "usage",
    files: dataset.files.usage,
    groupOf,
    full: null,
  };
  const { counted, parts } = countUsage({ kind: "count", groups: 1, parts: [part], progress });
  expect(parts[0]?.rows).toEqual([101]);

  early.forEach(() => append(50 * STEP_BYTES, 200));
  settle(3000);
  expect(countUsage({ kind: "count", groups: 1, parts: [part], progress }).parts[0]?.rows).toEqual([202]);

  const search = new RankSearch(counted, wantedRanks(false));
  const ranges = search.ranges();
  if (ranges === null) throw new Error("one pass was enough: nothing is tested");
  const again = [{ ...part, rows: parts[0]?.rows ?? [] }];
  const counts = countRanges({ kind: "ranges", ranges, parts: again, progress });
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1);
  search.take(ranges, counts);
  expect(search.ranges()).toBeNull();
  expect(search.valueAt(0, 50)).toBe(50 * STEP_BYTES);
});
