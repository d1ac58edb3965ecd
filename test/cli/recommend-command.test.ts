/** plimsoll recommend, as built: its forms and what it does with bad input. The rule is test/unit/recommend-rule's. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cgroup, plimsoll, recordDataset, type Sample } from "../support/calibration-dataset.ts";

const MIB = 2 ** 20;
const directory = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-recommend-"));
const dataset = path.join(directory, "recorded");
const WEB = "/system.slice/web.service";
const APP = "/user.slice/user-7.slice/user@7.service/app.slice/it.scope";

afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

beforeAll(() => {
  const cgroups = [
    cgroup(1, WEB),
    cgroup(2, APP),
    cgroup(3, "/build's"),
    cgroup(4, "/"),
    { ...cgroup(5, "/system.slice"), onlyAncestor: true },
  ];
  const samples = Array.from({ length: 100 }, (_, tick): Sample[] => {
    const timeUs = 1e9 + tick * 100_000;
    const detail = { limitBytes: 64 * MIB, limitHits: 0, peakBytes: Number.NaN };
    return [
      { timeUs, cgroup: 1, usageBytes: (tick < 60 ? 20 : 100) * MIB },
      { timeUs, cgroup: 2, usageBytes: 50 * MIB },
      { timeUs, cgroup: 3, usageBytes: (tick < 10 ? 64 : 30) * MIB, detail },
      { timeUs, cgroup: 4, usageBytes: 999 * MIB },
      { timeUs, cgroup: 5, usageBytes: 99 * MIB },
    ];
  });
  recordDataset(dataset, cgroups, samples.flat());
});

test("JSON has bytes, the unit and the reason, of cgroups that can have a limit and were asked for", () => {
  const { code, stdout, stderr } = plimsoll("recommend", dataset, "--format", "json");
  expect([code, stderr]).toEqual([0, ""]);
  const found = JSON.parse(stdout) as Record<string, unknown>;
  expect(Object.keys(found).sort()).toEqual([APP, "/build's", WEB].sort());
  expect(found[WEB]).toMatchObject({
    limit_bytes: null,
    memory_max: 120 * MIB,
    memory_high: 110 * MIB,
    memory_low: 20 * MIB,
    unit: "web.service",
  });
  expect(found["/build's"]).toMatchObject({
    limit_bytes: 64 * MIB,
    memory_max: 90 * MIB,
    unit: null,
    command: `echo ${90 * MIB} > '/sys/fs/cgroup/memory/build'\\''s/memory.limit_in_bytes'`,
  });
});

test("text says what to set, why, and how", () => {
  const { code, stdout } = plimsoll("recommend", dataset, "--margin", "50%");
  expect(code).toBe(0);
  expect(stdout).toContain(`${WEB}: no limit now\n  MemoryMax 150 MiB`);
  expect(stdout).toContain("was at its limit of 64 MiB for 1 s");
  expect(stdout).toContain("margin 50%; nothing was changed\n");
});

describe("drop-ins", () => {
  test("are printed without --out", () => {
    const { code, stdout } = plimsoll("recommend", dataset, "--format", "systemd");
    expect(code).toBe(0);
    expect(stdout).toContain(`# web.service.d/50-plimsoll.conf\n# Written by plimsoll `);
    expect(stdout).toContain(
      `[Service]\nMemoryLow=${20 * MIB}\nMemoryHigh=${110 * MIB}\nMemoryMax=${120 * MIB}\n`,
    );
    expect(stdout).toContain("# /build's is no systemd unit: echo");
  });

  test("are written with --out, those of users apart, and never over what is there", () => {
    const out = path.join(directory, "drop-ins");
    const { code, stdout, stderr } = plimsoll("recommend", dataset, "--format", "systemd", "--out", out);
    expect(code).toBe(0);
    expect(stderr).toContain("/build's is no systemd unit; by hand: echo");
    const files = ["user-7/it.scope.d/50-plimsoll.conf", "web.service.d/50-plimsoll.conf"];
    expect(stdout.trim().split("\n").sort()).toEqual(files.map((file) => path.join(out, file)));
    const web = path.join(out, "web.service.d/50-plimsoll.conf");
    fs.writeFileSync(web, "mine");
    const again = plimsoll("recommend", dataset, "--format", "systemd", "--out", out);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain("web.service.d/50-plimsoll.conf");
    expect(fs.readFileSync(web, "utf8")).toBe("mine");
    expect(plimsoll("recommend", dataset, "--format", "systemd", "--out", out, "--force").code).toBe(0);
    expect(fs.readFileSync(web, "utf8")).toContain("[Service]");
  });

  test("are taken by systemd itself, where systemd-analyze is", (context) => {
    if (spawnSync("systemd-analyze", ["--version"]).status !== 0) context.skip("needs systemd-analyze");
    const out = path.join(directory, "verified");
    plimsoll("recommend", dataset, "--format", "systemd", "--out", out);
    const unit = path.join(out, "web.service");
    fs.writeFileSync(unit, "[Service]\nExecStart=/bin/true\n");
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", unit], {
      encoding: "utf8",
    });
    expect(stderr).not.toContain("50-plimsoll.conf");
    expect(status).toBe(0);
  });
});

describe("bad input", () => {
  test("a dataset without samples has nothing to recommend from", () => {
    const empty = recordDataset(path.join(directory, "empty"), [], []);
    const { code, stdout } = plimsoll("recommend", empty);
    expect([code, stdout]).toEqual([
      0,
      "nothing to recommend: no cgroup that can have a limit has a sample\n",
    ]);
  });

  test("what is no dataset is a fault", () => {
    const { code, stdout, stderr } = plimsoll("recommend", directory);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain(`${directory}: expected a dataset`);
  });

  test.each([
    [[dataset, "--margin", "20"], 'a share from "0%" to "100%"'],
    [[dataset, "--format", "yaml"], "Allowed choices are text, json, systemd"],
    [[dataset, "--out", "x"], "--out goes with --format systemd"],
    [[], "missing required argument"],
  ])("usage: %j", (args, said) => {
    const { code, stderr } = plimsoll("recommend", ...args);
    expect(code).toBe(2);
    expect(stderr).toContain(said);
  });

  test("--help says the rule", () => {
    const { code, stdout } = plimsoll("recommend", "--help");
    expect(code).toBe(0);
    for (const word of ["MemoryMax", "MemoryHigh", "MemoryLow", "margin twice", "Exit codes"])
      expect(stdout).toContain(word);
  });
});
