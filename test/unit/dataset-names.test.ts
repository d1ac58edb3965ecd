/** What the numbers in a dataset's tables mean, from when on; and manifests of before there was a choice of tables. */
import fs from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatManifest, newManifest, parseManifest, withClock } from "../../src/core/dataset/manifest.ts";
import { nameGoneLine, nameLine, parseNameLines } from "../../src/core/dataset/name-lines.ts";
import {
  forEachTable,
  parseSegmentFile,
  RECORDABLE,
  segmentFile,
  TABLE_NAMES,
  tablesOf,
} from "../../src/core/dataset/tables.ts";
import type { NamedThing } from "../../src/core/resources/resource.ts";
import { openDataset } from "../../src/workers/common/dataset-reader.ts";
import { DatasetWriter } from "../../src/workers/dataset/dataset-writer.ts";
import { NameLog } from "../../src/workers/dataset/name-log.ts";
import { beginDataset, Producer } from "../support/dataset.ts";
import { fuzzSettings } from "../support/fuzz.ts";
import { testDirectory } from "../support/guard.ts";

const named = (number: number, name: string, about: Record<string, string> = {}): NamedThing => {
  return { number, name, about };
};

describe("names by number and time", () => {
  test("a number that is used again means another thing from then on", (context) => {
    const file = path.join(testDirectory(context), "names.jsonl");
    const log = new NameLog(file);
    log.take({ type: "names", resource: "net", atUs: 1000.5, appeared: [named(2, "eth0")], gone: [] }, 9e9);
    log.take({ type: "names", resource: "net", appeared: [named(2, "eth0")], gone: [7] }, 1500);
    log.take({ type: "names", resource: "net", appeared: [named(2, "lan0")], gone: [] }, 2000);
    log.take({ type: "names", resource: "net", appeared: [], gone: [2] }, 3000);
    log.take({ type: "names", resource: "net", appeared: [named(2, "veth9", { a: "b" })], gone: [] }, 4000);
    log.take({ type: "names", resource: "io", appeared: [named(2, "sda")], gone: [] }, 4000);
    expect(log.close()).toBeNull();
    const text = fs.readFileSync(file, "utf8");
    // What was known was not told again, nor that somebody is gone who was never there.
    expect(
      text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as object),
    ).toEqual([
      { timeUs: 1000, resource: "net", number: 2, name: "eth0", about: {} },
      { timeUs: 2000, resource: "net", number: 2, name: "lan0", about: {} },
      { timeUs: 3000, resource: "net", number: 2, gone: true },
      { timeUs: 4000, resource: "net", number: 2, name: "veth9", about: { a: "b" } },
      { timeUs: 4000, resource: "io", number: 2, name: "sda", about: {} },
    ]);
    const { names, bad } = parseNameLines(Buffer.from(text));
    expect(bad).toEqual([]);
    const at = (timeUs: number): string | undefined => names.at("net", 2, timeUs)?.name;
    expect([0, 999, 1000, 1999].map(at)).toEqual(["eth0", "eth0", "eth0", "eth0"]);
    expect([2000, 2999, 3000, 3999].map(at)).toEqual(["lan0", "lan0", "lan0", "lan0"]);
    expect([4000, 1e12].map(at)).toEqual(["veth9", "veth9"]);
    expect(names.at("io", 2, 0)?.name).toBe("sda");
    expect(names.at("disk", 2, 5000)).toBeNull();
  });

  test("a new life of the writer goes on where the old one failed, in the middle of a line", (context) => {
    const file = path.join(testDirectory(context), "names.jsonl");
    const first = new NameLog(file);
    first.take({ type: "names", resource: "io", appeared: [named(1, "a"), named(2, "b")], gone: [] }, 10);
    expect(first.flush()).toBeNull();
    fs.appendFileSync(file, '{"timeUs":5,"resource":"io","numb');
    const second = new NameLog(file);
    second.take({ type: "names", resource: "io", appeared: [named(1, "a"), named(2, "c")], gone: [] }, 20);
    expect(second.close()).toBeNull();
    const { names, bad } = parseNameLines(fs.readFileSync(file));
    expect(bad).toEqual([]);
    expect([names.at("io", 1, 30)?.timeUs, names.at("io", 2, 30)?.name]).toEqual([10, "c"]);
    expect(names.of("io").length).toBe(3);
  });

  test("what comes and goes leaves nothing in memory", (context) => {
    const file = path.join(testDirectory(context), "names.jsonl");
    const log = new NameLog(file);
    for (let i = 0; i < 2000; i++)
      log.take(
        { type: "names", resource: "net", appeared: [named(i, `veth${i}`)], gone: i === 0 ? [] : [i - 1] },
        i,
      );
    expect(log.present).toBe(1);
    expect(log.close()).toBeNull();
    const { names } = parseNameLines(fs.readFileSync(file));
    expect(names.last("net", 1998)?.gone).toBe(true);
    expect(names.last("net", 1999)?.gone).toBe(false);
  });

  test("whatever names are, they come back", () => {
    const things = fc.record({
      number: fc.nat(),
      name: fc.string({ unit: "binary" }),
      about: fc.dictionary(fc.string(), fc.string()),
    });
    fc.assert(
      fc.property(fc.array(things, { maxLength: 5 }), (all) => {
        const text = all.map((thing) => nameLine(thing, "disk", 5)).join("");
        const { names, bad } = parseNameLines(Buffer.from(text));
        expect(bad).toEqual([]);
        for (const thing of all) {
          const last = all.findLast(({ number }) => number === thing.number);
          expect(names.last("disk", thing.number)).toMatchObject({ name: last?.name });
        }
      }),
      fuzzSettings(),
    );
  });

  test("lines that are none are named, and the rest is read", () => {
    const good = nameLine(named(1, "a"), "io", 5);
    const garbage = fc.oneof(
      fc.string().map((text) => text.replaceAll("\n", " ")),
      fc.json(),
      fc.constantFrom(
        '{"timeUs":1,"resource":"io","number":9,"gone":true}',
        '{"timeUs":1,"resource":"tape","number":9,"name":"a","about":{}}',
        '{"timeUs":1,"resource":"io","number":9,"name":"a","about":{"a":1}}',
        '{"timeUs":1,"resource":"io","number":9,"name":"a"}',
      ),
    );
    fc.assert(
      fc.property(fc.array(garbage, { maxLength: 4 }), (lines) => {
        const text = `${lines.map((line) => `${line}\n`).join("")}${good}{"timeUs":1,"res`;
        const { names, bad } = parseNameLines(Buffer.from(text));
        expect(names.at("io", 1, 9)?.name).toBe("a");
        expect(bad.length).toBe(lines.length + 1);
        expect(bad.at(-1)?.what).toMatch(/cut off/);
      }),
      fuzzSettings(),
    );
    expect(parseNameLines(Buffer.from(good + nameGoneLine(1, "io", 6))).bad).toEqual([]);
  });
});

