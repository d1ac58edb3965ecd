/**
 * Kernel files as they are, cut off anywhere, and as no kernel writes them: read right or absent, never thrown, never a
 * wrong number. PLIMSOLL_SEED=N plays a run again.
 */
import fs from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KeyedLines } from "../../src/core/parse/keyed-lines.ts";
import { parsePressure } from "../../src/core/parse/pressure.ts";
import { nameRange, parseProcessStat, STAT_FIELDS, Stat } from "../../src/core/parse/process-stat.ts";
import { parseLimit, parseSingleNumber } from "../../src/core/parse/single-number.ts";
import { memoryCgroupOf } from "../../src/workers/common/cgroup-of.ts";
import {
  referenceCgroup,
  referenceKeyed,
  referencePressure,
  referenceSingle,
  referenceStat,
} from "../support/references.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

const MEMINFO = fs.readFileSync("/proc/meminfo", "latin1");
const VMSTAT = fs.readFileSync("/proc/vmstat", "latin1");
const OWN_STAT = fs.readFileSync("/proc/self/stat", "latin1");
const PRESSURE =
  "some avg10=0.00 avg60=1.27 avg300=2.90 total=39116\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1758\n";

const KEYS = ["MemTotal:", "MemAvailable:", "SwapFree:", "Hugetlb:", "NoSuchLine:", "pswpin ", "oom_kill "];

/** Bytes with stale ones behind them, as in a buffer that is used again and again. */
function bytesOf(text: string): { bytes: Uint8Array; length: number } {
  const bytes = Buffer.alloc(text.length + 64, " 9 total=7\nMemTotal: 5 kB\n) R 1 1 ");
  bytes.write(text, 0, "latin1");
  return { bytes, length: text.length };
}

function keyed(lines: KeyedLines, text: string): number[] {
  const out = new Float64Array(KEYS.length);
  const { bytes, length } = bytesOf(text);
  lines.parse(bytes, length, out, 0);
  return [...out];
}

function expectRightOrAbsent(found: number, right: number): void {
  if (!Number.isNaN(found)) expect(found).toBe(right);
}

function freshLines(): KeyedLines {
  return new KeyedLines(KEYS.map((key) => ({ key, scale: 1024 })));
}

function pressure(text: string): [number, number] {
  const out = new Float64Array(2).fill(-1);
  const { bytes, length } = bytesOf(text);
  parsePressure(bytes, length, out, 0);
  return [out[0] as number, out[1] as number];
}

/** proc(5)'s number of each slot but the first two. */
const STAT_SLOTS: readonly (readonly [slot: number, field: number])[] = [
  [Stat.pid, 1],
  [Stat.state, 3],
  [Stat.ppid, 4],
  [Stat.processGroup, 5],
  [Stat.session, 6],
  [Stat.flags, 9],
  [Stat.majorFaults, 12],
  [Stat.userTicks, 14],
  [Stat.systemTicks, 15],
  [Stat.threads, 20],
  [Stat.startTicks, 22],
  [Stat.residentPages, 24],
  [Stat.childUserTicks, 16],
  [Stat.childSystemTicks, 17],
];
const WANTED = STAT_SLOTS.slice(2).map(([, field]) => field);

function stat(text: string): Float64Array | null {
  const out = new Float64Array(STAT_FIELDS).fill(-1);
  const { bytes, length } = bytesOf(text);
  nameRange(bytes, length);
  return parseProcessStat(bytes, length, out, 0) ? out : null;
}

function expectStat(text: string): void {
  const reference = referenceStat(text, WANTED);
  const found = stat(text);
  if (reference === null) return;
  expect(found).not.toBeNull();
  for (const [slot, field] of STAT_SLOTS) expect(found?.[slot]).toBe(reference.get(field));
}

/** Text that looks like what the kernel writes, and text that does not. */
const noise = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ...KEYS,
        "some ",
        "full ",
        "total=",
        "max",
        "\n",
        " ",
        "\t",
        ":",
        "-",
        "kB",
        ")",
        "(",
        "0::/",
      ),
      fc.constantFrom(
        "9007199254740991",
        "9007199254740992",
        "18446744073709551615",
        "0",
        "007",
        "-1",
        "memory",
      ),
      fc.bigInt({ min: 0n, max: 2n ** 66n }).map(String),
      fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
    ),
    { maxLength: 30 },
  )
  .map((parts) => parts.join(""));

