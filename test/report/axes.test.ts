import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { markLabels } from "../../src/main/report/page/drawing.ts";
import { lineStyle, LIGHT_LOOK } from "../../src/main/report/page/look.ts";
import { axisText, valueAxis, valueText } from "../../src/main/report/page/values.ts";
import {
  isZone,
  tickText,
  timeStepMs,
  timeText,
  timeTicks,
  zonedTime,
} from "../../src/main/report/page/zone.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const HOUR_MS = 3_600_000;
const ZONES = [
  "UTC",
  "Europe/Stockholm",
  "Asia/Kolkata",
  "America/St_Johns",
  "Australia/Lord_Howe",
  "Pacific/Apia",
];

describe("a time axis", () => {
  test("goes over midnight with the day at it", () => {
    const fromMs = Date.UTC(2026, 10, 19, 20, 30);
    const ticks = timeTicks(fromMs, fromMs + 5 * HOUR_MS, "Europe/Stockholm", 6);
    const step = timeStepMs(5 * HOUR_MS, 6);
    const texts = ticks.map((tick, at) => tickText(tick, step, "Europe/Stockholm", at === 0));
    expect(texts).toEqual(["22:00\nThu 19 Nov", "23:00", "Fri 20 Nov\n00:00", "01:00", "02:00"]);
  });

  test("has round times also after the clock was put back or forward", () => {
    const autumn = Date.UTC(2026, 9, 24, 22);
    const ticks = timeTicks(autumn, autumn + 12 * HOUR_MS, "Europe/Stockholm", 6);
    // From midnight to 02:00 there are three hours: 02:00 is there twice.
    expect(ticks.map((tick) => timeText(tick, "Europe/Stockholm").slice(11, 16))).toEqual([
      "00:00",
      "02:00",
      "04:00",
      "06:00",
      "08:00",
      "10:00",
    ]);
    for (const tick of ticks) expect(zonedTime(tick, "Europe/Stockholm").time).toMatch(/:00:00$/);
    const spring = Date.UTC(2026, 2, 28, 22);
    const after = timeTicks(spring, spring + 12 * HOUR_MS, "Europe/Stockholm", 4);
    expect(after.map((tick) => timeText(tick, "Europe/Stockholm").slice(5, 16))).toContain("03-29 06:00");
  });

  test("has rising ticks within its span, never many more than asked for, in any zone", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4e12 }),
        fc.integer({ min: 1, max: 1e11 }),
        fc.constantFrom(...ZONES),
        fc.integer({ min: 2, max: 14 }),
        (fromMs, spanMs, zone, ticksMax) => {
          const ticks = timeTicks(fromMs, fromMs + spanMs, zone, ticksMax);
          expect(ticks.length).toBeLessThanOrEqual(ticksMax + 2);
          for (const [at, tick] of ticks.entries()) {
            expect(tick).toBeGreaterThanOrEqual(fromMs);
            expect(tick).toBeLessThanOrEqual(fromMs + spanMs);
            if (at > 0) expect(tick).toBeGreaterThan(ticks[at - 1] as number);
          }
        },
      ),
      fuzzSettings(),
    );
  });

  test("knows zones", () => {
    expect(isZone("Europe/Stockholm")).toBe(true);
    expect(isZone("Mars/Olympus")).toBe(false);
    expect(timeText(Date.UTC(2026, 10, 20, 23, 59, 59), "Asia/Kolkata")).toBe("2026-11-21 05:29:59");
  });
});

describe("a value axis", () => {
  test("reaches over the highest value in few round steps", () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e15, noNaN: true }), (highest) => {
        for (const unit of ["bytes", "count", "perSecond"] as const) {
          const { max, step } = valueAxis(highest, unit);
          expect(max).toBeGreaterThanOrEqual(highest);
          expect(max / step).toBeLessThanOrEqual(6.001);
          expect(max / step).toBeGreaterThanOrEqual(unit === "bytes" && highest < 1 ? 1 : 1.9);
        }
      }),
      fuzzSettings(),
    );
  });

  test("of bytes is round in powers of two, and a share ends at all", () => {
    expect(valueAxis(60 * 2 ** 30, "bytes")).toEqual({ max: 64 * 2 ** 30, step: 16 * 2 ** 30 });
    expect(valueAxis(0.99, "share").max).toBe(1);
    expect(axisText(1.5 * 2 ** 30, "bytes")).toBe("1.5 GiB");
    expect(axisText(0.2, "share")).toBe("20 %");
  });

  test("values are told in three digits", () => {
    expect(valueText(1023.7 * 2 ** 20, "bytes")).toBe("1.00 GiB");
    expect(valueText(0.4217, "share")).toBe("42.2 %");
    expect(valueText(12.5, "perSecond")).toBe("12.5/s");
    expect(valueText(Number.NaN, "bytes")).toBe("unknown");
  });
});

describe("marks that stand close", () => {
  const mark = (timeMs: number, number: number) => ({ timeMs, number, kind: "dump" as const });

  test("share a label, which tells when it leaves some out", () => {
    const marks = [mark(0, 1), mark(5, 2), mark(9, 3), mark(300, 4), mark(600, 5), mark(605, 9)];
    expect(markLabels(marks, 1)).toEqual(["1–3", "", "", "4", "5…9", ""]);
  });

  test("never have labels over one another, and each number is within one", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(900), { minLength: 1, maxLength: 200 }), (times) => {
        const marks = times.toSorted((a, b) => a - b).map((time, at) => mark(time, at + 1));
        const labels = markLabels(marks, 1);
        const told = marks.flatMap(({ timeMs }, at) =>
          labels[at] === "" ? [] : [{ timeMs, text: labels[at] as string }],
        );
        for (const [at, { timeMs, text }] of told.entries()) {
          const next = told[at + 1];
          if (next !== undefined)
            expect(next.timeMs - timeMs).toBeGreaterThan(((text.length + next.text.length) * 6.5) / 2);
        }
        const numbers = told.flatMap(({ text }) => text.split("–").map(Number));
        expect(numbers[0]).toBe(1);
        expect(numbers.at(-1)).toBe(marks.length);
      }),
      fuzzSettings(),
    );
  });
});

test("no two of 32 lines look the same, and only a limit is red", () => {
  const styles = Array.from({ length: 32 }, (_, at) => lineStyle("value", at, LIGHT_LOOK));
  expect(new Set(styles.map(({ color, dash }) => `${color} ${dash.join(" ")}`)).size).toBe(32);
  expect(styles.some(({ color }) => color === LIGHT_LOOK.limit)).toBe(false);
  expect(lineStyle("limit", 0, LIGHT_LOOK).dash.length).toBeGreaterThan(0);
});
