import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { scopeObstacle } from "../../bench/scope.ts";
import { buildHog } from "../programs/build.ts";

const MAIN = fileURLToPath(new URL("../../dist/bench/main.js", import.meta.url));
const run = promisify(execFile);

const BENCHES = [
  "sample",
  "walk",
  "cgroups",
  "crossing",
  "app",
  "app-signal",
  "rescue",
  "ahead",
  "recording",
  "idle",
  "idle-all",
  "cpu",
  "cpu-choose",
  "space",
  "reclaim",
  "io",
  "interfaces",
  "duplicate-mac",
  "parts",
  "calibrate",
  "report",
  "report-page",
];
/** These make cgroups of their own, and measure beside programs in C. */
const IN_CGROUPS = ["crossing", "rescue", "ahead", "cgroups", "recording"];
/** What may be nothing, or below: a count of those who died, a difference. */
const MAY_BE_NOTHING = /^killed by|above C's$/;

interface Results {
  readonly smoke: boolean;
  readonly findings: readonly {
    readonly bench: string;
    readonly figures: readonly {
      readonly name: string;
      readonly ours: number;
      readonly reference: number | null;
    }[];
    readonly evidence: readonly string[];
  }[];
}

/** Where results of one test go. */
function resultsPath(): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-bench-test-"));
  onTestFinished(() => fs.rmSync(directory, { recursive: true, force: true }));
  return path.join(directory, "bench.json");
}

test("bench --smoke measures every figure, prints it, and writes it", { timeout: 300_000 }, async () => {
  const json = resultsPath();
  const { stdout } = await run(process.execPath, [MAIN, "--smoke", "--json", json]);
  const results = JSON.parse(fs.readFileSync(json, "utf8")) as Results;
  expect(results.smoke).toBe(true);
  expect(results.findings.map(({ bench }) => bench)).toEqual(BENCHES);
  const withC = buildHog().path !== undefined;
  for (const { bench, figures, evidence } of results.findings) {
    if (IN_CGROUPS.includes(bench) && (scopeObstacle() !== null || !withC)) {
      expect(evidence.join()).toMatch(/^not measured: /);
      continue;
    }
    expect(figures.length).toBeGreaterThan(0);
    for (const { name, ours, reference } of figures) {
      if (MAY_BE_NOTHING.test(name)) expect(ours, name).not.toBeNaN();
      else expect(ours, name).toBeGreaterThan(0);
      expect(stdout).toContain(name);
      if (withC && (bench === "sample" || bench === "walk")) expect(reference, name).toBeGreaterThan(0);
    }
  }
});

test("bench says what --only takes, and exits 2", async () => {
  const failure = await run(process.execPath, [MAIN, "--only", "sampel"]).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 2 });
  expect((failure as { stderr: string }).stderr).toMatch(/expected some of sample, walk, .*, found sampel/);
});
