/** `plimsoll record` from outside: what it refuses, what it writes, how it ends. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { batches, openDataset } from "../../src/workers/common/dataset-reader.ts";
import { rowsSaid, wallMsOf } from "../../src/core/dataset/manifest.ts";
import { forEachTable, type TableName } from "../../src/core/dataset/tables.ts";
import { TestCgroup } from "../support/cgroup.ts";
import { BIN, testDirectory } from "../support/guard.ts";
import { mountSmall } from "../support/mount.ts";
import { memoryCgroups, mounts, need, otherUser, root } from "../support/needs.ts";
import { RecorderProcess } from "../support/recorder.ts";
import { waitFor, within } from "../support/wait.ts";

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function record(args: readonly string[]): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, "record", ...args], {
    encoding: "utf8",
  });
  return { code: status, stdout, stderr };
}

/** Arguments after --out DIR, and what is said; all exit 2 and leave no directory behind. */
const USAGE: readonly (readonly [string, RegExp])[] = [
  ["--duration soon", /^plimsoll: --duration: expected .*, found "soon"$/m],
  ["--duration 0s", /^plimsoll: --duration: expected a duration above 0/m],
  ["--interval 0.5ms", /^plimsoll: --interval: expected a duration from 1ms to 1h, found "0.5ms"$/m],
  ["--interval 2h", /^plimsoll: --interval: expected a duration from 1ms to 1h/m],
  ["--interval 10", /^plimsoll: --interval: expected a duration such as/m],
  ["--stat-every 0", /^plimsoll: --stat-every: expected a whole number from 1/m],
  ["--stat-every 1.5", /^plimsoll: --stat-every: expected a whole number from 1/m],
  ["--all --cgroup /a", /^plimsoll: expected --cgroup or --all, found both/m],
  ["--to 2099-01-01T00:00:00Z --duration 5s", /^plimsoll: expected --to or --duration, found both/m],
  ["--from yesterday", /^plimsoll: --from: expected a time such as .*, found "yesterday"$/m],
  ["--from 25:00", /^plimsoll: --from: expected a time such as/m],
  ["--from 2099-02-30T00:00", /^plimsoll: --from: expected a time such as/m],
  ["--from 2001-01-01T00:00", /^plimsoll: --from: expected a time to come, found 200/m],
  ["--to 2001-01-01T00:00", /^plimsoll: --to: expected a time after the begin at .*, found 200/m],
  [
    "--from 2099-06-01T12:00:00Z --to 2099-06-01T11:59:59Z",
    /^plimsoll: --to: expected a time after the begin at 2099-06-01T12:00:00\.000Z, found 2099-06-01T11:59:59\.000Z$/m,
  ],
  ["--cgroup build", /^plimsoll: --cgroup: expected a pattern of cgroups .*, found "build"/m],
  [
    "--resource cpu,dsk",
    /^plimsoll: --resource: expected some of cgroups, memory, cpu, disk, io, net, vm, app, found "dsk"; did you mean disk\?$/m,
  ],
  ["--resource cpu,", /^plimsoll: --resource: expected some of .*, found an empty string/m],
  [
    "--resource cpu --cgroup /a",
    /^plimsoll: --cgroup: expected cgroups among the resources, found --resource cpu; add them, or leave --cgroup out$/m,
  ],
  ["--resource cpu,io --stat-every 5", /^plimsoll: --stat-every: expected cgroups among the resources/m],
  ["--nosuch", /^error: unknown option '--nosuch'/],
];

test.each(USAGE)("record --out DIR %s", (args, stderr) => {
  const directory = path.join(fs.mkdtempSync("/tmp/plimsoll-test-"), "set");
  const ran = record(["--out", directory, ...args.split(" ")]);
  expect(ran.stderr).toMatch(stderr);
  expect(ran.stdout).toBe("");
  expect(ran.code).toBe(2);
  expect(fs.existsSync(directory)).toBe(false);
  fs.rmdirSync(path.dirname(directory));
});

test("help says how it is used, and what is missing is said", () => {
  const help = record(["--help"]);
  expect(help.code).toBe(0);
  expect(help.stdout).toMatch(/^Usage: plimsoll record/);
  expect(help.stdout).toMatch(/Examples:\n +plimsoll record --out/);
  const without = record([]);
  expect(without.code).toBe(2);
  expect(without.stderr).toMatch(/required option '--out <dir>'/);
});

