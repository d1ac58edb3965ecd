/** Actions on other resources than memory, on record: the line, the sentence, and the sentence read back. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { changesText, figureName, figuresText, figureValue } from "../../src/core/audit/figures.ts";
import { lineSentence } from "../../src/core/audit/reread.ts";
import {
  actionLine,
  actionSentence,
  resourceLevelLine,
  resourceLevelSentence,
} from "../../src/core/audit/resource.ts";
import type { ProcessIdentity } from "../../src/core/messages.ts";
import type { ResourceChange, ResourceReport } from "../../src/core/resources/report.ts";
import { RESOURCES } from "../../src/core/resources/resource.ts";
import { Quiet } from "../../src/workers/recorder/quiet.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const WALL_MS = Date.UTC(2026, 10, 20, 9, 0, 0, 250);
const MiB = 2 ** 20;

const identityOf = (pid: number, startTicks: number): ProcessIdentity | null =>
  pid === 7 ? null : { pid, startTicks, name: `name of ${pid}`, commandLine: null, uid: null, cgroup: null };

function report(changes: Partial<ResourceReport> = {}): ResourceReport {
  return {
    id: "b-1-7",
    resource: "disk",
    subject: "/var",
    verb: "reclaim",
    target: "2 files",
    victims: [],
    outcome: "done",
    why: "3 % available, less than 5 %",
    before: { availableBytes: 30 * MiB, freeInodes: 12 },
    after: { availableBytes: 80 * MiB, freeInodes: 14 },
    steps: [{ what: "delete /var/log/old", afterMs: 1, tookMs: 2, result: "50.0 MiB" }],
    candidates: ["/var/log/new (1.00 MiB)"],
    wallMs: WALL_MS,
    tookMs: 3.5,
    dryRun: false,
    ...changes,
  };
}

/** As it comes out of the log again. */
const reread = (line: Readonly<Record<string, unknown>>): string =>
  lineSentence(JSON.parse(JSON.stringify(line)) as Record<string, unknown>);

describe("the line of an action", () => {
  test("has every field of the report, those who lost, and the figures before and after", () => {
    const line = actionLine(report({ victims: [{ pid: 5, startTicks: 9 }] }), identityOf);
    expect(line).toStrictEqual({
      event: "action",
      id: "b-1-7",
      time: "2026-11-20T09:00:00.246Z",
      resource: "disk",
      subject: "/var",
      verb: "reclaim",
      target: "2 files",
      outcome: "done",
      dryRun: false,
      why: "3 % available, less than 5 %",
      before: { availableBytes: 30 * MiB, freeInodes: 12 },
      after: { availableBytes: 80 * MiB, freeInodes: 14 },
      victims: [{ pid: 5, startTicks: 9, name: "name of 5" }],
      victimCount: 1,
      candidates: ["/var/log/new (1.00 MiB)"],
      steps: [{ what: "delete /var/log/old", afterMs: 1, tookMs: 2, result: "50.0 MiB" }],
      tookMs: 3.5,
    });
    expect(Object.keys(line).slice(0, 4)).toEqual(["event", "id", "time", "resource"]);
  });

  test("of thousands of victims has the first, and their number", () => {
    const victims = Array.from({ length: 5000 }, (_, i) => ({ pid: 100 + i, startTicks: i }));
    const line = actionLine(report({ victims }), () => null);
    expect((line["victims"] as unknown[]).length).toBe(1000);
    expect(line["victimCount"]).toBe(5000);
  });
});

describe("the sentence", () => {
  test("of an action says why, what, to whom, what changed", () => {
    expect(actionSentence(report(), identityOf)).toBe(
      "disk /var: 3 % available, less than 5 %; reclaim 2 files: done; next /var/log/new (1.00 MiB); " +
        "delete /var/log/old 50.0 MiB; available 30.0 MiB -> 80.0 MiB, free inodes 12 -> 14 (id b-1-7)",
    );
  });

  test("names victims that the target does not name already, and leaves `host` out", () => {
    const cpu = { resource: "cpu", subject: "host", verb: "freeze", candidates: [], steps: [] } as const;
    const named = report({ ...cpu, target: "pid 5 (burner)", victims: [{ pid: 5, startTicks: 9 }] });
    expect(actionSentence(named, identityOf)).toMatch(/^cpu: .*; freeze pid 5 \(burner\): done; available/);
    const victims = [5, 6, 7, 8, 9].map((pid) => ({ pid, startTicks: 9 }));
    const group = actionSentence(report({ ...cpu, target: "cgroup /a", victims }), identityOf);
    expect(group).toContain("pid 5 (name of 5), pid 6 (name of 6), pid 7 (?) and 2 more");
  });

  test("of a dry run says what would be done", () => {
    const dry = actionSentence(report({ dryRun: true, outcome: "dry-run" }), identityOf);
    expect(dry).toContain("; would reclaim 2 files; next");
  });

  test("of a change of level has the figures that are known", () => {
    const change: ResourceChange = {
      resource: "net",
      subject: "eth0",
      level: "warning",
      change: "began",
      atUs: 5,
      numbers: { sentBytesPerSecond: 3 * MiB, sentPacketsPerSecond: null },
    };
    expect(resourceLevelSentence(change)).toBe("net eth0 warning began: sent 3.00 MiB/s");
    expect(resourceLevelLine(change, WALL_MS)).toMatchObject({ event: "level", subject: "eth0" });
    expect(resourceLevelSentence({ ...change, numbers: {} })).toBe("net eth0 warning began");
  });
});

