/** plimsoll report, as built: its forms, what it writes where, and what it does with bad input. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { runName } from "../../src/core/dataset/runs.ts";
import type { Report } from "../../src/core/report/model.ts";
import { plimsoll } from "../support/calibration-dataset.ts";
import { MADE_FROM_MS, MADE_HOST, makeRecording, nsoProcesses } from "../support/report-dataset.ts";

const BIN = fileURLToPath(new URL("../../dist/src/main/cli/bin.js", import.meta.url));
const home = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-report-"));
const dataset = path.join(home, "monday");
const audit = path.join(home, "audit.jsonl");

afterAll(() => fs.rmSync(home, { recursive: true, force: true }));
beforeAll(() => {
  const processes = nsoProcesses(2);
  makeRecording(dataset, {
    looks: 120,
    intervalMs: 1000,
    processes,
    host: MADE_HOST,
    manifest: { zone: "Europe/Stockholm" },
  });
  const time = new Date(MADE_FROM_MS + 60_000).toISOString();
  const level = {
    event: "level",
    resource: "app",
    subject: "nso physical",
    level: "critical",
    change: "began",
    numbers: {},
  };
  fs.writeFileSync(audit, `${JSON.stringify({ ...level, time })}\n`);
});

const report = (...args: readonly string[]): ReturnType<typeof plimsoll> =>
  plimsoll("report", dataset, "--audit", audit, ...args);

describe("forms", () => {
  test("a page, whole and alone: nothing of it is fetched from elsewhere", () => {
    const file = path.join(home, "page.html");
    const { code, stdout, stderr } = report("--html", file);
    expect([code, stdout, stderr]).toEqual([0, `${file}\n`, ""]);
    const page = fs.readFileSync(file, "utf8");
    expect(page).toMatch(/^<!doctype html>/i);
    expect(page).toContain("critical began");
    expect(page).not.toMatch(/<(?:script|link|img)[^>]+(?:src|href)=["']?https?:/i);
    expect(fs.readdirSync(home).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  test("JSON: the same as data, alone on stdout", () => {
    const { code, stdout, stderr } = report("--json");
    expect([code, stderr]).toEqual([0, ""]);
    const found = JSON.parse(stdout) as Report;
    expect(found).toMatchObject({ host: "made-host", zone: "Europe/Stockholm", sampleCount: 120 * 5 });
    expect(found.marks).toMatchObject([{ kind: "level", timeMs: MADE_FROM_MS + 60_000 }]);
    const ids = new Set(found.series.map(({ id }) => id));
    for (const { lines } of found.sections.flatMap(({ charts }) => charts))
      for (const { series } of lines) expect(ids).toContain(series);
    expect(found.advice[0]?.command).toMatch(/^sysctl -w vm\.overcommit_memory=2 vm\.overcommit_ratio=\d+$/);
  });

  test("pictures, one a diagram", () => {
    const [svg, png] = [path.join(home, "svg"), path.join(home, "png")];
    expect(report("--svg", svg, "--png", png)).toMatchObject({ code: 0, stderr: "" });
    const names = fs.readdirSync(svg).map((name) => name.replace(/\.svg$/, ""));
    expect(names).toEqual(expect.arrayContaining(["ncs-smp-allocated-and-resident", "memory-in-use"]));
    expect(fs.readdirSync(png).map((name) => name.replace(/\.png$/, ""))).toEqual(names);
    for (const name of names) {
      expect(fs.readFileSync(path.join(svg, `${name}.svg`), "utf8")).toMatch(/^<svg[^]*<\/svg>\s*$/);
      expect(
        fs
          .readFileSync(path.join(png, `${name}.png`))
          .subarray(1, 4)
          .toString(),
      ).toBe("PNG");
    }
  });

  test("the measurement tool's lines, in the recording host's time of day", () => {
    const text = path.join(home, "text");
    expect(report("--text", text)).toMatchObject({ code: 0, stderr: "" });
    expect(fs.readdirSync(text).sort()).toEqual([
      "nso-NcsJVMLauncher.log",
      "nso-ncs.smp.log",
      "nso-python.log",
    ]);
    const lines = fs.readFileSync(path.join(text, "nso-ncs.smp.log"), "utf8").trimEnd().split("\n");
    expect(lines).toHaveLength(120);
    const gib = 2 ** 20;
    expect(lines[0]).toBe(
      `23:00:00 ${2 * gib} ${3 * gib} ${12 * gib} ${20 * gib} ${22 * gib} ${32 * gib} 1001`,
    );
    expect(lines[119]).toMatch(/^23:01:59 /);
  });
});

test("without a dataset, the latest that the host's guard has recorded is meant", () => {
  const datasets = path.join(home, "state", "datasets");
  fs.mkdirSync(datasets, { recursive: true });
  fs.cpSync(dataset, path.join(datasets, runName(MADE_FROM_MS)), { recursive: true });
  fs.mkdirSync(path.join(datasets, runName(MADE_FROM_MS + 1)));
  vi.stubEnv("PLIMSOLL_STATE_DIR", path.join(home, "state"));
  const { code, stdout } = plimsoll("report", "--json");
  vi.unstubAllEnvs();
  expect(code).toBe(0);
  expect((JSON.parse(stdout) as Report).series.length).toBeGreaterThan(5);
});

describe("bad input", () => {
  test("files that are there are not replaced, unless it is said", () => {
    const file = path.join(home, "there.html");
    fs.writeFileSync(file, "precious");
    const refused = report("--html", file);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(
      /^plimsoll: expected new files to write to, found .*there\.html; .*--force$/m,
    );
    expect(fs.readFileSync(file, "utf8")).toBe("precious");
    expect(report("--html", file, "--force").code).toBe(0);
    expect(fs.readFileSync(file, "utf8")).not.toBe("precious");
  });

  test.for([
    ["no dataset", ["report", "/nosuch"], 1, /\/nosuch: expected a dataset that "plimsoll record" made/],
    [
      "nothing named, and nothing recorded",
      ["report"],
      2,
      /expected the directory of a dataset, --live, or .* found none of them/,
    ],
    [
      "an option of --live alone",
      ["report", "x", "--profile", "nso"],
      2,
      /--profile: expected --live with it/,
    ],
    ["no duration", ["report", "--live", "soon"], 2, /--live: expected a duration .*, found "soon"/],
    ["no time at all", ["report", "--live", "0s"], 2, /--live: expected a duration above 0/],
    [
      "an unknown profile",
      ["report", "--live", "1s", "--profile", "nosuch"],
      2,
      /--profile: expected one of .*"nosuch"/,
    ],
  ] as const)("%s", ([, args, code, message]) => {
    vi.stubEnv("PLIMSOLL_STATE_DIR", path.join(home, "nothing"));
    const ran = plimsoll(...args);
    vi.unstubAllEnvs();
    expect(ran).toMatchObject({ code, stdout: "" });
    expect(ran.stderr).toMatch(message);
    expect(ran.stderr).not.toMatch(/^ {4}at /m);
  });

  test("a log that is not there, a directory that cannot be written", () => {
    const missing = plimsoll("report", dataset, "--json", "--audit", path.join(home, "nosuch"));
    expect(missing).toMatchObject({ code: 1, stdout: "" });
    expect(missing.stderr).toMatch(/expected an audit log at .*nosuch, found nothing; check --audit/);
    expect(report("--html", "/nosuch/dir/page.html")).toMatchObject({ code: 1, stdout: "" });
  });

  test("what is damaged is named on stderr, and the rest is drawn", () => {
    const damaged = path.join(home, "damaged");
    fs.cpSync(dataset, damaged, { recursive: true });
    fs.truncateSync(path.join(damaged, "app-000001.arrow"), 20_000);
    const { code, stdout, stderr } = plimsoll("report", damaged, "--audit", audit, "--json");
    expect(code).toBe(0);
    expect(stderr).toMatch(/^plimsoll: not read: .*app-000001\.arrow: at byte \d+/);
    const { notes } = JSON.parse(stdout) as Report;
    expect(notes.map(({ text }) => text).join("\n")).toMatch(/app-000001\.arrow/);
  });
});

test("--help has examples, and says its exit codes", () => {
  const { code, stdout } = plimsoll("report", "--help");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Examples:\n {2}plimsoll report [^]* {2}plimsoll report --live 60s/m);
  expect(stdout).toMatch(/^Exit codes: 0 /m);
});

describe("--live", () => {
  test("records, reports, and leaves nothing behind but the report", async () => {
    const own = path.join(home, "own-tmp");
    fs.mkdirSync(own);
    const page = path.join(home, "live.html");
    const args = ["--live", "2s", "--interval", "200ms", "--html", page, "--audit", audit];
    const { code, stderr } = await spawnReport(args, own);
    expect([code, /^plimsoll:/m.test(stderr)]).toEqual([0, false]);
    expect(fs.readFileSync(page, "utf8")).toContain("Memory in use");
    expect(fs.readdirSync(own)).toEqual([]);
  });

  test("told to stop, it reports what there is; a recording that is named stays", async () => {
    const kept = path.join(home, "kept");
    const page = path.join(home, "kept.html");
    const began = spawnReport(
      [kept, "--live", "1h", "--interval", "100ms", "--html", page, "--audit", audit],
      home,
      (child) => {
        const watch = setInterval(() => {
          if (!fs.existsSync(path.join(kept, "host-000001.arrow"))) return;
          clearInterval(watch);
          setTimeout(() => child.kill("SIGTERM"), 1000);
        }, 50);
        child.once("exit", () => clearInterval(watch));
      },
    );
    const { code } = await began;
    expect(code).toBe(0);
    expect(fs.existsSync(page)).toBe(true);
    expect(JSON.parse(fs.readFileSync(path.join(kept, "manifest.json"), "utf8"))).toMatchObject({
      complete: true,
    });
  });
});

async function spawnReport(
  args: readonly string[],
  temporary: string,
  use: (child: ReturnType<typeof spawn>) => void = () => undefined,
): Promise<{ readonly code: number | null; readonly stderr: string }> {
  const env = { ...process.env, TMPDIR: temporary };
  const child = spawn(process.execPath, [BIN, "report", ...args], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  use(child);
  await once(child, "close");
  return { code: child.exitCode, stderr };
}
