/**
 * /proc/diskstats, io.stat and blkio files as they are, cut off anywhere, and as no kernel writes them: read right or
 * left out, never thrown, never a wrong number. PLIMSOLL_SEED=N plays a run again.
 */
import fs from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { joinBlkio, parseBlkio, parseIoStat } from "../../src/core/parse/cgroup-io.ts";
import { DISK_FIELDS, Disk, deviceNumber } from "../../src/core/parse/diskstats.ts";
import { type DiskLine, DiskLines } from "../../src/workers/sampler/host/disk-lines.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const settings = fuzzSettings(400);

const buffer = Buffer.alloc(16 * 1024);

/** In a buffer that is used again and again, with stale bytes behind them. */
function bytesOf(text: string): { bytes: Uint8Array; length: number } {
  const bytes = buffer.fill("9 1 8:0 rbytes=7\n 8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n");
  bytes.write(text, 0, "latin1");
  return { bytes, length: text.length };
}

type Row = readonly [name: string, values: readonly number[]];

function walk(lines: DiskLines, text: string): Row[] {
  const { bytes, length } = bytesOf(text);
  const rows: Row[] = [];
  lines.walk(bytes, length, ({ name }: DiskLine, values) => rows.push([name, [...values]]));
  return rows;
}

/** The same in the plainest way: a line is words. */
function plainly(text: string): Row[] {
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  return whole.split("\n").flatMap((line): Row[] => {
    const words = line.split(" ").filter(Boolean);
    const [major, minor, name = "", ...numbers] = words;
    const counts = numbers.map(Number);
    if (counts.length < 11 || (counts[0] ?? 0) + (counts[4] ?? 0) === 0) return [];
    const n = (i: number): number => counts[i] as number;
    const values = Array.from<number>({ length: DISK_FIELDS }).fill(0);
    values[Disk.device] = deviceNumber(Number(major), Number(minor));
    values[Disk.reads] = n(0);
    values[Disk.readBytes] = n(2) * 512;
    values[Disk.readUs] = n(3) * 1000;
    values[Disk.writes] = n(4);
    values[Disk.writtenBytes] = n(6) * 512;
    values[Disk.writeUs] = n(7) * 1000;
    values[Disk.inFlight] = n(8);
    values[Disk.busyUs] = n(9) * 1000;
    values[Disk.weightedUs] = n(10) * 1000;
    return [[name, values]];
  });
}

function expectSame(found: readonly Row[], right: readonly Row[]): void {
  const parts = (rows: readonly Row[]) =>
    rows.map(([name, values]) => [name, values.filter((_, i) => i !== Disk.nameFrom && i !== Disk.nameTo)]);
  expect(parts(found)).toEqual(parts(right));
}

const word = fc.stringMatching(/^[a-z][a-z0-9!-]{0,11}$/);
const count = fc.oneof(fc.nat(20), fc.integer({ min: 0, max: 2 ** 43 }));
const diskLine = fc
  .record({
    major: fc.integer({ min: 1, max: 511 }),
    minor: fc.nat(1_048_575),
    name: word,
    // What kernels of three generations write after the name.
    numbers: fc
      .constantFrom(11, 15, 17)
      .chain((length) => fc.array(count, { minLength: length, maxLength: length })),
  })
  .map(({ major, minor, name, numbers }) => {
    const head = `${String(major).padStart(4)} ${String(minor).padStart(7)} ${name}`;
    return `${head} ${numbers.join(" ")}\n`;
  });
const distinct = fc.uniqueArray(diskLine, {
  maxLength: 12,
  selector: (line) => line.split(" ").filter(Boolean).slice(0, 3).join(" "),
});
const everything = (): DiskLines => new DiskLines(() => true);

test("diskstats of any kernel, in any order, with devices that come and go", () => {
  fc.assert(
    fc.property(fc.array(distinct, { minLength: 1, maxLength: 4 }), (files) => {
      const lines = everything();
      for (const file of files) {
        const text = file.join("");
        expectSame(walk(lines, text), plainly(text));
        lines.takeGone();
      }
    }),
    settings,
  );
});

