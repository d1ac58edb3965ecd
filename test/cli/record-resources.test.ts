/** `plimsoll record --resource` from outside: what is recorded agrees with the kernel's own files, by a reader that is not ours. */
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { tableFromIPC } from "@uwdata/flechette";
import pl from "nodejs-polars";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Manifest, rowsSaid } from "../../src/core/dataset/manifest.ts";
import { TABLE_COLUMNS, TABLE_NAMES, type TableName } from "../../src/core/dataset/tables.ts";
import { openDataset } from "../../src/workers/common/dataset-reader.ts";
import { BIN, testDirectory } from "../support/guard.ts";
import { mounts, need, root } from "../support/needs.ts";
import { RecorderProcess } from "../support/recorder.ts";
import { waitFor } from "../support/wait.ts";

type Row = Readonly<Record<string, number | null>>;

const read = (file: string): string => fs.readFileSync(file, "utf8");

function manifestOf(directory: string): Manifest {
  return JSON.parse(read(path.join(directory, "manifest.json"))) as Manifest;
}

/** A table's rows, as flechette reads its segments. */
function rowsOf(directory: string, table: TableName): Row[] {
  const files = fs.readdirSync(directory).filter((name) => name.startsWith(`${table}-`));
  return files.sort().flatMap((file) => {
    const read = tableFromIPC(fs.readFileSync(path.join(directory, file)));
    expect(read.schema.fields.map(({ name }) => name)).toEqual(TABLE_COLUMNS[table].map(({ name }) => name));
    return (read.toArray() as Record<string, unknown>[]).map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => [
          name,
          value === null || value === undefined ? null : Number(value),
        ]),
      ),
    );
  });
}

interface Name {
  readonly resource: string;
  readonly number: number;
  readonly name: string;
}

function namesOf(directory: string, resource: string): ReadonlyMap<number, string> {
  const lines = read(path.join(directory, "names.jsonl")).trimEnd().split("\n");
  const all = lines.map(
    (line) => JSON.parse(line) as Name | { readonly resource: string; readonly gone: true },
  );
  // Nothing that is watched is gone because the recording ends.
  const names = all.filter((each) => each.resource === resource).filter((each) => "name" in each);
  return new Map(names.map(({ number, name }) => [number, name]));
}

/** Counters as the kernel shows them now, by name: what the recording's must lie between. */
function interfaceBytes(): ReadonlyMap<string, number> {
  const lines = read("/proc/self/net/dev").split("\n").slice(2).filter(Boolean);
  return new Map(
    lines.map((line) => {
      const [name, counters] = line.split(/:(?!.*:)/) as [string, string];
      return [name.trim(), Number(counters.trim().split(/\s+/)[0])];
    }),
  );
}

/** Of the whole line of all processors: user, nice, system, irq, softirq and steal, in microseconds. */
function busyUs(): number {
  const [, ...fields] = (/^cpu .*/m.exec(read("/proc/stat"))?.[0] ?? "").split(/\s+/).map(Number);
  const ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields;
  return ((user + nice + system + irq + softirq + steal) * 1e6) / ticksPerSecond;
}

/** Sectors written, of whole devices that were ever written to. */
function writtenBytes(): ReadonlyMap<string, number> {
  const lines = read("/proc/diskstats").trim().split("\n");
  return new Map(
    lines.map((line) => {
      const fields = line.trim().split(/\s+/);
      return [fields[2] as string, Number(fields[9]) * 512];
    }),
  );
}

function expectBetween(value: number | null | undefined, low: number, high: number, what: string): void {
  expect(value, what).toBeGreaterThanOrEqual(low);
  expect(value, what).toBeLessThanOrEqual(high);
}

/** Ticks: the times that rows of one look share. */
function timesOf(rows: readonly Row[]): number[] {
  return [...new Set(rows.map(({ timeUs }) => timeUs as number))];
}

const INTERVAL_MS = 50;

