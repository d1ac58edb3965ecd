/** From a recording to the data of its report: sums, gaps, clocks, marks, advice; and recordings of every bad kind. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Manifest } from "../../src/core/dataset/manifest.ts";
import { Fault } from "../../src/core/fault.ts";
import { buildReport } from "../../src/core/report/build.ts";
import type { Report, ReportSeries } from "../../src/core/report/model.ts";
import { readForReport } from "../../src/main/report/data/read.ts";
import {
  GIB,
  MADE_FROM_MS,
  MADE_FROM_US,
  MADE_HOST,
  type MadeProcess,
  type MadeRecording,
  makeRecording,
  nsoProcesses,
  patchManifest,
} from "../support/report-dataset.ts";

const home = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-test-report-"));
afterAll(() => fs.rmSync(home, { recursive: true, force: true }));
let made = 0;

function recorded(recording: Partial<MadeRecording>): string {
  const whole = { looks: 10, intervalMs: 1000, processes: nsoProcesses(2), host: MADE_HOST, ...recording };
  return makeRecording(path.join(home, `made-${made++}`), whole);
}

/** An audit log with these lines; times by seconds after the recording's begin. */
function auditLog(lines: readonly (Readonly<Record<string, unknown>> & { readonly at: number })[]): string {
  const file = path.join(home, `audit-${made++}.jsonl`);
  const texts = lines.map(({ at, ...line }) => {
    return `${JSON.stringify({ ...line, time: new Date(MADE_FROM_MS + at * 1000).toISOString() })}\n`;
  });
  fs.writeFileSync(file, texts.join(""));
  return file;
}

const NO_AUDIT = auditLog([]);

function reportOf(directory: string, audit = NO_AUDIT): Report {
  return buildReport(readForReport(directory, audit).recorded, "1.2.3", MADE_FROM_MS);
}

function seriesOf(report: Report, name: string): ReportSeries {
  const found = report.series.find((each) => each.name === name);
  if (found === undefined)
    throw new Error(`no series ${name} in ${report.series.map((each) => each.name).join(", ")}`);
  return found;
}

const notesOf = ({ notes }: Report): string => notes.map(({ text }) => text).join("\n");
const process = (number: number, group: string, rest: Partial<MadeProcess>): MadeProcess => ({
  number,
  application: "app",
  group,
  residentBytes: () => 100,
  allocatedBytes: () => 200,
  ...rest,
});

