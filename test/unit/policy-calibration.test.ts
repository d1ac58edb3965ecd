import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ExitCode } from "../../src/core/fault.ts";
import { PolicyFault } from "../../src/core/policy/problem.ts";
import { calibrationJson } from "../../src/main/batch/calibration-form.ts";
import { checkPolicy, loadPolicy } from "../../src/main/config/load-policy.ts";
import { parseCalibration, readCalibration } from "../../src/main/config/read-calibration.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "plimsoll-calibration-"));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text, { mode: 0o644 });
  return path;
}

/** What is wrong with a calibration, in one line each. */
function mistakes(text: string): string[] {
  const read = parseCalibration(text, "/c.json");
  return read.ok ? [] : read.refusals.map(({ expected, found }) => `expected ${expected}, found ${found}`);
}

const GOOD = { min_consumption: 4096, max_consumption: 12288, median_consumption: 6144.5 };

describe("a calibration as plimsoll calibrate writes it", () => {
  test("is read, with what --full adds passed over", () => {
    const read = parseCalibration(
      JSON.stringify({ "/a": GOOD, "/": { ...GOOD, p99: 3, samples: null } }),
      "f",
    );
    const entry = { minBytes: 4096, maxBytes: 12288, medianBytes: 6144.5 };
    expect(read).toEqual({ ok: true, calibration: { "/a": entry, "/": entry } });
    expect(parseCalibration("{}", "f")).toEqual({ ok: true, calibration: {} });
  });

  test("comes back from what calibrate makes of its statistics, short and full", () => {
    const limits = { limitBytes: null, timeAtLimitS: null, limitHits: null, peakBytes: null };
    const full = {
      p90Bytes: 9,
      p95Bytes: 9,
      p99Bytes: 9,
      meanBytes: 5.25,
      growthBytesPerSecond: null,
      firstTimeS: 0,
      lastTimeS: 1,
      limits,
      inodes: [7],
    };
    const figures = {
      path: "/app",
      samples: 4,
      absentSamples: 0,
      minBytes: 1,
      maxBytes: 9,
      medianBytes: 5.5,
    };
    for (const each of [null, full]) {
      const text = calibrationJson([{ dataset: null, statistics: [{ ...figures, full: each }] }]);
      const calibration = { "/app": { minBytes: 1, maxBytes: 9, medianBytes: 5.5 } };
      expect(parseCalibration(text, "f")).toEqual({ ok: true, calibration });
    }
  });

  test("comes back from any figures and any names of cgroups", () => {
    const amounts = fc
      .tuple(fc.maxSafeNat(), fc.maxSafeNat(), fc.maxSafeNat())
      .map((three) => three.toSorted((a, b) => a - b) as [number, number, number]);
    const cgroups = fc.dictionary(
      fc.string({ unit: "binary" }).map((name) => `/${name}`),
      amounts,
    );
    fc.assert(
      fc.property(cgroups, (written) => {
        const text = Object.entries(written).map(([path, [min, median, max]]) => [
          path,
          { min_consumption: min, max_consumption: max, median_consumption: median },
        ]);
        const read = parseCalibration(JSON.stringify(Object.fromEntries(text)), "f");
        const expected = Object.entries(written).map(([path, [minBytes, medianBytes, maxBytes]]) => [
          path,
          { minBytes, medianBytes, maxBytes },
        ]);
        expect(read).toEqual({ ok: true, calibration: Object.fromEntries(expected) });
      }),
    );
  });
});

