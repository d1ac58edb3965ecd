/** An Erlang VM under a guard that records, and the report of it: every level, dump and signal at its time. */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import type { Report } from "../../src/core/report/model.ts";
import { erlang, ErlangVm } from "../support/erlang.ts";
import { BIN, GuardProcess, type Line, testDirectory } from "../support/guard.ts";
import { need, root } from "../support/needs.ts";
import { within } from "../support/wait.ts";

/** A busy machine may take its time. */
const PATIENT_MS = 60_000;
const NEVER = 0.999;

function usedShare(): number {
  const text = fs.readFileSync("/proc/meminfo", "utf8");
  const of = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(text)?.[1]);
  return 1 - of("MemAvailable") / of("MemTotal");
}

/** Lines are drawn below what is in use already: levels begin at once, and nothing has to grow. */
function policyFor(directory: string, reached: 0 | 1 | 2): string {
  const percent = (share: number): string => `"${(share * 100).toFixed(4)}%"`;
  const below = Math.max(0.001, usedShare() / 2);
  return `[[applications]]
name = "nso"
dump_directory = "${path.join(directory, "dumps")}"
interval = "200ms"
main = "ncs.smp"
groups = [{ name = "ncs.smp", cmdline = '\\.smp.*-ncs true.*${directory}' }]
[applications.physical]
hysteresis = "0.01%"
[applications.physical.warning]
used = ${percent(reached > 0 ? below / 2 : NEVER - 0.001)}
[applications.physical.critical]
used = ${percent(reached > 1 ? below : NEVER)}
`;
}

const steps = (line: Line): { what: string; afterMs: number; result: string }[] => line["steps"];

test("what the audit log says of the run is in its report, at its time", {
  timeout: 240_000,
}, async (context) => {
  need(context, root, erlang);
  const vm = await ErlangVm.start(context, testDirectory(context));
  const dataset = path.join(vm.directory, "dataset");
  const guard = await GuardProcess.start(context, {
    scope: "host",
    policy: policyFor(vm.directory, 0),
    args: ["--profile", "nso", "--dataset", dataset],
    env: { PATH: `${vm.bin}:${process.env["PATH"]}` },
    wait: false,
  });
  await guard.logged(/application nso runs/, PATIENT_MS);
  const act = async (reached: 1 | 2, verb: string): Promise<Line> => {
    guard.writePolicy(policyFor(vm.directory, reached));
    guard.child.kill("SIGHUP");
    return guard.recorded(verb, (line) => line["event"] === "action" && line["verb"] === verb, PATIENT_MS);
  };
  const dumps = await act(1, "dump");
  const signalled = await act(2, "signal");
  await within("the VM to end", vm.ended, PATIENT_MS);
  const endedMs = Date.now();
  await guard.stop();

  const page = path.join(vm.directory, "page.html");
  // Neither its place below the directory nor the guard's audit log has to be named.
  const args = [BIN, "report", dataset];
  execFileSync(process.execPath, [...args, "--html", page]);
  const report = JSON.parse(
    execFileSync(process.execPath, [...args, "--json"], { encoding: "utf8" }),
  ) as Report;
  const at = (kind: string): number[] =>
    report.marks
      .filter((mark) => mark.kind === kind && mark.subject === "nso physical")
      .map(({ timeMs }) => timeMs);
  const timeOf = (line: Line): number => Date.parse(line["time"] as string);
  // The recorder may have ended before the last levels did: they are not of its time.
  const lastMs = (report.span?.toMs ?? 0) + 5000;
  const levels = guard
    .audit()
    .filter((line) => line["event"] === "level" && line["subject"] === "nso physical");
  expect(at("level")).toEqual(levels.map(timeOf).filter((timeMs) => timeMs <= lastMs));
  expect(levels.map((line) => `${line["level"]} ${line["change"]}`).slice(0, 2)).toEqual([
    "warning began",
    "critical began",
  ]);
  const stepTimes = (line: Line, begins: RegExp): number[] =>
    steps(line).flatMap(({ what, afterMs }) => (begins.test(what) ? [timeOf(line) + afterMs] : []));
  expect(at("dump")).toEqual(stepTimes(dumps, /^dump/));
  expect(at("dump")).toHaveLength(3);
  expect(at("signal")).toEqual(stepTimes(signalled, /^SIGUSR1$/));
  expect(at("wait")).toEqual(stepTimes(signalled, /^wait/));
  // By other clocks: each action was begun when its level had, and the dump was whole before the VM was gone.
  expect(at("dump")[0]).toBeGreaterThanOrEqual((at("level")[0] ?? 0) - 100);
  expect(at("signal")[0]).toBeGreaterThanOrEqual((at("level")[1] ?? 0) - 100);
  expect(at("signal")[0]).toBeLessThan(endedMs);
  // The VM's line ends when it ended.
  const line = report.series.find(({ name }) => name === "ncs.smp resident");
  expect(line?.timesMs.length).toBeGreaterThan(5);
  expect(line?.timesMs.at(-1)).toBeLessThanOrEqual(endedMs + 1000);
  expect(fs.readFileSync(page, "utf8")).toContain(`SIGUSR1: sent to pid ${vm.pid}`);
});