describe("sums over groups", () => {
  test("a group is the sum of its processes, the total the sum of the groups", () => {
    const report = reportOf(
      recorded({
        processes: [
          process(1, "a", { residentBytes: (look) => 10 + look }),
          process(2, "b", { residentBytes: () => 100, member: "x" }),
          process(3, "b", { residentBytes: (look) => 1000 * look, member: "y" }),
        ],
        looks: 3,
      }),
    );
    const values = (name: string): number[] => Array.from(seriesOf(report, name).values);
    expect(values("a resident")).toEqual([10, 11, 12]);
    expect(values("b resident")).toEqual([100, 1100, 2100]);
    expect(values("x resident")).toEqual([100, 100, 100]);
    expect(values("y resident")).toEqual([0, 1000, 2000]);
    expect(values("all groups resident")).toEqual([110, 1111, 2112]);
    expect(values("all groups allocated")).toEqual([600, 600, 600]);
    expect(report.sections.map(({ title }) => title)).toEqual([
      "Application app",
      "b of app, one by one",
      "Comparison of the groups of app",
      "Host",
      "Pressure",
    ]);
  });

  test("what could not be read makes its group's look a gap, and no smaller sum", () => {
    const report = reportOf(
      recorded({
        processes: [
          process(1, "a", {}),
          process(2, "b", {}),
          process(3, "b", { residentBytes: (look) => (look === 1 ? Number.NaN : 5) }),
        ],
        looks: 3,
      }),
    );
    expect(Array.from(seriesOf(report, "a resident").values)).toEqual([100, 100, 100]);
    expect(Array.from(seriesOf(report, "b resident").values)).toEqual([105, Number.NaN, 105]);
    expect(Array.from(seriesOf(report, "all groups resident").values)).toEqual([205, Number.NaN, 205]);
    expect(notesOf(report)).toMatch(/At 1 looks not all of a group could be read/);
    expect(report.statistics.find(({ name }) => name === "b resident")?.count).toBe(2);
  });

  test("a process that was not there for a while is a gap in its line, and nothing in the total", () => {
    const away = (look: number): number | null => (look >= 3 && look < 6 ? null : 50);
    const report = reportOf(
      recorded({ processes: [process(1, "a", {}), process(2, "b", { residentBytes: away })] }),
    );
    const { timesMs, values } = seriesOf(report, "b resident");
    const at = (look: number): number => MADE_FROM_MS + look * 1000;
    expect(Array.from(timesMs)).toEqual([at(0), at(1), at(2), at(5), at(6), at(7), at(8), at(9)]);
    expect(Array.from(values)).toEqual([50, 50, 50, Number.NaN, 50, 50, 50, 50]);
    expect(Array.from(seriesOf(report, "all groups resident").values)).toEqual([
      150, 150, 150, 100, 100, 100, 150, 150, 150, 150,
    ]);
  });

  test("subprocesses that hold much of a Python VM are pointed at; of others not", () => {
    const of = (group: string): MadeProcess[] => [
      process(1, group, { member: "pkg" }),
      process(2, group, { member: "pkg", isChild: true, allocatedBytes: () => 300 }),
      process(3, group, { member: "lean" }),
    ];
    const advice = reportOf(recorded({ processes: of("python") })).advice.find(({ title }) =>
      /Python/.test(title),
    );
    expect(advice?.figures).toEqual([
      { name: "pkg", value: "up to 300 B in subprocesses, 2 processes at once" },
    ]);
    expect(reportOf(recorded({ processes: of("ruby") })).advice.map(({ title }) => title)).toEqual([
      "CommitLimit and vm.overcommit_ratio",
    ]);
  });
});

describe("marks", () => {
  const log = auditLog([
    {
      at: 2,
      event: "level",
      resource: "app",
      subject: "nso physical",
      level: "warning",
      change: "began",
      numbers: {},
    },
    {
      at: 3,
      event: "action",
      id: "1",
      resource: "app",
      subject: "nso physical",
      verb: "signal",
      target: "nso (pid 7)",
      outcome: "ended",
      dryRun: false,
      why: "95 % in use",
      before: {},
      after: {},
      victims: [],
      victimCount: 0,
      candidates: [],
      steps: [
        { what: "log", afterMs: 0, tookMs: 0, result: "recorded" },
        { what: "dump: ncs --debug-dump", afterMs: 500, tookMs: 10, result: "1.0 MiB" },
        { what: "SIGUSR1", afterMs: 2000, tookMs: 1, result: "sent to pid 7" },
        { what: "wait for /x/erl_crash.dump", afterMs: 2001, tookMs: 900, result: "whole" },
      ],
      tookMs: 3000,
    },
    { at: 4, event: "rescue", id: "2", outcome: "raised", oom_cgroup: "/build" },
    { at: 400, event: "level", resource: "memory", level: "critical", change: "began", numbers: {} },
  ]);
  const report = reportOf(recorded({}), log);

  test("of an action each step has one at its own time; what happened at another time has none", () => {
    expect(
      report.marks.map(({ timeMs, kind, text }) => [(timeMs - MADE_FROM_MS) / 1000, kind, text]),
    ).toEqual([
      [2, "level", "warning began"],
      [3.5, "dump", "dump: ncs --debug-dump: 1.0 MiB"],
      [4, "rescue", "rescue: raised"],
      [5, "signal", "SIGUSR1: sent to pid 7"],
      [5.001, "wait", "wait for /x/erl_crash.dump: whole"],
    ]);
    expect(report.marks[1]?.reason).toBe("95 % in use (id 1)");
  });

  test("each is in the charts of what it is about", () => {
    const kinds = (title: string): string[] => {
      const chart = report.sections.flatMap(({ charts }) => charts).find((each) => each.title === title);
      return (chart?.marks ?? []).map((id) => report.marks.find((mark) => mark.id === id)?.kind ?? "?");
    };
    expect(kinds("ncs.smp: allocated and resident")).toEqual(["level", "dump", "signal", "wait"]);
    expect(kinds("Memory in use")).toEqual(["level", "dump", "rescue", "signal", "wait"]);
    expect(kinds("Memory pressure")).toEqual(["level", "dump", "signal", "wait"]);
  });
});

