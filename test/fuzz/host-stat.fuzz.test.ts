/**
 * /proc/stat and /proc/pressure/cpu as they are, cut off anywhere, and as no kernel writes them: read right or absent,
 * never thrown, never a wrong number. PLIMSOLL_SEED=N plays a run again.
 */
import fs from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ALL_CORES } from "../../src/core/cpu/columns.ts";
import { CORE_TIMES, HostStat } from "../../src/core/parse/host-stat.ts";
import { SomeStall } from "../../src/core/parse/pressure.ts";
import { fuzzSettings } from "../support/fuzz.ts";
import { referencePressure } from "../support/references.ts";

const OWN = fs.readFileSync("/proc/stat", "latin1");
const US_PER_TICK = 10_000;

interface Read {
  readonly rows: readonly { readonly core: number; readonly timesUs: readonly number[] }[];
  readonly running: number;
  readonly blocked: number;
}

/** Bytes with stale ones behind them, as in a buffer that is used again and again. */
function bytesOf(text: string): { bytes: Uint8Array; length: number } {
  const bytes = Buffer.alloc(text.length + 64, "0 9\ncpu9 1 1 1 1 1 1 1 1\nprocs_running 9\n total=7\n");
  bytes.write(text, 0, "latin1");
  return { bytes, length: text.length };
}

function parse(stat: HostStat, text: string): Read | null {
  const { bytes, length } = bytesOf(text);
  if (!stat.parse(bytes, length)) return null;
  const { running, blocked } = stat;
  const rows = Array.from({ length: stat.rows }, (_, i) => ({
    core: stat.cores[i] as number,
    timesUs: [...stat.timesUs.subarray(i * CORE_TIMES, (i + 1) * CORE_TIMES)],
  }));
  return { rows, running, blocked };
}

/** The same once more, plainly, on strings. */
function reference(text: string): Read | null {
  const whole = text.split(/(?<=\n)/).filter((line) => line.endsWith("\n"));
  const rows: { core: number; timesUs: number[] }[] = [];
  for (const line of whole) {
    const match = /^cpu(\d*)((?: +\d+){7,}) *\n$/.exec(line);
    if (match === null) break;
    const fields = (match[2] as string).trim().split(/ +/).map(Number);
    if (fields.some((field) => field > Number.MAX_SAFE_INTEGER) || Number(match[1]) >= 65_536) break;
    if (fields.length === 7) fields.push(0);
    const timesUs = fields.slice(0, CORE_TIMES).map((field) => field * US_PER_TICK);
    rows.push({ core: match[1] === "" ? ALL_CORES : Number(match[1]), timesUs });
  }
  if (rows[0]?.core !== ALL_CORES) return null;
  const after = whole.slice(rows.length);
  const of = (key: string): number =>
    Number(after.map((line) => new RegExp(`^${key} (\\d+)\\n$`).exec(line)).find(Boolean)?.[1] ?? Number.NaN);
  return { rows, running: of("procs_running"), blocked: of("procs_blocked") };
}

describe("/proc/stat", () => {
  test("this host's, the same as read plainly", () => {
    const read = parse(new HostStat(100), OWN);
    expect(read).toEqual(reference(OWN));
    expect(read?.running).toBeGreaterThan(0);
    expect(read?.rows.length).toBeGreaterThan(1);
  });

  test("cut off anywhere: what is whole is right, what is cut off is absent", () => {
    const stat = new HostStat(100);
    fc.assert(
      fc.property(fc.nat(OWN.length), (length) => {
        const cut = OWN.slice(0, length);
        expect(parse(stat, cut)).toEqual(reference(cut));
      }),
      fuzzSettings(600),
    );
  });

  test("processors that come and go, more than there is room for at first, and counts that grow by a digit", () => {
    const stat = new HostStat(100);
    const times = fc.array(
      fc.oneof(fc.nat(), fc.nat(9), fc.constant(Number.MAX_SAFE_INTEGER), fc.constant(2 ** 60)),
      { minLength: 5, maxLength: 12 },
    );
    const file = fc.record({
      all: times,
      cores: fc.array(fc.tuple(fc.nat(70_000), times), { maxLength: 40 }),
      interrupts: fc.array(fc.nat(), { maxLength: 50 }),
      running: fc.nat(),
      blocked: fc.nat(),
      soft: fc.array(fc.nat(), { minLength: 1, maxLength: 12 }),
    });
    fc.assert(
      fc.property(file, (each) => {
        const lines = [
          `cpu  ${each.all.join(" ")}`,
          ...each.cores.map(([core, of]) => `cpu${core} ${of.join(" ")}`),
          `intr ${each.interrupts.join(" ")}`,
          "ctxt 5",
          `procs_running ${each.running}`,
          `procs_blocked ${each.blocked}`,
          `softirq ${each.soft.join(" ")}`,
        ];
        const text = `${lines.join("\n")}\n`;
        expect(parse(stat, text)).toEqual(reference(text));
      }),
      fuzzSettings(600),
    );
  });

  test("bytes of any kind are never thrown at", () => {
    const stat = new HostStat(100);
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^cpu[ -~\n]*$/)), (text) => {
        const read = parse(stat, text.replaceAll(/[^\0-\xff]/g, "?"));
        for (const row of read?.rows ?? [])
          for (const us of row.timesUs) expect(us).toBeGreaterThanOrEqual(0);
      }),
      fuzzSettings(600),
    );
  });
});

describe("/proc/pressure/cpu, the time alone in which some wait", () => {
  const average = fc.integer({ min: 0, max: 10_000 }).map((hundredths) => (hundredths / 100).toFixed(2));
  const line = fc
    .tuple(average, average, average, fc.nat())
    .map(([a, b, c, total]) => `avg10=${a} avg60=${b} avg300=${c} total=${total}\n`);

  test("the same as read plainly, whatever was read before, and when cut off", () => {
    const stall = new SomeStall();
    fc.assert(
      fc.property(line, line, fc.nat(160), fc.boolean(), (some, full, length, whole) => {
        const text = `some ${some}full ${full}`.slice(0, whole ? undefined : length);
        const { bytes, length: end } = bytesOf(text);
        const found = stall.parse(bytes, end);
        const [right] = referencePressure(text);
        expect(found).toBe(right);
      }),
      fuzzSettings(600),
    );
  });
});
