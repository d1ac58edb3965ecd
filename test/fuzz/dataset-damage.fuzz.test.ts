/** Datasets that a disk, a crash or somebody has damaged: reading never throws, loses only what was hit, and says so. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { CGROUPS_FILE } from "../../src/core/dataset/cgroup-lines.ts";
import { MANIFEST_FILE } from "../../src/core/dataset/manifest.ts";
import { Fault } from "../../src/core/fault.ts";
import { openDataset } from "../../src/workers/common/dataset-reader.ts";
import { DatasetWriter } from "../../src/workers/dataset/dataset-writer.ts";
import { beginDataset, Producer, readRows, rowOf } from "../support/dataset.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const ROWS = 400;
const ROWS_PER_FLUSH = 25;
const FILE = "detail-000001.arrow";

const home = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-test-damage-"));
afterAll(() => fs.rmSync(home, { recursive: true, force: true }));
const directory = path.join(home, "set");
record();
const whole = fs.readFileSync(path.join(directory, FILE));
const extents = batchExtents(whole);

function record(): void {
  const producer = new Producer(64, 4);
  const writer = new DatasetWriter(beginDataset(directory), producer.rings);
  for (let number = 1; number < 6; number++) {
    const appeared = [{ number, path: `/g${number}`, inode: number, onlyAncestor: false }];
    writer.takeCgroups({ type: "cgroups", appeared, gone: [] }, number);
  }
  for (let i = 0; i < ROWS; i++) {
    producer.append("detail", rowOf("detail", i));
    if (i % ROWS_PER_FLUSH !== ROWS_PER_FLUSH - 1) continue;
    producer.writers.detail.seal();
    writer.flush(i, 0);
  }
  expect(writer.finish(ROWS, 0, new Date(0).toISOString())).toBeNull();
}

/** Where each message after the schema begins and ends: by prefix and bodyLength alone, without our reader. */
function batchExtents(bytes: Buffer): { readonly from: number; readonly to: number }[] {
  const starts: number[] = [];
  for (let at = 0; at < bytes.length; at += 8) {
    const metadataBytes = bytes.readUInt32LE(at + 4);
    if (bytes.readUInt32LE(at) === 0xffffffff && metadataBytes > 0 && metadataBytes < 8192) starts.push(at);
  }
  const messages = starts.map((from, i) => ({ from, to: starts[i + 1] ?? bytes.length - 8 }));
  return messages.slice(1);
}

/** Reads what is left; checks that each row is one that was written, in order. @returns their numbers */
function read(damaged: Uint8Array): { readonly found: Set<number>; readonly losses: readonly string[] } {
  fs.writeFileSync(path.join(directory, FILE), damaged);
  const dataset = openDataset(directory);
  const found = new Set<number>();
  let last = -1;
  for (const row of readRows(dataset, "detail")) {
    const i = ((row[0] as number) - 1e9) / 1000;
    // Compared here, as so many calls of expect would take minutes.
    if (!(i > last) || !sameRow(row, rowOf("detail", i)))
      expect([last, row]).toEqual([i - 1, rowOf("detail", i)]);
    found.add(i);
    last = i;
  }
  for (const { file, offsetBytes } of dataset.losses) {
    expect(file).toBe(FILE);
    expect(offsetBytes).toBeGreaterThanOrEqual(0);
    expect(offsetBytes).toBeLessThanOrEqual(whole.length);
  }
  return { found, losses: dataset.losses.map(({ what }) => what) };
}

function sameRow(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
}

/** All rows of batches that lie outside of [from, to) are there; if any row is not, a loss is named. */
function expectRest(damaged: Uint8Array, from: number, to: number): void {
  const { found, losses } = read(damaged);
  for (const [batch, extent] of extents.entries()) {
    if (extent.to > from && extent.from < to) continue;
    for (let i = batch * ROWS_PER_FLUSH; i < (batch + 1) * ROWS_PER_FLUSH; i++) {
      if (!found.has(i)) expect.fail(`row ${i} is lost by damage at ${from} to ${to}`);
    }
  }
  if (found.size < ROWS) expect(losses.length).toBeGreaterThan(0);
}

test("the undamaged dataset has a batch a flush, and no loss", () => {
  expect(extents.length).toBe(ROWS / ROWS_PER_FLUSH);
  const { found, losses } = read(whole);
  expect(found.size).toBe(ROWS);
  expect(losses).toEqual([]);
});

test("cut off anywhere", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: whole.length }), (length) => {
      expectRest(whole.subarray(0, length), length, whole.length);
    }),
    fuzzSettings(),
  );
});