describe("what is none", () => {
  const of = (path: string, change: object): string => JSON.stringify({ [path]: { ...GOOD, ...change } });
  test.each([
    ["[]", "expected an object with cgroups as keys, found an empty array in /c.json"],
    ["null", "expected an object with cgroups as keys, found null in /c.json"],
    [
      '{"/a": 5}',
      'expected an object with min_consumption, median_consumption, max_consumption of "/a", found the number 5 in /c.json',
    ],
    ['{"a": {}}', 'expected cgroups by their paths, such as "/machine/build", found "a" in /c.json'],
    [
      of("/a", { min_consumption: "5MiB" }),
      'expected min_consumption of "/a" in bytes, from 0, found "5MiB" in /c.json',
    ],
    [
      of("/a", { max_consumption: null }),
      'expected max_consumption of "/a" in bytes, from 0, found null in /c.json',
    ],
    [
      of("/a", { min_consumption: -1 }),
      'expected min_consumption of "/a" in bytes, from 0, found the number -1 in /c.json',
    ],
    [
      of("/a", { max_consumption: 1e300 }),
      'expected max_consumption of "/a" in bytes, from 0, found the number 1e+300 in /c.json',
    ],
    [
      of("/a", { median_consumption: undefined }),
      'expected median_consumption of "/a" in bytes, from 0, found nothing in /c.json',
    ],
    [
      of("/a", { max_consumption: 5000 }),
      'expected min_consumption <= median_consumption <= max_consumption of "/a", found 4096, 6144.5, 5000 in /c.json',
    ],
  ])("%s", (text, expected) => {
    expect(mistakes(text)).toEqual([expected]);
  });

  test("calibrations apart, as calibrate --each writes them", () => {
    for (const dataset of ["/data/night", "night"]) {
      expect(mistakes(JSON.stringify({ [dataset]: { "/a": GOOD } }))).toEqual([
        `expected one calibration over all datasets, found one of each, such as of "${dataset}" in /c.json`,
      ]);
    }
  });

  test("all that is wrong is told at once, up to ten", () => {
    expect(mistakes('{"a": 1, "/b": {}, "/c": 3}')).toHaveLength(5);
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`/${i}`, i]));
    expect(mistakes(JSON.stringify(many))).toHaveLength(10);
  });

  test("a text that is no JSON, without what it holds making a mess", () => {
    const [only, ...rest] = mistakes("min\x1b[31m\n,max");
    expect(rest).toEqual([]);
    expect(only).toMatch(
      /^expected a calibration \(JSON\), found \/c\.json, which is no JSON \([^\n\x1b]+\)$/,
    );
  });

  test("a file that is not there, or no file", () => {
    expect(readCalibration(join(directory, "none"))).toEqual({
      ok: false,
      refusals: [
        {
          expected: "a calibration (JSON)",
          found: `no such file: ${join(directory, "none")}`,
          advice: "plimsoll calibrate --out FILE DATASET writes one",
        },
      ],
    });
    expect(readCalibration(directory)).toMatchObject({ refusals: [{ found: `a directory: ${directory}` }] });
  });
});

describe("a policy that names one", () => {
  test("carries it", () => {
    const calibration = file("c.json", JSON.stringify({ "/app": GOOD }));
    const policy = loadPolicy({ file: file("good.toml", `cgroups.calibration = '${calibration}'`) });
    expect(policy.cgroups).toMatchObject({
      calibrationPath: calibration,
      calibration: { "/app": { minBytes: 4096, medianBytes: 6144.5, maxBytes: 12288 } },
    });
    expect(structuredClone(policy)).toEqual(policy);
  });

  test("is refused with the line of the key, beside what else is wrong", () => {
    const calibration = file("bad.json", '{"/a": 1, "/b": 2}');
    const path = file(
      "bad.toml",
      `[cgroups]\nenabled = true\ncalibration = '${calibration}'\n[rescue]\nadd_min = '2GiB'`,
    );
    try {
      loadPolicy({ file: path });
      throw new Error("nothing was thrown");
    } catch (error) {
      if (!(error instanceof PolicyFault)) throw error;
      expect(error.code).toBe(ExitCode.badPolicy);
      expect(error.problems.map(({ line, key }) => [line, key])).toEqual([
        [3, "cgroups.calibration"],
        [3, "cgroups.calibration"],
        [5, "rescue.add_min"],
      ]);
      expect(error.message).toContain(
        `bad.toml:3: cgroups.calibration: expected an object with min_consumption`,
      );
    }
  });

  test("is used with a warning where others may write it", () => {
    const calibration = file("open.json", JSON.stringify({ "/app": GOOD }));
    chmodSync(calibration, 0o666);
    const { findings } = checkPolicy({ file: file("open.toml", `cgroups.calibration = '${calibration}'`) });
    expect(findings).toMatchObject([
      { severity: "warning", advice: expect.stringContaining(`chmod go-w ${calibration}`) },
    ]);
  });
});
