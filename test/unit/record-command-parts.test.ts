/** What `plimsoll record` is made of: points in time, and the line that shows how far it is. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Fault } from "../../src/core/fault.ts";
import { plainLine, progressLine } from "../../src/main/recording/progress.ts";
import { parseMoment, recordingSpan } from "../../src/main/recording/span.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const NOW_MS = new Date(2025, 5, 1, 12, 0, 0).getTime();
const FIGURES = { rows: 1_234_567, bytes: 5 * 2 ** 20, lostRows: 0, cgroups: 87, missedTicks: 3, gaps: 0 };

function momentOf(text: string): number | null {
  const parsed = parseMoment(text, NOW_MS);
  return parsed.ok ? parsed.value : null;
}

describe("points in time", () => {
  test("a time of day is the next one", () => {
    expect(momentOf("14:30")).toBe(new Date(2025, 5, 1, 14, 30).getTime());
    expect(momentOf("9:05")).toBe(new Date(2025, 5, 2, 9, 5).getTime());
    expect(momentOf("12:00")).toBe(new Date(2025, 5, 2, 12, 0).getTime());
    expect(momentOf("12:00:01")).toBe(new Date(2025, 5, 1, 12, 0, 1).getTime());
  });

  test("ISO 8601, local and with an offset", () => {
    expect(momentOf("2025-06-01T14:30")).toBe(new Date(2025, 5, 1, 14, 30).getTime());
    expect(momentOf("2025-06-01 14:30:15.250")).toBe(new Date(2025, 5, 1, 14, 30, 15, 250).getTime());
    expect(momentOf("2025-06-01T14:30Z")).toBe(Date.UTC(2025, 5, 1, 14, 30));
    expect(momentOf("2025-06-01T14:30:00+0200")).toBe(Date.UTC(2025, 5, 1, 12, 30));
    expect(momentOf("2024-02-29T00:00Z")).toBe(Date.UTC(2024, 1, 29));
  });

  test.each([
    "",
    "now",
    "24:00",
    "12:60",
    "12",
    "1717243200",
    "2025-06-01",
    "2025-02-29T00:00",
    "2025-13-01T00:00",
    "2025-06-31T00:00Z",
    "2025-06-01T24:00",
    "2025-06-01T12:60",
    "2025-06-01T12:00+99:99",
  ])("%j is none", (text) => {
    expect(momentOf(text)).toBeNull();
  });

  test("every moment that Date writes is read", () => {
    fc.assert(
      fc.property(fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }), (date) => {
        expect(momentOf(date.toISOString())).toBe(date.getTime());
      }),
      fuzzSettings(),
    );
  });

  test("no text makes it throw", () => {
    fc.assert(
      fc.property(fc.string(), (text) => void parseMoment(text, NOW_MS)),
      fuzzSettings(),
    );
  });

  test("from a time in the night to one after midnight", () => {
    const { fromMs, toMs } = recordingSpan({ from: "23:00", to: "1:00" }, NOW_MS);
    expect(fromMs).toBe(new Date(2025, 5, 1, 23, 0).getTime());
    expect(toMs).toBe(new Date(2025, 5, 2, 1, 0).getTime());
    expect(recordingSpan({}, NOW_MS)).toEqual({ fromMs: null, toMs: null, durationMs: null });
    expect(recordingSpan({ from: "13:00", duration: "1h" }, NOW_MS).durationMs).toBe(3_600_000);
    expect(() => recordingSpan({ from: "13:00", to: "2025-06-01T12:59" }, NOW_MS)).toThrow(Fault);
  });
});

describe("the line that shows how far it is", () => {
  test("with a bar where there is room, and without", () => {
    const progress = { elapsedMs: 30_000, wholeMs: 120_000 };
    expect(progressLine(FIGURES, progress, 120)).toMatch(
      /^\[#+\.+\] {2}25 % {2}30s of 2m, 1m30s left {2}1,234,567 samples {2}87 cgroups {2}3 missed {2}5\.00 MiB$/,
    );
    expect(progressLine(FIGURES, progress, 40)).toBe(" 25 %  30s of 2m, 1m30s left");
    expect(progressLine({ ...FIGURES, lostRows: 5 }, { elapsedMs: 61_000, wholeMs: null }, 120)).toBe(
      "recording for 1m1s  5 rows LOST  1,234,567 samples  87 cgroups  3 missed  5.00 MiB",
    );
    expect(plainLine(FIGURES, progress)).toBe(
      "recording: 30s of 2m, 1,234,567 samples, 87 cgroups, 3 missed, 5.00 MiB",
    );
  });

  test("it never fills the terminal's width", () => {
    const figures = fc.record({
      rows: fc.nat(),
      bytes: fc.nat(),
      lostRows: fc.nat(),
      cgroups: fc.nat(),
      missedTicks: fc.nat(),
      gaps: fc.nat(),
    });
    const whole = fc.option(fc.integer({ min: 1, max: 1e9 }));
    fc.assert(
      fc.property(
        figures,
        fc.nat(),
        whole,
        fc.integer({ min: 1, max: 300 }),
        (each, elapsedMs, wholeMs, columns) => {
          expect(progressLine(each, { elapsedMs, wholeMs }, columns).length).toBeLessThan(columns);
        },
      ),
      fuzzSettings(),
    );
  });
});