test("diskstats that is cut off has its whole lines and no other", () => {
  fc.assert(
    fc.property(distinct, fc.nat(4000), (file, at) => {
      const text = file.join("").slice(0, at);
      const lines = everything();
      // Known from before, or seen for the first time.
      for (const times of [1, 2]) {
        const right = plainly(text);
        const found = walk(lines, text);
        // Of the last line all that is wanted may be there, though its end is not.
        expectSame(found.slice(0, right.length), right);
        expect(found.length, `look ${times}`).toBeLessThanOrEqual(right.length + 1);
        const whole = plainly(file.join(""));
        expectSame(found, whole.slice(0, found.length));
      }
    }),
    settings,
  );
});

test("bytes that are no diskstats, no io.stat and no blkio file are read without a fault", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      const lines = everything();
      lines.walk(bytes, bytes.length, (_, values) => expect(values[Disk.device]).toBeGreaterThanOrEqual(0));
      lines.takeGone();
      for (const each of [...parseIoStat(bytes, bytes.length), ...parseBlkio(bytes, bytes.length)]) {
        expect(Object.values(each).every(Number.isSafeInteger)).toBe(true);
      }
    }),
    settings,
  );
});

test("this host's diskstats", () => {
  const text = fs.readFileSync("/proc/diskstats", "latin1");
  expectSame(walk(everything(), text), plainly(text));
});

const counters = fc.record({
  device: fc.tuple(fc.nat(511), fc.nat(1_048_575)).map(([major, minor]) => `${major}:${minor}`),
  read: count,
  written: count,
  reads: count,
  writes: count,
});
const devices = fc.uniqueArray(counters, { maxLength: 8, selector: ({ device }) => device });

const numberOf = (device: string): number => {
  const [major, minor] = device.split(":").map(Number);
  return deviceNumber(major as number, minor as number);
};
type Counted = typeof counters extends fc.Arbitrary<infer T> ? T : never;
const asRead = (all: readonly Counted[]) =>
  all.map(({ device, read, written, reads, writes }) => ({
    device: numberOf(device),
    readBytes: read,
    writtenBytes: written,
    reads,
    writes,
  }));

test("io.stat, with words that are not asked for, and cut off", () => {
  fc.assert(
    fc.property(devices, fc.boolean(), fc.nat(1500), (all, more, at) => {
      const lines = all.map(({ device, read, written, reads, writes }) => {
        const rest = more ? " dbytes=4 dios=1 cost.usage=9" : "";
        return `${device} rbytes=${read} wbytes=${written} rios=${reads} wios=${writes}${rest}\n`;
      });
      const text = `250:7 \n${lines.join("")}`;
      const { bytes, length } = bytesOf(text);
      expect(parseIoStat(bytes, length)).toEqual(asRead(all));
      const cut = bytesOf(text.slice(0, at));
      const found = parseIoStat(cut.bytes, cut.length);
      expect(found).toEqual(asRead(all).slice(0, found.length));
    }),
    settings,
  );
});

test("blkio files, both whole or one of them cut off", () => {
  fc.assert(
    fc.property(devices, fc.nat(2000), (all, at) => {
      const file = (read: "read" | "reads", write: "written" | "writes"): string =>
        `${all
          .map((each) => {
            const kinds = { Read: each[read], Write: each[write], Sync: 1, Async: 2, Discard: 0, Total: 3 };
            return Object.entries(kinds)
              .map(([kind, value]) => `${each.device} ${kind} ${value}\n`)
              .join("");
          })
          .join("")}Total 12\n`;
      const of = (text: string) => {
        const { bytes, length } = bytesOf(text);
        return parseBlkio(bytes, length);
      };
      const bytesFile = of(file("read", "written"));
      expect(joinBlkio(bytesFile, of(file("reads", "writes")))).toEqual(asRead(all));
      const cut = joinBlkio(bytesFile, of(file("reads", "writes").slice(0, at)));
      expect(cut).toEqual(asRead(all).slice(0, cut.length));
    }),
    settings,
  );
});