describe("clocks", () => {
  const off = (atS: number, byMs: number): Manifest["clockChanges"][number] => ({
    monotonicUs: MADE_FROM_US + atS * 1e6,
    wallMs: MADE_FROM_MS + atS * 1000 + byMs,
  });

  test("a host that slept: the axis goes along, and over midnight", () => {
    const slept = 3 * 3_600_000;
    const report = reportOf(recorded({ manifest: { clockChanges: [off(5, slept)] } }));
    const { timesMs, values } = seriesOf(report, "ncs.smp resident");
    expect(timesMs.at(-1)).toBe(MADE_FROM_MS + 9000 + slept);
    expect(new Date(timesMs.at(-1) ?? 0).toISOString()).toBe("2026-03-10T01:00:09.000Z");
    expect(values.filter((value) => Number.isNaN(value))).toHaveLength(1);
    expect(notesOf(report)).toMatch(/went 3h ahead/);
    expect(report.marks).toMatchObject([{ kind: "clock", timeMs: MADE_FROM_MS + 5000 + slept }]);
  });

  test("a clock that was set back: times still rise, and marks stay where they belong", () => {
    const log = auditLog([
      { at: 2, event: "level", resource: "memory", level: "warning", change: "began", numbers: {} },
      { at: 7 - 3600, event: "level", resource: "memory", level: "critical", change: "began", numbers: {} },
    ]);
    const report = reportOf(recorded({ manifest: { clockChanges: [off(5, -3_600_000)] } }), log);
    const { timesMs } = seriesOf(report, "ncs.smp resident");
    expect(timesMs.at(-1)).toBe(MADE_FROM_MS + 9000);
    expect(notesOf(report)).toMatch(/set back by 1h/);
    const levels = report.marks.filter(({ kind }) => kind === "level");
    expect(levels.map(({ timeMs }) => timeMs - MADE_FROM_MS)).toEqual([2000, 7000]);
  });

  test("a recording that says nothing of it, and ended elsewhen by the wall clock", () => {
    const endedAt = new Date(MADE_FROM_MS + 7_200_000).toISOString();
    expect(notesOf(reportOf(recorded({ manifest: { endedAt } })))).toMatch(/ended 1h59m51s later/);
    expect(notesOf(reportOf(recorded({})))).not.toMatch(/wall clock/);
  });

  test("rows of a time that had passed are left out, and said", () => {
    const report = reportOf(recorded({ atUs: (look) => (look === 5 ? 1 : look * 1e6) }));
    const { timesMs } = seriesOf(report, "ncs.smp resident");
    expect(timesMs.every((timeMs, i) => i === 0 || timeMs > (timesMs[i - 1] as number))).toBe(true);
    expect(notesOf(report)).toMatch(/5 samples without a time, or of a time that had passed/);
  });
});

