/**
 * The readers over a /proc and a cgroup made of files: whatever stands in them, what is read is right or absent, and
 * nothing is thrown. PLIMSOLL_SEED=N plays a run again.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { STAT_FIELDS, Stat } from "../../src/core/parse/process-stat.ts";
import { MEMORY_COLUMNS, Mem } from "../../src/core/samples.ts";
import { CgroupPids } from "../../src/workers/common/pid-source.ts";
import { ownAncestry, readProcessStat } from "../../src/workers/common/target.ts";
import { CgroupMemoryReader } from "../../src/workers/sampler/memory/cgroup-reader.ts";
import { HostMemoryReader } from "../../src/workers/sampler/memory/host-reader.ts";
import { ProcessEntry, STATUS_FIELDS } from "../../src/workers/sampler/processes/process-entry.ts";
import { referenceKeyed, referencePressure, referenceStat } from "../support/references.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

let root = "";
beforeAll(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-fuzz-"));
});
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

function put(file: string, content: string | Uint8Array): void {
  const full = path.join(root, file);
  fs.mkdirSync(path.dirname(full), { recursive: true });
  fs.writeFileSync(full, typeof content === "string" ? Buffer.from(content, "latin1") : content);
}

const real = (file: string): string => fs.readFileSync(file, "latin1");
const MEMINFO = real("/proc/meminfo");
const VMSTAT = real("/proc/vmstat");
const STATUS = real("/proc/self/status");
const PRESSURE =
  "some avg10=0.00 avg60=0.00 avg300=0.00 total=39116\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1758\n";

const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each).toString("latin1"));

/** A real file cut off somewhere, with something put in, or anything at all. */
function spoilt(text: string): fc.Arbitrary<string> {
  const at = fc.nat({ max: text.length });
  return fc.oneof(
    at.map((length) => text.slice(0, length)),
    fc
      .tuple(at, fc.oneof(fc.constantFrom("\n", "-", " ", "99999999999999999999"), bytes))
      .map(([from, piece]) => {
        return text.slice(0, from) + piece + text.slice(from);
      }),
    bytes,
    fc.constant(""),
    fc.constant(text),
  );
}

/** Every figure is absent, or a number that a file could have meant. */
function expectFigures(frame: Float64Array): void {
  for (const value of frame.subarray(Mem.totalBytes)) expect(Number.isNaN(value) || value >= 0).toBe(true);
}

describe("memory of the host", () => {
  const COLUMNS: readonly (readonly [column: number, key: string])[] = [
    [Mem.freeBytes, "MemFree:"],
    [Mem.availableBytes, "MemAvailable:"],
    [Mem.anonBytes, "AnonPages:"],
    [Mem.swapFreeBytes, "SwapFree:"],
    [Mem.committedBytes, "Committed_AS:"],
  ];
  const KEYS = COLUMNS.map(([, key]) => key);
  const WHOLE = referenceKeyed(MEMINFO, KEYS, 1024);

  test("files that change under a held descriptor are read as the reference reads them", () => {
    put("proc/meminfo", MEMINFO);
    put("proc/vmstat", VMSTAT);
    put("proc/pressure/memory", PRESSURE);
    const reader = new HostMemoryReader(path.join(root, "proc"));
    const frame = new Float64Array(MEMORY_COLUMNS.length);
    fc.assert(
      fc.property(spoilt(MEMINFO), spoilt(VMSTAT), spoilt(PRESSURE), (meminfo, vmstat, pressure) => {
        put("proc/meminfo", meminfo);
        put("proc/vmstat", vmstat);
        put("proc/pressure/memory", pressure);
        reader.read(frame);
        expect(COLUMNS.map(([column]) => frame[column])).toEqual(referenceKeyed(meminfo, KEYS, 1024));
        expect(frame[Mem.oomKills]).toEqual(referenceKeyed(vmstat, ["oom_kill "], 1)[0]);
        expect([frame[Mem.someStallUs], frame[Mem.fullStallUs]]).toEqual(referencePressure(pressure));
        // Once it is whole again, so is what is read.
        put("proc/meminfo", MEMINFO);
        put("proc/vmstat", VMSTAT);
        reader.read(frame);
        expect(COLUMNS.map(([column]) => frame[column])).toEqual(WHOLE);
        expect(frame[Mem.oomKills]).toEqual(referenceKeyed(VMSTAT, ["oom_kill "], 1)[0]);
      }),
      { numRuns: 400 },
    );
    reader.close();
  });

  test("a file longer than expected is read whole", () => {
    put("long/meminfo", "Filler: 1 kB\n".repeat(3000) + MEMINFO);
    put("long/vmstat", VMSTAT);
    const reader = new HostMemoryReader(path.join(root, "long"));
    const frame = new Float64Array(MEMORY_COLUMNS.length);
    reader.read(frame);
    expect(frame[Mem.availableBytes]).toBe(referenceKeyed(MEMINFO, ["MemAvailable:"], 1024)[0]);
    expect(frame[Mem.fullStallUs]).toBeNaN();
    reader.close();
  });
});

