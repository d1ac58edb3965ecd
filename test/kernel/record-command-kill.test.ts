/** `kill -9` at any moment leaves a dataset that is readable up to less than a second before. */
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, type TestContext, test } from "vitest";
import { batches, type Dataset, openDataset } from "../../src/workers/common/dataset-reader.ts";
import { TestCgroup } from "../support/cgroup.ts";
import { testDirectory } from "../support/guard.ts";
import { memoryCgroups, need, root } from "../support/needs.ts";
import { RecorderProcess } from "../support/recorder.ts";

const KILLS = 20;
const SIDE_BY_SIDE = 2;
const INTERVAL_MS = 5;
const UP_TO_MS = 3000;
const LOST_MS_MAX = 1000;

/** CLOCK_MONOTONIC, as the tables have it. */
function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

interface Times {
  readonly rows: number;
  readonly firstUs: number;
  readonly lastUs: number;
}

function timesOf(dataset: Dataset): Times {
  const found = { rows: 0, firstUs: Number.NaN, lastUs: Number.NaN };
  for (const batch of batches(dataset, "usage")) {
    const times = batch.column("timeUs").values;
    const cgroups = batch.column("cgroup").values;
    if (found.rows === 0) found.firstUs = Number(times[0]);
    for (let i = 0; i < batch.rows; i++) {
      expect(Number(times[i])).toBeGreaterThanOrEqual(
        i === 0 && found.rows > 0 ? found.lastUs : found.firstUs,
      );
      if (!dataset.cgroups.has(Number(cgroups[i]))) expect.fail(`cgroup ${cgroups[i]} is nowhere described`);
    }
    found.rows += batch.rows;
    found.lastUs = Number(times[batch.rows - 1]);
  }
  return found;
}

async function killOne(
  context: TestContext,
  directory: string,
  cgroup: string,
  afterMs: number,
): Promise<void> {
  const args = [
    "--out",
    directory,
    "--cgroup",
    cgroup,
    "--interval",
    `${INTERVAL_MS}ms`,
    "--stat-every",
    "2",
  ];
  const recorder = RecorderProcess.start(context, args);
  await recorder.logged(/recording \d+ cgroups/);
  const recordingUs = monotonicUs();
  await pause(afterMs);
  const killedUs = monotonicUs();
  await recorder.stop("SIGKILL");
  const dataset = openDataset(directory);
  const what = `killed after ${afterMs} ms`;
  expect(dataset.manifest.complete, what).toBe(false);
  const { rows, firstUs, lastUs } = timesOf(dataset);
  for (const table of ["detail", "host"] as const) for (const _ of batches(dataset, table));
  // At most the batch that was being written, of each table.
  expect(dataset.losses.length, what).toBeLessThanOrEqual(3);
  const recordedMs = (killedUs - recordingUs) / 1000;
  if (recordedMs < LOST_MS_MAX) return;
  expect(killedUs - lastUs, what).toBeLessThan(LOST_MS_MAX * 1000);
  // One row a tick, but for those that a busy machine missed.
  expect(rows, what).toBeGreaterThan(((lastUs - firstUs) / 1000 / INTERVAL_MS) * 0.5);
}

test(`at ${KILLS} random moments`, { timeout: 180_000 }, async (context) => {
  need(context, root, memoryCgroups);
  const cgroup = TestCgroup.memory(context, null);
  const home = testDirectory(context);
  const moments = Array.from({ length: KILLS }, () => Math.round(Math.random() * UP_TO_MS));
  for (let i = 0; i < KILLS; i += SIDE_BY_SIDE) {
    await Promise.all(
      moments
        .slice(i, i + SIDE_BY_SIDE)
        .map((afterMs, j) => killOne(context, path.join(home, String(i + j)), cgroup.scope, afterMs)),
    );
  }
});