test("a bit turned anywhere", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: whole.length - 1 }), fc.integer({ min: 0, max: 7 }), (at, bit) => {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] as number) ^ (1 << bit);
      expectRest(damaged, at, at + 1);
    }),
    fuzzSettings(600),
  );
});

test("a bit turned in what describes a batch", () => {
  const described = extents.flatMap(({ from }) => Array.from({ length: 1500 }, (_, i) => from + i));
  fc.assert(
    fc.property(fc.constantFrom(...described), fc.integer({ min: 0, max: 7 }), (at, bit) => {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] as number) ^ (1 << bit);
      expectRest(damaged, at, at + 1);
    }),
    fuzzSettings(600),
  );
});

test("a stretch overwritten: by zeros, by ones, by another part of the file", () => {
  fc.assert(
    fc.property(
      fc.nat({ max: whole.length - 1 }),
      fc.integer({ min: 1, max: 5000 }),
      fc.constantFrom(0, 0xff, null),
      fc.nat({ max: whole.length - 1 }),
      (from, length, filling, other) => {
        const to = Math.min(whole.length, from + length);
        const damaged = Buffer.from(whole);
        if (filling === null) whole.copy(damaged, from, other, Math.min(whole.length, other + to - from));
        else damaged.fill(filling, from, to);
        // Copied over, a batch may stand in the file twice; then it is read twice, out of order: not this test's matter.
        if (
          filling === null &&
          extents.some((extent) => extent.from >= other && extent.to <= other + to - from)
        )
          return;
        expectRest(damaged, from, to);
      },
    ),
    fuzzSettings(),
  );
});

test("bytes left out in the middle: the rest is found again when it lies at multiples of 8", () => {
  fc.assert(
    fc.property(fc.nat({ max: whole.length - 1 }), fc.integer({ min: 1, max: 300 }), (at, words) => {
      const from = at - (at % 8);
      const to = Math.min(whole.length, from + words * 8);
      expectRest(Buffer.concat([whole.subarray(0, from), whole.subarray(to)]), from, to);
    }),
    fuzzSettings(),
  );
});

test("a file that is missing, or not there at all", () => {
  fs.rmSync(path.join(directory, FILE));
  const dataset = openDataset(directory);
  expect(readRows(dataset, "detail")).toEqual([]);
  expect(dataset.losses.map(({ file }) => file)).toEqual([FILE]);
});

test("lines about cgroups: those that are whole are read, the others named", () => {
  fs.writeFileSync(path.join(directory, FILE), whole);
  const file = path.join(directory, CGROUPS_FILE);
  const lines = fs.readFileSync(file);
  fc.assert(
    fc.property(fc.nat({ max: lines.length - 1 }), fc.integer({ min: 0, max: 255 }), (at, byte) => {
      const damaged = Buffer.from(lines);
      damaged[at] = byte;
      fs.writeFileSync(file, damaged);
      const { cgroups, losses } = openDataset(directory);
      const hit = lines.subarray(0, at).filter((each) => each === 10).length + 1;
      for (let number = 1; number < 6; number++) {
        // A newline that is gone takes the next line along; another number may be another line's.
        if (number === hit || (lines[at] === 10 && number === hit + 1)) continue;
        const found = cgroups.get(number);
        if (found?.path === `/g${hit}`) expect(losses.length).toBeGreaterThan(0);
        else expect(found).toMatchObject({ path: `/g${number}`, inode: number });
      }
      if (cgroups.size < 5) expect(losses.length).toBeGreaterThan(0);
    }),
    fuzzSettings(),
  );
  fs.writeFileSync(file, lines);
});

test("a manifest that says nothing sensible is refused in words", () => {
  const file = path.join(directory, MANIFEST_FILE);
  const text = fs.readFileSync(file);
  const refused = (bytes: Uint8Array): void => {
    fs.writeFileSync(file, bytes);
    try {
      openDataset(directory);
    } catch (error) {
      expect(error).toBeInstanceOf(Fault);
      expect((error as Error).message).toMatch(/expected .* found /s);
    }
  };
  fc.assert(
    fc.property(fc.nat({ max: text.length - 1 }), fc.integer({ min: 0, max: 255 }), (at, byte) => {
      const damaged = Buffer.from(text);
      damaged[at] = byte;
      refused(damaged);
    }),
    fuzzSettings(),
  );
  fc.assert(
    fc.property(fc.json(), (json) => refused(Buffer.from(json))),
    fuzzSettings(),
  );
  expect(() => openDataset(path.join(home, "nowhere"))).toThrow(Fault);
});
