import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  describeValue,
  formatBytes,
  formatDuration,
  formatShare,
  formatSize,
  parseDuration,
  parseShare,
  parseSize,
} from "../../src/core/units.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

const MIB = 2 ** 20;

describe("sizes", () => {
  test.each([
    ["500MiB", 500 * MIB],
    ["1.5GiB", 1536 * MIB],
    ["2 KiB", 2048],
    ["1TiB", 2 ** 40],
    ["500MB", 500e6],
    ["4kB", 4000],
    ["4KB", 4000],
    ["12B", 12],
    ["12", 12],
    [" 12 ", 12],
    ["0.3KiB", 307],
    [0, 0],
    [4096, 4096],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  ])("%j is %d bytes", (text, bytes) => {
    expect(parseSize(text)).toEqual({ ok: true, value: bytes });
  });

  test.each([
    "",
    " ",
    "MiB",
    "-1MiB",
    "1e3",
    "1,5GiB",
    ".5GiB",
    "5.GiB",
    "1 2MiB",
    "0x10",
    "5Mib",
    "99999TiB",
  ])("%j is refused", (text) => {
    expect(parseSize(text)).toMatchObject({ ok: false, found: describeValue(text) });
  });

  test.each([-1, 1.5, Number.NaN, Infinity, 2 ** 53, true, null, undefined, [], {}])(
    "%j is refused",
    (value) => {
      expect(parseSize(value)).toMatchObject({ ok: false, found: describeValue(value) });
    },
  );

  test("a unit that programs disagree on is refused with both readings", () => {
    expect(parseSize("500M")).toMatchObject({
      expected: 'an unambiguous unit, "500MiB" (1024) or "500MB" (1000)',
    });
    expect(parseSize("4k")).toMatchObject({ expected: 'an unambiguous unit, "4KiB" (1024) or "4kB" (1000)' });
  });

  test("written exactly, any size reads back the same", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => {
        expect(parseSize(formatSize(bytes))).toEqual({ ok: true, value: bytes });
      }),
    );
    expect(formatSize(1536 * MIB)).toBe("1.5GiB");
    expect(formatSize(1025)).toBe("1025B");
  });

  test("written for people, any size reads back within half of the last of three digits", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 50 }), (bytes) => {
        const text = formatBytes(bytes);
        const back = parseSize(text);
        expect(back.ok).toBe(true);
        if (back.ok) expect(Math.abs(back.value - bytes)).toBeLessThanOrEqual(bytes * 0.0051);
        // Three digits, a point and a unit; or whole TiB or bytes below a KiB.
        expect(text).toMatch(/^(?:\d\.\d\d|\d\d\.\d|\d{3,4}) [KMGT]iB$|^\d{1,4} B$/);
      }),
    );
  });

  test.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.00 KiB"],
    [10 * MIB, "10.0 MiB"],
    [-300 * MIB, "-300 MiB"],
    [1023.99 * MIB, "1.00 GiB"],
    [Number.NaN, "NaN"],
  ])("%d is written %j", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe("shares", () => {
  test.each([
    ["10%", 0.1],
    ["7.5 %", 0.075],
    ["0%", 0],
    ["100%", 1],
  ])("%j is %d", (text, share) => {
    expect(parseShare(text)).toEqual({ ok: true, value: share });
  });

  test.each(["10", "100.1%", "-1%", "%", "1e1%", "", 10, 0.1, null, true])("%j is refused", (value) => {
    expect(parseShare(value)).toMatchObject({ ok: false, found: describeValue(value) });
  });

  test("a share in hundredths of a percent reads back the same", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000 }), (hundredths) => {
        const share = hundredths / 100 / 100;
        expect(parseShare(formatShare(share))).toEqual({ ok: true, value: share });
      }),
    );
  });
});

describe("durations", () => {
  test.each([
    ["100ms", 100],
    ["0.5ms", 0.5],
    ["1s", 1000],
    ["1.1s", 1100],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["1m30s", 90_000],
    ["1h 2m 3s 4ms", 3_723_004],
    ["0s", 0],
  ])("%j is %d ms", (text, durationMs) => {
    expect(parseDuration(text)).toEqual({ ok: true, value: durationMs });
  });

  test.each(["", "5", "5 sec", "-1s", "1s1s", "1s1m", "s", "1d", "1e3ms", 5, null, `${"9".repeat(400)}h`])(
    "%j is refused",
    (value) => {
      expect(parseDuration(value)).toMatchObject({ ok: false, found: describeValue(value) });
    },
  );

  test("any whole number of milliseconds, and below a second any of microseconds, reads back the same", () => {
    const durations = fc.oneof(
      fc.integer({ min: 0, max: 10 ** 12 }),
      fc.integer({ min: 0, max: 999_999 }).map((us) => us / 1000),
    );
    fc.assert(
      fc.property(durations, (durationMs) => {
        expect(parseDuration(formatDuration(durationMs))).toEqual({ ok: true, value: durationMs });
      }),
    );
  });

  test.each([
    [0, "0s"],
    [0.35, "0.35ms"],
    [999.9999, "1s"],
    [1500, "1.5s"],
    [125_000, "2m5s"],
    [3_600_000, "1h"],
    [-20, "-20ms"],
    [Infinity, "Infinity"],
  ])("%d ms is written %j", (durationMs, text) => {
    expect(formatDuration(durationMs)).toBe(text);
  });
});

test("what was found is told in words, and long texts are cut", () => {
  expect(describeValue("x".repeat(1000))).toHaveLength(63);
  expect([undefined, null, "", [], [1], {}, 5n, new Date(0), false, () => 1].map(describeValue)).toEqual([
    "nothing",
    "null",
    "an empty string",
    "an empty array",
    "an array",
    "a table",
    "the number 5",
    "a date",
    "false",
    "a function",
  ]);
});