describe("key number lines", () => {
  test("any text is read as the reference reads it", () => {
    fc.assert(
      fc.property(noise, (text) => {
        expect(keyed(freshLines(), text)).toEqual(referenceKeyed(text, KEYS, 1024));
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    ["/proc/meminfo", MEMINFO],
    ["/proc/vmstat", VMSTAT],
  ])("%s cut off at every length has right numbers or none", (_, text) => {
    const whole = referenceKeyed(text, KEYS, 1024);
    expect(whole.some((value) => value > 0)).toBe(true);
    const remembering = freshLines();
    for (let length = text.length; length >= 0; length -= length > 600 ? 7 : 1) {
      const cut = text.slice(0, length);
      const found = keyed(remembering, cut);
      expect(found).toEqual(keyed(freshLines(), cut));
      found.forEach((value, i) => expectRightOrAbsent(value, whole[i] as number));
    }
  });

  test("what was read before does not change what is read now", () => {
    const change = fc.record({
      cut: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: null }),
      digits: fc.nat({ max: 9_999_999 }),
    });
    fc.assert(
      fc.property(fc.array(change, { minLength: 2, maxLength: 8 }), (changes) => {
        const lines = freshLines();
        for (const { cut, digits } of changes) {
          const changed = MEMINFO.replace(/(Buffers:\s+)\d+/, `$1${digits}`);
          const text = cut === null ? changed : changed.slice(0, Math.floor(cut * changed.length));
          expect(keyed(lines, text)).toEqual(referenceKeyed(text, KEYS, 1024));
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("pressure", () => {
  test("any text is read as the reference reads it", () => {
    fc.assert(
      fc.property(noise, (text) => {
        expect(pressure(text)).toEqual(referencePressure(text));
      }),
      { numRuns: 3000 },
    );
  });

  test("cut off at every length: the right totals or none", () => {
    for (let length = 0; length <= PRESSURE.length; length++) {
      const [some, full] = pressure(PRESSURE.slice(0, length));
      expectRightOrAbsent(some, 39116);
      expectRightOrAbsent(full, 1758);
    }
    expect(pressure(PRESSURE)).toEqual([39116, 1758]);
  });
});

describe("single numbers and limits", () => {
  test("any text is read as the reference reads it", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          noise,
          fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map((n) => `${n}\n`),
        ),
        (text) => {
          const { bytes, length } = bytesOf(text);
          expect(parseSingleNumber(bytes, length)).toEqual(referenceSingle(text));
        },
      ),
      { numRuns: 3000 },
    );
  });

  test("a limit is exact, or there is none, or it is absent", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 65n }), (limit) => {
        const { bytes, length } = bytesOf(`${limit}\n`);
        const found = parseLimit(bytes, length);
        expect(found).toBe(
          limit > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(limit),
        );
        const cut = bytesOf(`${limit}`);
        expect(parseLimit(cut.bytes, cut.length)).toBeNaN();
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(noise, (text) => {
        const { bytes, length } = bytesOf(text);
        const found = parseLimit(bytes, length);
        if (!text.startsWith("max") && !/^\d+\n/.test(text)) expect(found).toBeNaN();
      }),
    );
  });

  test("v1's and v2's words for no limit", () => {
    for (const text of ["max\n", "9223372036854771712\n"]) {
      const { bytes, length } = bytesOf(text);
      expect(parseLimit(bytes, length)).toBe(Number.POSITIVE_INFINITY);
    }
  });
});

describe("/proc/PID/stat", () => {
  const REST = OWN_STAT.slice(OWN_STAT.lastIndexOf(")") + 1);

  test("the process's own is read as the reference reads it", () => {
    expect(referenceStat(OWN_STAT, WANTED)).not.toBeNull();
    expectStat(OWN_STAT);
    expect(stat(OWN_STAT)?.[Stat.pid]).toBe(process.pid);
  });

  test("any name at all: what follows it is found", () => {
    const name = fc.oneof(
      fc.constantFrom("a) R 1 (b", "", ")", "((", "foo) Z ", "a\nb", ") R 1 1 1 1 1", "\xff\xfe"),
      fc.uint8Array({ maxLength: 15 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
    );
    fc.assert(
      fc.property(name, (text) => {
        const line = `4711 (${text})${REST}`;
        const found = stat(line);
        expect(found?.[Stat.pid]).toBe(4711);
        expect(found?.[Stat.startTicks]).toBe(stat(OWN_STAT)?.[Stat.startTicks]);
        const { bytes, length } = bytesOf(line);
        const { begin, end } = nameRange(bytes, length);
        expect(line.slice(begin, end)).toBe(text);
      }),
      { numRuns: 1000 },
    );
  });

  test("cut off at every length: all of it or nothing", () => {
    for (const name of ["node", "a) R 1 (b", "a b"]) {
      const line = `4711 (${name})${REST}`;
      const whole = stat(line);
      expect(whole).not.toBeNull();
      for (let length = 0; length < line.length; length++) {
        const found = stat(line.slice(0, length));
        if (found !== null) expect(found).toEqual(whole);
      }
    }
  });

  test("any fields at all", () => {
    const field = fc.oneof(
      { weight: 200, arbitrary: fc.maxSafeInteger().map(String) },
      { weight: 1, arbitrary: fc.bigInt({ min: 2n ** 53n, max: 2n ** 66n }).map(String) },
      { weight: 1, arbitrary: noise },
    );
    let read = 0;
    fc.assert(
      fc.property(fc.array(field, { minLength: 15, maxLength: 26 }), noise, (fields, tail) => {
        const line = `12 (x) S ${fields.join(" ")}${tail}`;
        expectStat(line);
        if (stat(line) !== null) read++;
      }),
      { numRuns: 2000 },
    );
    expect(read).toBeGreaterThan(50);
  });
});

describe("/proc/PID/cgroup", () => {
  const line = fc.oneof(
    noise,
    fc
      .tuple(
        fc.nat({ max: 12 }),
        fc.constantFrom("", "memory", "cpu,memory", "name=systemd", "memoryx"),
        fc.oneof(fc.constantFrom("/", "/a:b", "/a b (deleted)", "/memory"), fc.string()),
      )
      .map((parts) => parts.join(":")),
  );

  test("any lines are read as the reference reads them", () => {
    let found = 0;
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), fc.constantFrom<1 | 2>(1, 2), (lines, version) => {
        const text = lines.join("\n");
        const cgroup = memoryCgroupOf(text, version);
        if (cgroup !== null) found++;
        expect(cgroup).toBe(referenceCgroup(text, version));
      }),
      { numRuns: 2000 },
    );
    expect(found).toBeGreaterThan(50);
  });
});
