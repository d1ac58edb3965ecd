/** plimsoll calibrate, as built: its figures by polars from the same files, its forms, and what it does with bad input. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { tableFromIPC } from "@uwdata/flechette";
import pl from "nodejs-polars";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDataset } from "../../src/workers/common/dataset-reader.ts";
import { cgroup, plimsoll, recordDataset, type Sample } from "../support/calibration-dataset.ts";
import { segmentPaths } from "../support/dataset.ts";

const MIB = 2 ** 20;
const LIMIT_BYTES = 300 * MIB;
const directory = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-calibrate-"));
const first = path.join(directory, "first");
const second = path.join(directory, "second");

afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

const CGROUPS = [
  cgroup(1, "/web.service"),
  cgroup(2, '/odd, "name"\n'),
  cgroup(3, "/web.service"),
  cgroup(5, "/idle"),
];

/** Ticks of 10 ms: 1 breathes up to its limit, 2 has odd bytes and gaps, 3 comes later, 5 can never be read. */
function samplesFrom(seed: number, ticks: number): Sample[] {
  const samples: Sample[] = [];
  for (let tick = 0; tick < ticks; tick++) {
    const timeUs = 1e9 + tick * 10_000;
    const wave = Math.floor(50_000 * (1 + Math.sin((tick + seed) / 40))) + ((tick * 7919 + seed) % 977);
    const usageBytes = Math.min(wave * 4096, LIMIT_BYTES);
    const detail = { limitBytes: LIMIT_BYTES, limitHits: tick, peakBytes: 3 * LIMIT_BYTES };
    samples.push({ timeUs, cgroup: 1, usageBytes, ...(tick % 5 === 0 ? { detail } : {}) });
    samples.push({ timeUs, cgroup: 2, usageBytes: tick % 9 === 0 ? Number.NaN : tick * 12_347 + seed });
    if (tick >= ticks / 2) samples.push({ timeUs, cgroup: 3, usageBytes: (tick % 5) * 4096 });
    samples.push({ timeUs, cgroup: 5, usageBytes: Number.NaN });
  }
  return samples;
}

beforeAll(() => {
  recordDataset(first, CGROUPS, samplesFrom(1, 900));
  recordDataset(
    second,
    [cgroup(1, "/web.service", 77), cgroup(9, "/only-here")],
    [
      ...samplesFrom(500, 301).filter((sample) => sample.cgroup === 1),
      { timeUs: 1e9 + 9e6, cgroup: 9, usageBytes: 2 ** 45 + 1 },
      { timeUs: 1e9 + 9e6 + 1, cgroup: 9, usageBytes: 2 ** 45 + 2 },
    ],
  );
});

type Entry = Readonly<Record<string, number | string | number[] | null>>;

/** By the cgroup's number, from the segments themselves. */
function polarsOf(dataset: string): Map<number, Entry> {
  const frames = segmentPaths(openDataset(dataset), "usage").map((file) =>
    pl.readIPCStream(fs.readFileSync(file)),
  );
  const usage = pl.col("usageBytes");
  const grouped = pl
    .concat(frames)
    .groupBy("cgroup")
    .agg(
      usage.min().alias("min_consumption"),
      usage.max().alias("max_consumption"),
      usage.median().alias("median_consumption"),
      usage.count().alias("samples"),
    );
  const rows = grouped.toRecords() as Record<string, number | bigint | null>[];
  return new Map(
    rows.map(({ cgroup: number, ...figures }) => [
      Number(number),
      Object.fromEntries(
        Object.entries(figures).map(([name, value]) => [name, value === null ? null : Number(value)]),
      ),
    ]),
  );
}

function pick(entry: Entry | undefined, names: readonly string[]): Entry {
  return Object.fromEntries(names.map((name) => [name, entry?.[name] ?? null]));
}

const SEED_NAMES = ["min_consumption", "max_consumption", "median_consumption"];

