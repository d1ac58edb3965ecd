/** Applications by the real programs: waited for, followed to their end, logged as the NSO measurement tool does, recorded. */
import fs from "node:fs";
import path from "node:path";
import { expect, test, type TestContext } from "vitest";
import { startChild } from "../support/applications.ts";
import { GuardProcess, testDirectory } from "../support/guard.ts";
import { readMonitorLine } from "../support/monitor-reader.ts";
import { need, root } from "../support/needs.ts";
import { RecorderProcess } from "../support/recorder.ts";
import { waitFor, within } from "../support/wait.ts";

/** A busy machine may take its time. */
const PATIENT_MS = 60_000;
/** A program that everybody has, and that stays until its input ends. */
const IDLE = "process.stdin.resume()";

const policyFor = (word: string): string => `
[[applications]]
name = "idle"
interval = "50ms"
groups = [{ name = "core", cmdline = '${word}-core' }, { name = "other", cmdline = '${word}-other' }]
[applications.physical]
hysteresis = "0.1%"
[applications.physical.warning]
used = "0.2%"
ladder = ["log"]
[applications.physical.critical]
used = "99.9%"
ladder = ["log"]
[applications.allocated]
hysteresis = "0.1%"
[applications.allocated.warning]
used = "0.2%"
[applications.allocated.critical]
used = "0.3%"
`;

function idler(context: TestContext, ...words: readonly string[]): ReturnType<typeof startChild> {
  return startChild(context, process.execPath, ["-e", IDLE, ...words]);
}

function linesOf(file: string): string[] {
  if (!fs.existsSync(file)) return [];
  return fs.readFileSync(file, "utf8").split("\n").filter(Boolean);
}

test("it is waited for, its levels are in the monitor log, and the guard ends with it", async (context) => {
  need(context, root);
  const directory = testDirectory(context);
  const word = path.basename(directory);
  const file = path.join(directory, "monitor.log");
  const guard = await GuardProcess.start(context, {
    scope: "host",
    policy: policyFor(word),
    args: ["--dry-run", "--exit-with-application", "--monitor-log", file],
    wait: false,
  });
  await guard.logged(/waiting for application idle/, PATIENT_MS);
  await guard.logged(/guarding .* by /, PATIENT_MS);
  const early = idler(context, `${word}-other`);
  const child = idler(context, `${word}-core`);
  await guard.logged(new RegExp(`application idle runs: its main process is pid ${child.pid}`), PATIENT_MS);
  await waitFor("some lines of the monitor log", () => linesOf(file).length > 6, PATIENT_MS);
  early.kill("SIGKILL");
  expect(guard.end).toBeNull();
  child.kill("SIGKILL");
  const end = await within("the guard's end", guard.ended, PATIENT_MS);
  expect(end.code).toBe(0);
  expect(guard.stderr).toContain(`application idle: pid ${child.pid} has ended`);
  const stopped = guard.audit().findLast((line) => line["event"] === "stopped");
  expect(stopped?.["reason"]).toBe("application idle has ended");
  // Both measures a look: above the warning's line, and above the critical one.
  const readings = linesOf(file).map(readMonitorLine);
  const wanted = new Set(["physical warning", "allocated critical"]);
  expect(new Set(readings.map((each) => `${each?.measure} ${each?.level}`))).toEqual(wanted);
  expect(linesOf(file)[0]).toMatch(
    /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ \d{4} \[MONITOR\] \[WARNING\] Physical Memory Usage \d+ KB\/\d+ KB\(\d+%\) exceeded 0% of MemTotal$/,
  );
});

test("a recording has its processes by name, a row each, and a restart as another", async (context) => {
  const directory = testDirectory(context);
  const word = path.basename(directory);
  const config = path.join(directory, "policy.toml");
  fs.writeFileSync(config, policyFor(word), { mode: 0o644 });
  const out = path.join(directory, "out");
  const first = idler(context, `${word}-core`);
  const args = ["--out", out, "--resource", "app", "--config", config, "--interval", "50ms", "--json"];
  const recorder = RecorderProcess.start(context, args);
  const names = (): Record<string, unknown>[] =>
    linesOf(path.join(out, "names.jsonl")).map((line) => JSON.parse(line) as Record<string, unknown>);
  const pidsOf = (): unknown[] =>
    names().flatMap(({ about }) => (about === undefined ? [] : [(about as { pid: string }).pid]));
  await waitFor("the first process", () => pidsOf().length === 1, PATIENT_MS);
  first.kill("SIGKILL");
  await waitFor("its end", () => names().some(({ gone }) => gone === true), PATIENT_MS);
  const second = idler(context, `${word}-core`);
  await waitFor("the second process", () => pidsOf().length === 2, PATIENT_MS);
  recorder.child.kill("SIGTERM");
  const end = await within("the recording's end", recorder.ended, PATIENT_MS);
  expect(end.code).toBe(0);
  expect(pidsOf()).toEqual([String(first.pid), String(second.pid)]);
  const summary = JSON.parse(recorder.stdout) as { complete: boolean; rows: { app: number } };
  expect(summary.complete).toBe(true);
  expect(summary.rows.app).toBeGreaterThanOrEqual(2);
  expect(names()[0]).toMatchObject({
    resource: "app",
    name: "idle/core",
    about: { application: "idle", group: "core", member: "", role: "main" },
  });
});

test.for<readonly [string, readonly string[], RegExp]>([
  ["no policy says what an application is", ["--resource", "app"], /--resource app: expected a policy/],
  [
    "a profile for nothing",
    ["--resource", "cpu", "--profile", "nso"],
    /--profile: expected app among the resources/,
  ],
])("%s: that is said, and nothing is recorded", async ([, args, said], context) => {
  const out = path.join(testDirectory(context), "out");
  const recorder = RecorderProcess.start(context, ["--out", out, ...args]);
  const end = await within("its end", recorder.ended, PATIENT_MS);
  expect(end.code).toBe(2);
  expect(recorder.stderr).toMatch(said);
  expect(fs.existsSync(out)).toBe(false);
});