test("cpu, disk, io, net and memory: the kernel's figures, a row each thing a tick, and names", async (context) => {
  const directory = path.join(testDirectory(context), "set");
  const before = { busyUs: busyUs(), interfaces: interfaceBytes(), written: writtenBytes() };
  const args = [
    "--out",
    directory,
    "--resource",
    "cpu,disk",
    "io,net,memory",
    "--interval",
    `${INTERVAL_MS}ms`,
  ];
  const recorder = RecorderProcess.start(context, [...args, "--json"]);
  await recorder.logged(/recording memory, cpu, disk, io, net in /);
  await pause(1500);
  // As long as it takes on a busy machine for the samples to be so many.
  await waitFor("20 ticks", () =>
    manifestOf(directory).segments.some(({ table, rows }) => table === "host" && rows > 20),
  );
  const end = await recorder.stop("SIGINT");
  expect([end.code, recorder.stderr]).toEqual([0, expect.not.stringMatching(/error/i)]);
  const after = { busyUs: busyUs(), interfaces: interfaceBytes(), written: writtenBytes() };
  const manifest = manifestOf(directory);
  expect(manifest).toMatchObject({
    complete: true,
    resources: ["memory", "cpu", "disk", "io", "net"],
    intervalMs: INTERVAL_MS,
    intervalsMs: { disk: 5000 },
  });
  expect(Object.values(manifest.lostRows)).toEqual(TABLE_NAMES.map(() => 0));
  const tables = ["host", "cpu", "disk", "io", "net"] as const;
  const rows = Object.fromEntries(tables.map((table) => [table, rowsOf(directory, table)])) as Record<
    (typeof tables)[number],
    Row[]
  >;
  for (const table of tables) expect(rows[table].length, table).toBe(rowsSaid(manifest)[table]);
  expect((JSON.parse(recorder.stdout) as { rows: object }).rows).toEqual(rowsSaid(manifest));

  // A row of each processor and one of all, each tick.
  const cpuTimes = timesOf(rows.cpu);
  expect(cpuTimes.length).toBeGreaterThan(10);
  const cores = rows.cpu.filter(({ timeUs }) => timeUs === cpuTimes[0]).map(({ core }) => core as number);
  expect(cores.toSorted((a, b) => a - b)).toEqual([-1, ...os.cpus().map((_, i) => i)]);
  expect(rows.cpu.length).toBe(cpuTimes.length * cores.length);
  for (const { core, busyUs: busy } of rows.cpu)
    if (core === -1) expectBetween(busy, before.busyUs, after.busyUs, "processors");
  const steps = cpuTimes.slice(1).map((timeUs, i) => (timeUs - (cpuTimes[i] as number)) / 1000);
  const median = steps.toSorted((a, b) => a - b)[steps.length >> 1] as number;
  expectBetween(median, INTERVAL_MS * 0.5, INTERVAL_MS * 4, "the time between two ticks");

  const mountNames = namesOf(directory, "disk");
  expect([...mountNames.values()]).toContain("/");
  const rootRow = rows.disk.find(({ mount }) => mountNames.get(mount as number) === "/");
  const statfs = fs.statfsSync("/");
  expect(rootRow?.["totalBytes"]).toBe(statfs.blocks * statfs.bsize);
  expect(rootRow?.["inodes"]).toBe(statfs.files === 0 ? null : statfs.files);
  // Space is looked at each five seconds, whatever the interval.
  const oneSpan = timesOf(rows.disk);
  expect(oneSpan.length).toBeLessThan(cpuTimes.length / 5);

  const deviceNames = namesOf(directory, "io");
  expect(rows.io.length).toBeGreaterThan(0);
  for (const row of rows.io) {
    const name = deviceNames.get(row["device"] as number);
    expect(name).toBeDefined();
    // Those of other tests come, go, and begin anew.
    if (name === undefined || /^(loop|dm-)/.test(name)) continue;
    expectBetween(row["writtenBytes"], before.written.get(name) ?? 0, after.written.get(name) ?? 0, name);
  }

  const interfaceNames = namesOf(directory, "net");
  const loopback = rows.net.filter((row) => interfaceNames.get(row["interface"] as number) === "lo");
  expect(loopback.length).toBe(timesOf(rows.net).length);
  for (const row of rows.net) expect(interfaceNames.has(row["interface"] as number)).toBe(true);
  const [low = 0, high = 0] = [before.interfaces.get("lo"), after.interfaces.get("lo")];
  for (const row of loopback) expectBetween(row["receivedBytes"], low, high, "lo");
});