/** As the first version wrote it. */
const OLD = {
  format: "plimsoll-dataset",
  schemaVersion: 1,
  programVersion: "0.1.0",
  host: "host",
  kernel: "6.18.0",
  bootId: null,
  cgroupVersion: 1,
  clock: { name: "CLOCK_MONOTONIC", anchorMonotonicUs: 1, anchorWallMs: 1 },
  intervalMs: 1000,
  statEvery: 5,
  patterns: ["/**"],
  startedAt: new Date(0).toISOString(),
  endedAt: null,
  complete: false,
  missedTicks: 0,
  lostRows: { usage: 3, detail: 0, host: 0 },
  segments: [{ file: "usage-000001.arrow", table: "usage", rows: 5, bytes: 100 }],
};

describe("manifests", () => {
  test("say when the wall clock was found changed, by a second or more, and not again while it stays so", () => {
    const parsed = parseManifest(JSON.stringify(OLD));
    if (!parsed.ok) throw new Error("it is a manifest");
    const at = (
      seconds: number,
      offMs: number,
    ): { readonly monotonicUs: number; readonly wallMs: number } => ({
      monotonicUs: 1 + seconds * 1e6,
      wallMs: 1 + seconds * 1000 + offMs,
    });
    const seen = [at(1, 999), at(2, 3_600_000), at(3, 3_600_500), at(4, -5000), at(5, -5000)];
    const manifest = seen.reduce((before, now) => withClock(before, now), parsed.value);
    expect(manifest.clockChanges).toEqual([at(2, 3_600_000), at(4, -5000)]);
    expect(parseManifest(JSON.stringify(manifest))).toEqual({ ok: true, value: manifest });
  });

  test("of before there was a choice are read, with what they leave unsaid", () => {
    const parsed = parseManifest(JSON.stringify(OLD));
    expect(parsed.ok && parsed.value).toEqual({
      ...OLD,
      resources: ["cgroups", "memory"],
      intervalsMs: {},
      clockChanges: [],
      zone: null,
      lostRows: { ...forEachTable(() => 0), usage: 3 },
      removedRows: forEachTable(() => 0),
      auditPath: null,
    });
  });

  test("of now come back as they were written, and say it in a reader's order", () => {
    const { format, schemaVersion, endedAt, complete, missedTicks, lostRows, segments, ...start } = OLD;
    expect([format, schemaVersion, endedAt, complete, missedTicks, lostRows, segments].length).toBe(7);
    const manifest = newManifest({
      ...start,
      cgroupVersion: null,
      clock: { ...OLD.clock, name: "CLOCK_MONOTONIC" },
      resources: ["cpu", "disk"],
      intervalsMs: { disk: 5000 },
    });
    const parsed = parseManifest(formatManifest(manifest));
    expect(parsed).toEqual({ ok: true, value: manifest });
    expect(Object.keys(manifest).slice(0, 2)).toEqual(["format", "schemaVersion"]);
  });

  test.each([
    [{ resources: ["cpu", "tape"] }],
    [{ resources: "cpu" }],
    [{ intervalsMs: { disk: "5s" } }],
    [{ lostRows: { usage: -1 } }],
    [{ cgroupVersion: 3 }],
  ])("with %j are refused", (change) => {
    const parsed = parseManifest(JSON.stringify({ ...OLD, ...change }));
    expect(parsed.ok).toBe(false);
    expect(!parsed.ok && parsed.found).toContain(Object.keys(change)[0]);
  });
});