test("patterns that match nothing: they are named, and what is near", (context) => {
  need(context, root, memoryCgroups);
  const cgroup = TestCgroup.memory(context, null);
  const directory = path.join(testDirectory(context), "set");
  const wrong = `${cgroup.scope}x`;
  const ran = record(["--out", directory, "--cgroup", wrong, "/nosuch/**"]);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain(`found none that match "${wrong}", "/nosuch/**"`);
  expect(ran.stderr).toContain(`did you mean ${cgroup.scope}`);
  expect(fs.existsSync(directory)).toBe(false);
});

test("directories that are not new: a dataset, somebody's files, a file", (context) => {
  need(context, root, memoryCgroups);
  const cgroup = TestCgroup.memory(context, null);
  const home = testDirectory(context);
  const set = path.join(home, "set");
  const args = ["--cgroup", cgroup.scope, "--duration", "300ms", "--interval", "10ms"];
  expect(record(["--out", set, ...args]).code).toBe(0);
  const manifest = fs.readFileSync(path.join(set, "manifest.json"), "utf8");
  const again = record(["--out", set, ...args]);
  expect(again.code).toBe(2);
  expect(again.stderr).toMatch(/expected a new or empty directory, found a dataset already/);
  expect(fs.readFileSync(path.join(set, "manifest.json"), "utf8")).toBe(manifest);
  const photos = path.join(home, "photos");
  fs.mkdirSync(photos);
  fs.writeFileSync(path.join(photos, "cat.jpg"), "");
  const full = record(["--out", photos, ...args]);
  expect(full.code).toBe(2);
  expect(full.stderr).toMatch(/found one with cat\.jpg; name another one/);
  expect(fs.readdirSync(photos)).toEqual(["cat.jpg"]);
  const file = record(["--out", path.join(photos, "cat.jpg"), ...args]);
  expect(file.code).toBe(1);
  expect(file.stderr).toMatch(/expected a directory that can be written, found: ENOTDIR/);
});

