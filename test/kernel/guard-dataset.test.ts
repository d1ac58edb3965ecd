/** `run --dataset`: a guard records what it samples, and goes on guarding where that cannot be. */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { runNames } from "../../src/core/dataset/runs.ts";
import { openDataset } from "../../src/workers/common/dataset-reader.ts";
import { readRows } from "../support/dataset.ts";
import { BIN, GuardProcess, testDirectory } from "../support/guard.ts";
import { waitFor } from "../support/wait.ts";

const RESOURCES = `[cpu]
enabled = true
interval = "100ms"
[io]
enabled = true
interval = "100ms"
`;

const rowsOf = (directory: string): number => {
  const dataset = openDataset(directory);
  return readRows(dataset, "host").length;
};

test("each start has a dataset of its own, of what the policy has sampled; a reader finds the latest", async (context) => {
  const directory = path.join(testDirectory(context), "new", "datasets");
  const options = { scope: "host", policy: RESOURCES, args: ["--dataset", directory] };
  const first = await GuardProcess.start(context, options);
  await waitFor("rows", () => rowsOf(directory) > 20);
  const status = await first.ask({ ask: "status" });
  expect(status["dataset"]).toMatchObject({ directory: openDataset(directory).directory, lostRows: 0 });
  await first.stop();
  expect(first.stdout).toMatch(/dataset .*: \d+ rows, .*iB/);
  const { manifest } = openDataset(directory);
  expect(manifest).toMatchObject({ complete: true, auditPath: first.auditPath });
  expect(manifest.resources).toEqual(expect.arrayContaining(["memory", "cpu", "io"]));

  const second = await GuardProcess.start(context, options);
  await waitFor("rows", () => rowsOf(directory) > 20);
  second.child.kill("SIGKILL");
  await second.ended;
  const runs = runNames(fs.readdirSync(directory));
  expect(runs).toHaveLength(2);
  const left = openDataset(directory);
  expect(path.basename(left.directory)).toBe(runs.at(-1));
  expect(left.manifest.complete).toBe(false);
  for (const table of ["host", "cpu", "io"] as const)
    expect(readRows(left, table).length, table).toBeGreaterThan(10);
  expect(left.names.of("io").length).toBeGreaterThan(0);
  expect(left.losses).toEqual([]);
  const args = [BIN, "report", directory, "--json"];
  const report = JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as {
    series: unknown[];
  };
  expect(report.series.length).toBeGreaterThan(0);
});

test("the thread that records may fail: its next life goes on, and nobody else notices", async (context) => {
  const directory = testDirectory(context);
  const guard = await GuardProcess.start(context, {
    scope: "host",
    policy: RESOURCES,
    args: ["--dataset", directory],
    env: { PLIMSOLL_ALLOW_FAULTS: "1" },
  });
  await waitFor("rows", () => rowsOf(directory) > 10);
  expect(await guard.ask({ ask: "fault", worker: "dataset", kind: "throw" })).toEqual({ done: true });
  await guard.recorded("the gap", (line) => line["event"] === "gap" && line["worker"] === "dataset");
  const before = rowsOf(directory);
  await waitFor("more rows", () => rowsOf(directory) > before + 10);
  await guard.stop();
  const dataset = openDataset(directory);
  expect(dataset.manifest.complete).toBe(true);
  expect(dataset.manifest.lostRows.host).toBe(0);
  const times = readRows(dataset, "host").map(([timeUs = Number.NaN]) => timeUs);
  expect(times.every((timeUs, i) => i === 0 || timeUs > (times[i - 1] as number))).toBe(true);
  expect(guard.audit().filter((line) => line["event"] === "gap")).toHaveLength(1);
});

test("a place that cannot be written is told of, and the host is guarded without", async (context) => {
  const file = path.join(testDirectory(context), "file");
  fs.writeFileSync(file, "");
  const guard = await GuardProcess.start(context, { scope: "host", args: ["--dataset", file] });
  const line = await guard.recorded("why", (each) => each["what"] === "what is sampled is not recorded");
  expect(line["why"]).toMatch(/ENOTDIR/);
  expect((await guard.ask({ ask: "status" }))["dataset"]).toBeNull();
});

test("a cgroup's guard has no dataset: the tables are the host's", () => {
  const args = [BIN, "run", "--scope", "/a", "--dataset", "/nonexistent", "--duration", "1s"];
  expect(() => execFileSync(process.execPath, args, { stdio: "pipe" })).toThrow(
    /--dataset: expected the scope host, found \/a/,
  );
});