test("what is recorded is exported, with names, also as Parquet; a table that is not there is told", (context) => {
  const home = testDirectory(context);
  const directory = path.join(home, "set");
  const plimsoll = (...args: string[]) => spawnSync(process.execPath, [BIN, ...args], { encoding: "utf8" });
  expect(
    plimsoll("record", "--out", directory, "--resource", "cpu,net", "--interval", "50ms", "--duration", "1s")
      .status,
  ).toBe(0);
  const exported = plimsoll("export", "--format", "parquet", "--table", "all", "--out", home, directory);
  expect([exported.status, exported.stderr]).toEqual([0, ""]);
  const files = fs.readdirSync(home).filter((name) => name.endsWith(".parquet"));
  expect(files.sort()).toEqual(["set-cpu.parquet", "set-net.parquet"]);
  const frame = pl.readParquet(path.join(home, "set-net.parquet"));
  expect(frame.columns).toEqual(["time", "name", ...TABLE_COLUMNS.net.map(({ name }) => name)]);
  const names = new Set(frame.getColumn("name").toArray() as string[]);
  expect([...names]).toEqual(expect.arrayContaining(["lo"]));
  const csv = plimsoll("export", "--format", "csv", "--table", "cpu", "--out", "-", directory);
  expect([csv.status, csv.stderr]).toEqual([0, ""]);
  expect(csv.stdout.split("\r\n")[0]).toBe(["time", ...TABLE_COLUMNS.cpu.map(({ name }) => name)].join(","));
  const absent = plimsoll("export", "--format", "csv", "--out", home, directory);
  expect(absent.status).toBe(1);
  expect(absent.stderr).toContain(
    `${directory}: expected the table usage, found a recording of cpu, net; name --table cpu or net`,
  );
  // There is nothing in it to calibrate by.
  const calibrated = plimsoll("calibrate", directory);
  expect([calibrated.status, calibrated.stdout, calibrated.stderr]).toEqual([0, "{}\n", ""]);
});

test("kill -9 leaves what was recorded up to a second before, with its names", async (context) => {
  const directory = path.join(testDirectory(context), "set");
  const recorder = RecorderProcess.start(context, [
    "--out",
    directory,
    "--resource",
    "cpu,net",
    "--interval",
    "10ms",
  ]);
  await recorder.logged(/recording cpu, net in /);
  await waitFor("some segments' worth of rows", () => {
    const { segments } = manifestOf(directory);
    return segments.reduce((sum, { rows }) => sum + rows, 0) > 300;
  });
  await pause(700);
  const killedUs = Number(process.hrtime.bigint() / 1000n);
  await recorder.stop("SIGKILL");
  const dataset = openDataset(directory);
  expect(dataset.manifest.complete).toBe(false);
  expect(dataset.losses.length).toBeLessThanOrEqual(2);
  const names = namesOf(directory, "net");
  for (const table of ["cpu", "net"] as const) {
    const rows = rowsOf(directory, table);
    expect(killedUs - (rows.at(-1)?.["timeUs"] ?? 0), table).toBeLessThan(1_500_000);
    if (table === "net") for (const row of rows) expect(names.has(row["interface"] as number)).toBe(true);
  }
});

test("a slow clock does not make memory's thread seem to hang, and the first row comes at once", async (context) => {
  const directory = path.join(testDirectory(context), "set");
  const recorder = RecorderProcess.start(context, [
    "--out",
    directory,
    "--resource",
    "memory",
    "--interval",
    "1m",
    "--json",
  ]);
  await recorder.logged(/recording memory in /);
  await pause(5000);
  const { code } = await recorder.stop("SIGTERM");
  expect(code).toBe(0);
  expect(recorder.stderr).not.toMatch(/started again/);
  expect(JSON.parse(recorder.stdout)).toMatchObject({
    rows: { host: 1 },
    threadsRestarted: 0,
    missedTicks: 0,
  });
  const [row] = rowsOf(directory, "host");
  const total = Number(/^MemTotal: +(\d+) kB/m.exec(read("/proc/meminfo"))?.[1]) * 1024;
  expect(row?.["totalBytes"]).toBe(total);
});

test("a host without a memory controller: all but cgroups is recorded", (context) => {
  need(context, root, mounts);
  const home = testDirectory(context);
  const hidden = (args: string): { status: number | null; stderr: string } => {
    const command = `mount -t tmpfs none /sys/fs/cgroup && exec "$0" "$1" record ${args}`;
    return spawnSync("unshare", ["--mount", "sh", "-c", command, process.execPath, BIN], {
      encoding: "utf8",
    });
  };
  const out = path.join(home, "set");
  const without = hidden(`--out ${out} --resource memory,cpu,io --duration 500ms --interval 20ms`);
  expect([without.status, without.stderr]).toEqual([
    0,
    expect.stringMatching(/recording memory, cpu, io in/),
  ]);
  expect(manifestOf(out)).toMatchObject({ cgroupVersion: null, complete: true });
  expect(rowsOf(out, "host").length).toBeGreaterThan(2);
  const refused = hidden(`--out ${path.join(home, "two")} --duration 500ms`);
  expect(refused.status).toBe(4);
  expect(refused.stderr).toMatch(/expected a cgroup hierarchy with the memory controller .*--resource/);
});