test("a directory that may not be written", (context) => {
  need(context, root, memoryCgroups, otherUser);
  const home = testDirectory(context);
  const as = ["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath, BIN];
  const { status, stderr } = spawnSync("setpriv", [...as, "record", "--out", path.join(home, "set")], {
    encoding: "utf8",
    cwd: "/",
  });
  expect(stderr).toMatch(/expected a directory that can be written, found: EACCES/);
  expect(status).toBe(5);
});

test("what is recorded is there, complete, with times on the wall clock; cgroups come and go", async (context) => {
  need(context, root, memoryCgroups);
  const outer = TestCgroup.memory(context, 64);
  const directory = path.join(testDirectory(context), "set");
  const beganMs = Date.now();
  const args = ["--out", directory, "--cgroup", `${outer.scope}/**`, outer.scope, "--interval", "10ms"];
  const recorder = RecorderProcess.start(context, [...args, "--stat-every", "5", "--json"]);
  await recorder.logged(/recording 1 cgroups/);
  const inner = path.join(outer.directory, "inner");
  fs.mkdirSync(inner);
  await waitFor("the new cgroup to be found", () => openDataset(directory).cgroups.size === 2);
  await pause(300);
  fs.rmdirSync(inner);
  await waitFor("it to be found gone", () =>
    [...openDataset(directory).cgroups.values()].some(({ goneUs }) => goneUs !== null),
  );
  const { code } = await recorder.stop("SIGINT");
  expect(recorder.stderr).not.toMatch(/error/);
  expect(code).toBe(0);
  const dataset = openDataset(directory);
  const { manifest } = dataset;
  expect(manifest).toMatchObject({ complete: true, intervalMs: 10, statEvery: 5 });
  expect(manifest.lostRows).toEqual(forEachTable(() => 0));
  expect(manifest.resources).toEqual(["cgroups", "memory"]);
  expect(
    Object.keys(rowsSaid(manifest)).filter((table) => rowsSaid(manifest)[table as TableName] > 0),
  ).toEqual(["usage", "detail", "host"]);
  const summary = JSON.parse(recorder.stdout) as Record<string, unknown>;
  expect(summary).toMatchObject({
    directory,
    complete: true,
    missedTicks: manifest.missedTicks,
    lostRows: 0,
  });
  const paths = [...dataset.cgroups.values()].map((each) => each.path);
  expect(paths.sort()).toEqual([outer.scope, `${outer.scope}/inner`]);
  const seen = new Map<number, number>();
  let rows = 0;
  for (const batch of batches(dataset, "usage")) {
    const [times, cgroups] = [batch.column("timeUs").values, batch.column("cgroup").values];
    for (let i = 0; i < batch.rows; i++) {
      const wallMs = wallMsOf(manifest, Number(times[i]));
      expect(wallMs).toBeGreaterThan(beganMs - 5);
      expect(wallMs).toBeLessThan(Date.now() + 5);
      seen.set(Number(cgroups[i]), (seen.get(Number(cgroups[i])) ?? 0) + 1);
      rows++;
    }
  }
  expect((summary["rows"] as Record<string, number>)["usage"]).toBe(rows);
  for (const { number } of dataset.cgroups.values()) expect(seen.get(number) ?? 0).toBeGreaterThan(10);
  let limits = 0;
  for (const batch of batches(dataset, "detail")) {
    const { values, validity } = batch.column("limitBytes");
    for (let i = 0; i < batch.rows; i++) {
      if (validity !== null && ((validity[i >> 3] as number) & (1 << (i & 7))) === 0) continue;
      expect(Number(values[i])).toBe(64 * 1024 * 1024);
      limits++;
    }
  }
  expect(limits).toBeGreaterThan(5);
  expect(dataset.losses).toEqual([]);
});

test("from a time to a time", async (context) => {
  need(context, root, memoryCgroups);
  const cgroup = TestCgroup.memory(context, null);
  const directory = path.join(testDirectory(context), "set");
  const fromMs = Date.now() + 2500;
  const toMs = fromMs + 2000;
  const span = ["--from", new Date(fromMs).toISOString(), "--to", new Date(toMs).toISOString()];
  const args = ["--out", directory, "--cgroup", cgroup.scope, "--interval", "20ms"];
  const recorder = RecorderProcess.start(context, [...args, ...span]);
  await recorder.logged(/waiting until .* to record in/);
  const { code } = await within("the recorder to end", recorder.ended, 20_000);
  expect(code).toBe(0);
  const { manifest } = openDataset(directory);
  expect(Date.parse(manifest.startedAt)).toBeGreaterThanOrEqual(fromMs);
  expect(Date.parse(manifest.endedAt ?? "")).toBeGreaterThanOrEqual(toMs);
  expect(Date.parse(manifest.endedAt ?? "")).toBeLessThan(toMs + 1500);
});

test("told to stop before the begin, it leaves nothing", async (context) => {
  need(context, root, memoryCgroups);
  const directory = path.join(testDirectory(context), "set");
  const recorder = RecorderProcess.start(context, ["--out", directory, "--from", "2099-01-01T00:00:00Z"]);
  await recorder.logged(/waiting until 2099/);
  expect((await recorder.stop("SIGTERM")).code).toBe(0);
  expect(recorder.stderr).toMatch(/nothing was recorded/);
  expect(fs.existsSync(directory)).toBe(false);
});

test("a disk that fills up meanwhile is told once, and again when there is room", async (context) => {
  need(context, root, memoryCgroups, mounts);
  const cgroup = TestCgroup.memory(context, null);
  const disk = path.join(testDirectory(context), "disk");
  mountSmall(context, disk, 1024);
  const directory = path.join(disk, "set");
  const args = ["--cgroup", cgroup.scope, "--interval", "2ms", "--stat-every", "1"];
  const recorder = RecorderProcess.start(context, ["--out", directory, ...args]);
  await recorder.logged(/recording \d+ cgroups/);
  const filler = path.join(disk, "filler");
  const { bfree, bsize } = fs.statfsSync(disk);
  fs.writeFileSync(filler, Buffer.alloc(Math.max(0, bfree - 40) * bsize));
  await recorder.logged(/cannot be written, what is sampled waits in memory/);
  await pause(1500);
  fs.rmSync(filler);
  await recorder.logged(/is written again; \d+ rows were lost meanwhile/);
  const { code } = await recorder.stop("SIGINT");
  expect(code).toBe(0);
  expect(recorder.stderr.match(/cannot be written/g)).toHaveLength(1);
  const dataset = openDataset(directory);
  for (const table of ["usage", "detail", "host"] as const) for (const _ of batches(dataset, table));
  expect(dataset.losses).toEqual([]);
  expect(dataset.manifest.complete).toBe(true);
});