describe("the figures", () => {
  test("are those that polars computes from the same files", () => {
    const { code, stdout, stderr } = plimsoll("calibrate", "--full", first);
    expect(code).toBe(0);
    expect(stderr).toBe("plimsoll: no sample of /idle: left out\n");
    const found = JSON.parse(stdout) as Record<string, Entry>;
    expect(segmentPaths(openDataset(first), "usage").length).toBeGreaterThan(2);
    const names = [...SEED_NAMES, "samples"];
    expect(pick(found['/odd, "name"\n'], names)).toEqual(polarsOf(first).get(2));
    const other = JSON.parse(plimsoll("calibrate", "--full", second).stdout) as Record<string, Entry>;
    expect(pick(other["/web.service"], names)).toEqual(polarsOf(second).get(1));
    expect(pick(other["/only-here"], names)).toEqual({
      min_consumption: 2 ** 45 + 1,
      max_consumption: 2 ** 45 + 2,
      median_consumption: 2 ** 45 + 1.5,
      samples: 2,
    });
  });

  test("of two lives of a path are of all their samples together", () => {
    const samples = samplesFrom(1, 900).filter(({ cgroup: number }) => number === 1 || number === 3);
    const sorted = samples.map(({ usageBytes }) => usageBytes).sort((a, b) => a - b);
    const found = JSON.parse(plimsoll("calibrate", "--full", first).stdout) as Record<string, Entry>;
    const middle = [
      sorted[Math.floor((sorted.length - 1) / 2)],
      sorted[Math.floor(sorted.length / 2)],
    ] as number[];
    expect(found["/web.service"]).toMatchObject({
      min_consumption: sorted[0],
      max_consumption: sorted.at(-1),
      median_consumption: ((middle[0] as number) + (middle[1] as number)) / 2,
      p99_consumption: sorted[Math.ceil(sorted.length * 0.99) - 1],
      samples: sorted.length,
      absent_samples: 0,
      inodes: [1001, 1003],
    });
  });

  test("of --full tell time at the limit, hits, times of day and gaps", () => {
    const found = JSON.parse(plimsoll("calibrate", "--full", first).stdout) as Record<string, Entry>;
    const atLimit = samplesFrom(1, 900).filter(
      ({ cgroup: number, usageBytes }) => number === 1 && usageBytes >= 0.99 * LIMIT_BYTES,
    );
    const last = samplesFrom(1, 900).findLast(({ cgroup: number }) => number === 1);
    const held = atLimit.length - (atLimit.at(-1)?.timeUs === last?.timeUs ? 1 : 0);
    expect(held).toBeGreaterThan(100);
    expect(found["/web.service"]).toMatchObject({
      limit_bytes: LIMIT_BYTES,
      time_at_limit_seconds: held / 100,
      limit_hits: 895,
      peak_bytes: null,
      first_time: "2023-11-14T22:13:20.000Z",
      last_time: "2023-11-14T22:13:28.990Z",
    });
    expect(found['/odd, "name"\n']).toMatchObject({
      absent_samples: 100,
      limit_bytes: null,
      time_at_limit_seconds: null,
    });
    expect(found['/odd, "name"\n']?.["growth_bytes_per_second"]).toBeCloseTo(1_234_700, 0);
  });
});

describe("forms", () => {
  test("JSON has exactly the three figures of each cgroup, in the order of paths", () => {
    const { stdout } = plimsoll("calibrate", first);
    const found = JSON.parse(stdout) as Record<string, Entry>;
    expect(Object.keys(found)).toEqual(['/odd, "name"\n', "/web.service"]);
    for (const entry of Object.values(found)) expect(Object.keys(entry)).toEqual(SEED_NAMES);
  });

  test("CSV and Arrow say the same", () => {
    const json = JSON.parse(plimsoll("calibrate", first).stdout) as Record<string, Entry>;
    const csv = plimsoll("calibrate", "--format", "csv", first).stdout;
    const web = Object.values(json["/web.service"] as Entry).join(",");
    const odd = Object.values(json['/odd, "name"\n'] as Entry).join(",");
    expect(csv).toBe(
      `cgroup,${SEED_NAMES.join(",")}\r\n"/odd, ""name""\n",${odd}\r\n/web.service,${web}\r\n`,
    );
    const file = path.join(directory, "calibration.arrow");
    expect(plimsoll("calibrate", "--full", "--format", "arrow", "--out", file, first).code).toBe(0);
    const table = tableFromIPC(fs.readFileSync(file));
    const rows = table.toArray() as Record<string, unknown>[];
    expect(rows.map(({ cgroup: name }) => name)).toEqual(Object.keys(json));
    for (const row of rows) expect(row).toMatchObject(json[row["cgroup"] as string] as Entry);
    expect(rows[1]).toMatchObject({ inodes: "1001 1003", limit_hits: 895 });
  });

  test("several datasets are one over the paths, or with --each apart", () => {
    const together = JSON.parse(plimsoll("calibrate", "--full", first, second).stdout) as Record<
      string,
      Entry
    >;
    const apart = JSON.parse(plimsoll("calibrate", "--full", "--each", first, second).stdout) as Record<
      string,
      Record<string, Entry>
    >;
    expect(Object.keys(together)).toEqual(['/odd, "name"\n', "/only-here", "/web.service"]);
    expect(Object.keys(apart)).toEqual([first, second]);
    const samples = (dataset: string): number => Number(apart[dataset]?.["/web.service"]?.["samples"]);
    expect(together["/web.service"]).toMatchObject({ samples: samples(first) + samples(second) });
    expect(together["/web.service"]?.["inodes"]).toEqual([1001, 1003, 77]);
    expect(apart[first]).toEqual(JSON.parse(plimsoll("calibrate", "--full", first).stdout));
  });

  test("a file that is there stays as it is, unless --force", () => {
    const file = path.join(directory, "there.json");
    fs.writeFileSync(file, "mine");
    const refused = plimsoll("calibrate", "--out", file, first);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`found them there already: ${file}`);
    expect(fs.readFileSync(file, "utf8")).toBe("mine");
    expect(plimsoll("calibrate", "--out", file, "--force", first).code).toBe(0);
    expect(fs.readFileSync(file, "utf8")).toBe(plimsoll("calibrate", first).stdout);
  });
});