test("tables of what is recorded, in their order; names of their files", () => {
  expect(tablesOf(["vm", "cgroups"])).toEqual(["usage", "detail", "vm"]);
  expect(tablesOf(RECORDABLE)).toEqual([...TABLE_NAMES]);
  for (const table of TABLE_NAMES)
    expect(parseSegmentFile(segmentFile(table, 1234567))).toEqual({ table, number: 1234567 });
  expect(parseSegmentFile("tape-000001.arrow")).toBeNull();
  expect(parseSegmentFile("names.jsonl")).toBeNull();
});

test("a table that is not recorded has no file, and loses nothing, whatever its ring holds", (context) => {
  const directory = path.join(testDirectory(context), "set");
  const producer = new Producer(16, 4);
  beginDataset(directory, ["cpu"]);
  const writer = new DatasetWriter(directory, producer.rings);
  for (let i = 0; i < 500; i++) {
    producer.append(
      "cpu",
      Array.from({ length: 13 }, () => i),
    );
    producer.append(
      "io",
      Array.from({ length: 13 }, () => i),
    );
    if (i % 10 === 0) expect(writer.flush(i * 1000, 0)).toBeNull();
  }
  expect(writer.finish(1e6, 0, new Date(0).toISOString())).toBeNull();
  const { manifest, files } = openDataset(directory);
  expect(files).toEqual({ ...forEachTable(() => []), cpu: ["cpu-000001.arrow"] });
  expect(manifest.lostRows).toEqual(forEachTable(() => 0));
  expect(writer.written.rows).toEqual({ ...forEachTable(() => 0), cpu: 500 });
});