describe("recordings that are not as they should be", () => {
  test("no applications in it: the host is drawn, and how to have them is said", () => {
    const report = reportOf(recorded({ tables: ["memory"] }));
    expect(report.sections.map(({ title }) => title)).toEqual(["Host", "Pressure"]);
    expect(notesOf(report)).toMatch(/no application data.*--profile nso/s);
  });

  test("only applications: CommitLimit is recommended, and why no ratio is", () => {
    const [advice] = reportOf(recorded({ tables: ["app"] })).advice;
    expect(advice?.text).toMatch(/cannot be told.*--resource app,memory/s);
    expect(advice?.command).toBeNull();
  });

  test("a peak of Committed_AS that only the looks at applications saw counts", () => {
    const peak = (look: number): number => (look === 4 ? 30 : 10) * GIB;
    const set = recorded({ host: { ...MADE_HOST, committedBytes: peak } });
    const { recorded: read } = readForReport(set, NO_AUDIT);
    const host = Object.fromEntries(
      Object.entries(read.host ?? {}).map(([name, values]) => [name, values.filter((_, i) => i === 0)]),
    );
    const report = buildReport({ ...read, host }, "1.2.3", MADE_FROM_MS);
    expect(seriesOf(report, "Committed_AS").sampleCount).toBe(10);
    expect(report.advice[0]?.figures[0]?.value).toBe(`30.0 GiB (${30 * GIB} bytes)`);
    expect(report.advice[0]?.text).toMatch(/vm\.overcommit_ratio/);
  });

  test("one sample: figures that one sample has", () => {
    const report = reportOf(recorded({ looks: 1 }));
    expect(report.span).toEqual({ fromMs: MADE_FROM_MS, toMs: MADE_FROM_MS });
    expect(notesOf(report)).toMatch(/one look at applications only/);
    expect(report.statistics.find(({ name }) => name === "ncs.smp resident")).toMatchObject({
      count: 1,
      mean: 2 * GIB,
      deviation: null,
      skewness: null,
      median: 2 * GIB,
    });
  });

  test("no sample, no dataset, a log that is none: a fault that says what to do", () => {
    const none = recorded({ looks: 0 });
    expect(() => reportOf(none)).toThrow(/expected samples of applications.*found none; record with/);
    expect(() => reportOf(home)).toThrow(Fault);
    const set = recorded({});
    expect(() => reportOf(set, path.join(home, "nosuch"))).toThrow(/expected an audit log.*check --audit/);
    const garbage = path.join(home, "garbage");
    fs.writeFileSync(garbage, "no log\n");
    expect(() => reportOf(set, garbage)).toThrow(/found no line of one/);
  });

  test("of another host, with no log named: nothing is marked, and why is said", () => {
    const { recorded: read } = readForReport(recorded({}), null);
    expect(read.marks).toEqual([]);
    expect(read.notes.map(({ text }) => text).join()).toMatch(
      /of the host made-host, not of this one.*--audit/,
    );
  });

  test("a damaged segment: the rest is drawn, and what is lost is said", () => {
    const set = recorded({ looks: 4000, processes: nsoProcesses(1) });
    const file = path.join(set, "app-000001.arrow");
    const bytes = fs.readFileSync(file);
    bytes.fill(0xff, bytes.length / 2, bytes.length / 2 + 4096);
    fs.writeFileSync(file, bytes);
    const report = reportOf(set);
    expect(notesOf(report)).toMatch(/Parts of the recording could not be read.*app-000001\.arrow/);
    const whole = seriesOf(report, "MemTotal").sampleCount;
    expect(seriesOf(report, "ncs.smp resident").sampleCount).toBeLessThan(whole);
    expect(seriesOf(report, "ncs.smp resident").sampleCount).toBeGreaterThan(0);
  });

  test("names that are lost: rows of nobody are not added to anybody, and it is said", () => {
    const set = recorded({});
    fs.rmSync(path.join(set, "names.jsonl"));
    const report = reportOf(set);
    expect(notesOf(report)).toMatch(/40 samples are of processes that the recording does not name/);
    expect(report.sections.map(({ title }) => title)).toContain("Host");
  });

  test("one that was killed, and one that lost rows", () => {
    const set = recorded({});
    patchManifest(set, { complete: false, endedAt: null, lostRows: { app: 7 } as Manifest["lostRows"] });
    expect(notesOf(reportOf(set))).toMatch(/did not end in order[^]*7 samples could not be written/);
  });
});