describe("memory of a cgroup", () => {
  const amount = fc.oneof(
    fc.maxSafeNat().map((n) => `${n}\n`),
    fc.constantFrom("max\n", "9223372036854771712\n", "", "0\n", "12"),
    bytes,
  );
  const STAT_TEXT =
    "anon 4096\nfile 8192\ninactive_file 4096\nactive_file 4096\nslab_reclaimable 100\nshmem 0\n";

  test.each([
    [2, "memory.max", "memory.current"],
    [1, "memory.limit_in_bytes", "memory.usage_in_bytes"],
  ] as const)("v%i: any limits, usages and statistics", (version, limitFile, usageFile) => {
    const place = `v${version}`;
    put(`${place}/proc/meminfo`, MEMINFO);
    put(`${place}/proc/vmstat`, VMSTAT);
    const statText = version === 1 ? STAT_TEXT.replaceAll(/^/gm, "total_") : STAT_TEXT;
    const write = (limits: readonly string[], usage: string, stat: string): void => {
      for (const [i, directory] of ["a", "a/b"].entries()) {
        put(`${place}/cgroup/${directory}/${limitFile}`, limits[i] as string);
        put(`${place}/cgroup/${directory}/${usageFile}`, usage);
        put(`${place}/cgroup/${directory}/memory.stat`, stat);
      }
    };
    write(["max\n", "max\n"], "0\n", statText);
    const hierarchy = { version, root: path.join(root, place, "cgroup") };
    const reader = new CgroupMemoryReader(path.join(root, place, "proc"), hierarchy, "/a/b");
    const frame = new Float64Array(MEMORY_COLUMNS.length);
    let limited = 0;
    fc.assert(
      fc.property(amount, amount, amount, spoilt(statText), (outer, inner, usage, stat) => {
        write([outer, inner], usage, stat);
        reader.read(frame);
        expectFigures(frame);
        const limits = [outer, inner].map((text) => Number(/^(\d+)\n/.exec(text)?.[1] ?? Number.NaN));
        const total = frame[Mem.totalBytes] as number;
        if (!Number.isNaN(total)) {
          limited++;
          expect(limits.filter((limit) => Number.isSafeInteger(limit))).toContain(total);
        }
      }),
      { numRuns: 400 },
    );
    expect(limited).toBeGreaterThan(20);
    reader.close();
  });

  test("lists of processes: numbers are taken, everything else is not", () => {
    put("list/cgroup.procs", "");
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.nat({ max: 2 ** 22 }).map(String),
            bytes.map((text) => text.replaceAll("\n", "")),
          ),
        ),
        (lines) => {
          put("list/cgroup.procs", lines.join("\n"));
          const out = new Int32Array(64);
          const count = new CgroupPids(path.join(root, "list")).list(out);
          const plain = lines.filter((line) => /^[1-9]\d*$/.test(line)).map(Number);
          for (const pid of plain.slice(0, out.length))
            expect(count > out.length || out.includes(pid)).toBe(true);
          for (const pid of out.subarray(0, Math.min(count, out.length))) expect(pid).toBeGreaterThan(0);
        },
      ),
      { numRuns: 200 },
    );
    expect(new CgroupPids(path.join(root, "none")).list(new Int32Array(4))).toBe(0);
  });
});