test.each([
  ["availableBytes", 1.5 * 2 ** 30, "available 1.50 GiB"],
  ["freeInodes", 123_456, "free inodes 123456"],
  ["busyShare", 0.9371, "busy 93.7 %"],
  ["busyShare", 1, "busy 100 %"],
  ["sentBytesPerSecond", 2048, "sent 2.00 KiB/s"],
  ["operationsPerSecond", 12.345, "operations 12.3/s"],
  ["bytesPerSecond", 1024, "bytes per second 1.00 KiB/s"],
  ["waitUs", 1500, "wait 1.5ms"],
  ["waitUs", 12.5, "wait 0.013ms"],
  ["lastMs", 61_000, "last 1m1s"],
  ["cores", 0.5, "cores 0.5"],
])("figure %s of %d is %s", (name, value, words) => {
  expect(figuresText({ [name]: value })).toBe(words);
  expect(`${figureName(name)} ${figureValue(name, value)}`).toBe(words);
});

test("what is not known of a figure is said so where it was known, and left out where it never was", () => {
  expect(figuresText({ aBytes: null })).toBe("");
  expect(changesText({ aBytes: 1, bBytes: null }, { aBytes: null, bBytes: null, cores: 2 })).toBe(
    "a 1 B -> unknown, cores unknown -> 2",
  );
});

describe("what is read again", () => {
  const figures = fc.dictionary(fc.string({ maxLength: 12 }), fc.option(fc.double({ noNaN: true })), {
    maxKeys: 4,
  });
  // JSON has no infinity, nor a zero below zero.
  const plain = figures.map((each) => JSON.parse(JSON.stringify(each)) as Record<string, number | null>);
  const text = fc.string({ maxLength: 20 });
  const reports: fc.Arbitrary<ResourceReport> = fc.record({
    id: text,
    resource: fc.constantFrom(...RESOURCES),
    subject: text,
    verb: text,
    target: fc.option(text),
    victims: fc.array(fc.record({ pid: fc.nat(), startTicks: fc.nat() }), { maxLength: 6 }),
    outcome: fc.constantFrom("done", "partly", "failed", "released", "ended", "stuck", "dry-run"),
    why: text,
    before: plain,
    after: plain,
    steps: fc.array(fc.record({ what: text, afterMs: fc.nat(), tookMs: fc.nat(), result: text })),
    candidates: fc.array(text),
    wallMs: fc.integer({ min: 0, max: 4e12 }),
    tookMs: fc.nat(),
    dryRun: fc.boolean(),
  });

  test("says what was said, whatever it was", () => {
    fc.assert(
      fc.property(reports, (each) => {
        expect(reread(actionLine(each, identityOf))).toBe(actionSentence(each, identityOf));
      }),
      fuzzSettings(),
    );
  });

  test("says what was said of levels", () => {
    const changes = fc.record({
      resource: fc.constantFrom(...RESOURCES),
      subject: text,
      level: fc.constantFrom("warning" as const, "critical" as const),
      change: fc.constantFrom("began" as const, "ended" as const),
      atUs: fc.nat(),
      numbers: plain,
    });
    fc.assert(
      fc.property(changes, (each) => {
        expect(reread(resourceLevelLine(each, WALL_MS))).toBe(resourceLevelSentence(each));
      }),
      fuzzSettings(),
    );
  });

  test("of a line that is not whole shows what there is", () => {
    const { victims: _, ...cut } = actionLine(report(), identityOf) as Record<string, unknown>;
    expect(reread(cut)).toMatch(/^action: \{"id":"b-1-7"/);
    expect(reread({ ...cut, victims: [], before: { a: "b" } })).toMatch(/^action: \{/);
    const change = {
      event: "level",
      time: "",
      resource: "cpu",
      subject: "host",
      level: "awful",
      change: "began",
    };
    expect(reread({ ...change, numbers: {} })).toMatch(/^level: \{/);
  });
});

test("the same is said once in a while, another thing at once; what is remembered is bounded", () => {
  const quiet = new Quiet(10_000);
  expect(quiet.may(["disk", "/", null], 1000)).toBe(true);
  expect(quiet.may(["disk", "/", null], 10_999)).toBe(false);
  expect(quiet.may(["disk", "/var", null], 10_999)).toBe(true);
  expect(quiet.may(["disk", "/", null], 11_000)).toBe(true);
  // The wall clock was set back by a day.
  expect(quiet.may(["disk", "/", null], 11_000 - 86_400_000)).toBe(true);
  for (let i = 0; i < 5000; i++) quiet.may([String(i)], 12_000);
  expect(quiet.may(["0"], 12_001)).toBe(true);
  expect(quiet.may(["4999"], 12_001)).toBe(false);
});
