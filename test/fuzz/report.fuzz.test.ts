/** Reports of damaged recordings and of audit logs that are none: never an exception but a Fault, always a rising axis. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { Fault } from "../../src/core/fault.ts";
import { buildReport } from "../../src/core/report/build.ts";
import { marksOf } from "../../src/core/report/marks.ts";
import { readForReport } from "../../src/main/report/data/read.ts";
import { fuzzSettings } from "../support/fuzz.ts";
import {
  MADE_FROM_MS,
  MADE_FROM_US,
  MADE_HOST,
  makeRecording,
  nsoProcesses,
  patchManifest,
} from "../support/report-dataset.ts";

const home = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-test-report-fuzz-"));
afterAll(() => fs.rmSync(home, { recursive: true, force: true }));
const directory = makeRecording(path.join(home, "set"), {
  looks: 60,
  intervalMs: 1000,
  processes: nsoProcesses(2),
  host: MADE_HOST,
});
const audit = path.join(home, "audit.jsonl");
const FILES = ["app-000001.arrow", "host-000001.arrow", "names.jsonl"] as const;
const whole = new Map(FILES.map((file) => [file, fs.readFileSync(path.join(directory, file))]));

/** Draws it; a fault is an answer too. */
function draw(): void {
  let read: ReturnType<typeof readForReport>;
  try {
    read = readForReport(directory, audit);
  } catch (error) {
    expect(error).toBeInstanceOf(Fault);
    return;
  }
  const report = buildReport(read.recorded, "1.2.3", MADE_FROM_MS);
  const rises = report.series.every(({ timesMs }) =>
    timesMs.every((timeMs, i) => i === 0 || timeMs > (timesMs[i - 1] as number)),
  );
  expect(rises).toBe(true);
  const ids = new Set([...report.series, ...report.marks].map(({ id }) => id));
  for (const { lines, marks } of report.sections.flatMap(({ charts }) => charts))
    for (const id of [...lines.map(({ series }) => series), ...marks]) expect(ids.has(id)).toBe(true);
}

const damage = fc.record({
  file: fc.constantFrom(...FILES),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }),
  cut: fc.boolean(),
});

test("damaged segments and names", () => {
  fs.writeFileSync(audit, "");
  fc.assert(
    fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (damages) => {
      for (const [file, bytes] of whole) fs.writeFileSync(path.join(directory, file), bytes);
      for (const { file, at, bytes, cut } of damages) {
        const place = path.join(directory, file);
        const damaged = fs.readFileSync(place);
        const from = Math.floor(at * damaged.length);
        damaged.set(bytes.subarray(0, damaged.length - from), from);
        fs.writeFileSync(place, cut ? damaged.subarray(0, from) : damaged);
      }
      draw();
    }),
    fuzzSettings(60),
  );
  for (const [file, bytes] of whole) fs.writeFileSync(path.join(directory, file), bytes);
});

test("lines of a log that are of any shape", () => {
  const event = fc.constantFrom(
    "level",
    "action",
    "decision",
    "rescue",
    "rescue-return",
    "oom-kill",
    "recommendation",
    "x",
  );
  const line = fc.dictionary(
    fc.constantFrom(
      "resource",
      "subject",
      "level",
      "steps",
      "victims",
      "verb",
      "target",
      "oom_cgroup",
      "name",
      "path",
    ),
    fc.jsonValue(),
  );
  fc.assert(
    fc.property(event, line, (name, rest) => {
      const marks = marksOf({ ...rest, event: name }, MADE_FROM_MS);
      expect(marks.length).toBeGreaterThan(0);
      for (const { text, subject, timeMs } of marks) {
        expect([typeof text, typeof subject]).toEqual(["string", "string"]);
        expect(timeMs).toBeGreaterThanOrEqual(MADE_FROM_MS);
      }
    }),
    fuzzSettings(500),
  );
});

test("clocks that were set to anything, in any order", () => {
  const change = fc.record({
    monotonicUs: fc.integer({ min: MADE_FROM_US - 1e7, max: MADE_FROM_US + 1e8 }),
    wallMs: fc.integer({ min: MADE_FROM_MS - 1e9, max: MADE_FROM_MS + 1e9 }),
  });
  const levels = Array.from({ length: 20 }, (_, i) => {
    const time = new Date(MADE_FROM_MS + i * 5000).toISOString();
    return `${JSON.stringify({ event: "level", resource: "memory", level: "warning", change: "began", numbers: {}, time })}\n`;
  });
  fs.writeFileSync(audit, levels.join(""));
  fc.assert(
    fc.property(fc.array(change, { maxLength: 5 }), (changes) => {
      const clockChanges = changes.toSorted((a, b) => a.monotonicUs - b.monotonicUs);
      patchManifest(directory, { clockChanges });
      draw();
    }),
    fuzzSettings(40),
  );
});