describe("bad input", () => {
  test("a segment that is cut off is named, and the rest is calibrated", () => {
    const cut = path.join(directory, "cut");
    fs.cpSync(first, cut, { recursive: true });
    const last = segmentPaths(openDataset(cut), "usage").at(-1) as string;
    fs.truncateSync(last, fs.statSync(last).size - 100);
    const { code, stdout, stderr } = plimsoll("calibrate", "--full", cut);
    expect(code).toBe(0);
    expect(stderr).toContain(`not read: ${last}: at byte `);
    const whole = JSON.parse(plimsoll("calibrate", "--full", first).stdout) as Record<string, Entry>;
    const found = JSON.parse(stdout) as Record<string, Entry>;
    const lost = Number(whole["/web.service"]?.["samples"]) - Number(found["/web.service"]?.["samples"]);
    expect(lost).toBeGreaterThan(0);
    expect(lost).toBeLessThan(200);
  });

  test("a dataset without samples is an empty object; one that is damaged throughout a fault", () => {
    const empty = recordDataset(path.join(directory, "empty"), [], []);
    expect(plimsoll("calibrate", empty)).toEqual({ code: 0, stdout: "{}\n", stderr: "" });
    const damaged = path.join(directory, "damaged");
    fs.cpSync(first, damaged, { recursive: true });
    for (const file of segmentPaths(openDataset(damaged), "usage")) fs.writeFileSync(file, "no arrow at all");
    const { code, stdout, stderr } = plimsoll("calibrate", damaged);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("expected samples to calibrate from, found none that can be read");
  });

  test("rows whose cgroup nobody names are left out, and counted", () => {
    const unnamed = path.join(directory, "unnamed");
    recordDataset(unnamed, [cgroup(1, "/known")], samplesFrom(1, 100));
    const { code, stdout, stderr } = plimsoll("calibrate", unnamed);
    expect(code).toBe(0);
    expect(stderr).toContain("250 rows are of cgroups that no cgroups.jsonl names");
    expect(Object.keys(JSON.parse(stdout) as object)).toEqual(["/known"]);
  });

  test("what is no dataset is named and makes the exit code 1; the others are calibrated", () => {
    const alone = plimsoll("calibrate", directory);
    expect([alone.code, alone.stdout]).toEqual([1, ""]);
    expect(alone.stderr).toContain(`${directory}: expected a dataset`);
    const beside = plimsoll("calibrate", path.join(directory, "nowhere"), first);
    expect(beside.code).toBe(1);
    expect(beside.stderr).toContain("nowhere: expected a dataset");
    expect(beside.stdout).toBe(plimsoll("calibrate", first).stdout);
  });

  test.each([[["--format", "xml"]], [["--margin"]], [[]]])("usage: %j", (args) => {
    const { code, stderr } = plimsoll("calibrate", ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(/error: /);
  });

  test("--help defines each statistic and the exit codes", () => {
    const { code, stdout } = plimsoll("calibrate", "--help");
    expect(code).toBe(0);
    for (const word of ["median", "nearest rank", "least squares", "time_at_limit", "Exit codes", "Examples"])
      expect(stdout).toContain(word);
  });
});
