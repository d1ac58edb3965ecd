import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { dateLine, type MonitorFigures, monitorLines } from "../../src/core/app/monitor-lines.ts";
import type { MeasurePolicy } from "../../src/core/policy/applications.ts";
import { LocalZone } from "../../src/workers/app/local-zone.ts";
import { readMonitorLine } from "../support/monitor-reader.ts";

const KIB = 1024;
const DATE = "Fri Nov 20 16:05:07 UTC 2026";

function measure(more: Partial<MeasurePolicy> = {}): MeasurePolicy {
  const ladders = { info: [], warning: [], critical: [] };
  const shares = { warningShare: 0.9, criticalShare: 0.95, hysteresisShare: 0.02 };
  return { basis: "available", ...shares, actsInModes: [0, 1, 2], ladders, ...more };
}

function figures(kb: Partial<MonitorFigures>): MonitorFigures {
  const all = {
    totalBytes: 1000,
    freeBytes: 40,
    availableBytes: 500,
    committedBytes: 100,
    commitLimitBytes: 1000,
  };
  const entries = Object.entries({ ...all, ...kb }).map(([name, value]) => [
    name,
    value === null ? null : value * KIB,
  ]);
  return Object.fromEntries(entries) as MonitorFigures;
}

test("the lines are the measurement tool's, byte for byte", () => {
  expect(monitorLines(DATE, figures({}), measure({ basis: "free" }), measure())).toEqual([
    `${DATE} [MONITOR] [CRIT] Physical Memory Usage 960 KB/1000 KB(96%) exceeded 95% of MemTotal\n`,
    `${DATE} [MONITOR VERBOSE] [INFO] Committed_AS 100 KB/1000 KB(10%) is within 90% of CommitLimit\n`,
  ]);
});

test.for<readonly [number, string, string]>([
  [899, "INFO", "is within 90%"],
  [900, "WARNING", "exceeded 90%"],
  [949, "WARNING", "exceeded 90%"],
  [950, "CRIT", "exceeded 95%"],
  [1200, "CRIT", "exceeded 95%"],
])("%i of 1000 is %s: what is exactly at a line has reached it", ([committed, level, words]) => {
  const [line = ""] = monitorLines(DATE, figures({ committedBytes: committed }), null, measure());
  expect(line).toContain(`[${level}]`);
  expect(line).toContain(words);
  expect(line).toContain(`(${Math.floor(committed / 10)}%)`);
});

test("what is not known, and a measure that is not wanted, has no line", () => {
  expect(monitorLines(DATE, figures({ availableBytes: null }), measure(), null)).toEqual([]);
  expect(monitorLines(DATE, figures({ commitLimitBytes: 0 }), null, measure())).toEqual([]);
});

test("a reader of the tool's lines finds level, measure and relation in them", () => {
  const shown: unknown[] = [];
  for (const availableBytes of [500, 80, 20]) {
    for (const line of monitorLines(
      DATE,
      figures({ availableBytes, committedBytes: 960 }),
      measure(),
      measure(),
    ))
      shown.push(readMonitorLine(line));
  }
  expect(shown).toEqual([
    { measure: "physical", level: "info" },
    { measure: "allocated", level: "critical" },
    { measure: "physical", level: "warning" },
    { measure: "allocated", level: "critical" },
    { measure: "physical", level: "critical" },
    { measure: "allocated", level: "critical" },
  ]);
});

/** Begin and end of summer time, a day of one digit, the turn of a year. */
const TIMES = [
  "2026-03-29T00:59:59Z",
  "2026-03-29T01:00:00Z",
  "2026-10-25T01:00:00Z",
  "2026-05-03T09:08:07Z",
  "2025-12-31T23:59:59Z",
];

test.for(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "America/Sao_Paulo"])(
  "in %s the date is as date(1) prints it",
  (zone) => {
    const before = process.env["TZ"];
    process.env["TZ"] = zone;
    try {
      const local = new LocalZone();
      for (const time of TIMES) {
        const wallMs = Date.parse(time);
        const { offsetMinutes, zone: abbreviation } = local.at(wallMs);
        const env = { ...process.env, LC_ALL: "C", TZ: zone };
        const format = "+%a %b %e %H:%M:%S %Z %Y";
        const printed = execFileSync("date", ["-d", `@${wallMs / 1000}`, format], { env, encoding: "utf8" });
        expect(dateLine(wallMs, offsetMinutes, abbreviation)).toBe(printed.trim());
      }
    } finally {
      if (before === undefined) delete process.env["TZ"];
      else process.env["TZ"] = before;
    }
  },
);