describe("a process", () => {
  const REST = real("/proc/self/stat").replace(/^.*\)/s, "");
  const STATUS_KEYS = ["RssAnon:", "RssShmem:", "VmSwap:"];
  const WANTED = [4, 5, 6, 9, 12, 14, 15, 16, 17, 20, 22, 24];

  test("any stat, any status: what is read agrees with the reference, a name is what stands in it", () => {
    const name = fc.oneof(
      fc.constantFrom("a) R 1 (b", "", "x\ny", "\xff\xfe\x80", ") S 1 2 3 4 5 6", "(((((((((((((((", "a b"),
      fc.uint8Array({ maxLength: 15 }).map((each) => Buffer.from(each).toString("latin1")),
    );
    const stat = fc.oneof(
      name.map((text) => `77 (${text})${REST}`),
      name.chain((text) => spoilt(`77 (${text})${REST}`)),
    );
    let read = 0;
    fc.assert(
      fc.property(stat, spoilt(STATUS), bytes, (statText, status, score) => {
        put("proc/77/stat", statText);
        put("proc/77/oom_score_adj", score);
        const entry = new ProcessEntry(path.join(root, "proc"), 77);
        const out = new Float64Array(STAT_FIELDS);
        const there = entry.readStat(out, 0, true);
        const reference = referenceStat(statText, WANTED);
        if (reference !== null) {
          expect(there).toBe(true);
          expect(out[Stat.startTicks]).toBe(reference.get(22));
          expect(out[Stat.residentPages]).toBe(reference.get(24));
          const text = statText.slice(statText.indexOf("(") + 1, statText.lastIndexOf(")"));
          expect(entry.name).toBe(Buffer.from(text, "latin1").subarray(0, 64).toString("utf8"));
        }
        if (there) read++;
        const figures = new Float64Array(STATUS_FIELDS);
        for (const each of [status, STATUS]) {
          put("proc/77/status", each);
          expect(entry.readMemory(figures)).toBe(each.length > 0);
          if (each.length > 0) expect([...figures]).toEqual(referenceKeyed(each, STATUS_KEYS, 1024));
        }
        const adj = entry.readOomScoreAdj();
        expect(Number.isNaN(adj) || Number.isSafeInteger(adj)).toBe(true);
        entry.close();
      }),
      { numRuns: 600 },
    );
    expect(read).toBeGreaterThan(100);
  });

  test("one that is gone, or has no file, is gone", () => {
    const proc = path.join(root, "proc");
    const entry = new ProcessEntry(proc, 4242);
    expect(entry.readStat(new Float64Array(STAT_FIELDS), 0, true)).toBe(false);
    expect(entry.readMemory(new Float64Array(STATUS_FIELDS))).toBe(false);
    expect(entry.readOomScoreAdj()).toBeNaN();
    entry.close();
    expect(readProcessStat(proc, 4242)).toBeNull();
  });

  test("ancestors in a circle, as a racy look may find them, end", () => {
    for (const [pid, parent] of [
      [81, 82],
      [82, 83],
      [83, 81],
    ]) {
      put(`proc/${pid}/stat`, `${pid} (x)${REST.replace(/^ (.) -?\d+/, ` $1 ${parent}`)}`);
    }
    expect([...ownAncestry(path.join(root, "proc"), 81)]).toEqual([81, 82, 83]);
  });
});
