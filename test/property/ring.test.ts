/** The ring against a plain list of rows, and against a writer at full speed. PLIMSOLL_SEED=N plays a run again. */
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Column, RingShape } from "../../src/core/ring/layout.ts";
import { RingReader } from "../../src/core/ring/reader.ts";
import { createRing } from "../../src/core/ring/views.ts";
import { RingWriter } from "../../src/core/ring/writer.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

const COLUMNS: readonly Column[] = [
  { name: "countBytes", type: "uint64", nullable: true },
  { name: "delta", type: "int32", nullable: true },
  { name: "share", type: "float64", nullable: true },
];

/** What a column gives back of what was put in; NaN for null. */
function kept(value: number, type: Column["type"]): number {
  if (type === "float64") return value;
  if (type === "int32") return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? value + 0 : Number.NaN;
  return value >= 0 && value <= Number.MAX_SAFE_INTEGER ? Math.trunc(value) + 0 : Number.NaN;
}

const value = fc.oneof(
  fc.constantFrom(Number.NaN, 0, 1, -1, 2 ** 31 - 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53, Infinity, -Infinity, 0.5),
  fc.maxSafeNat(),
  fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 - 1 }),
  fc.double({ noNaN: true }),
);
const command = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(value, value, value).map((row) => ({ type: "append" as const, row })) },
  { weight: 1, arbitrary: fc.constant({ type: "seal" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "restart" as const }) },
  { weight: 3, arbitrary: fc.nat({ max: 5 }).map((count) => ({ type: "read" as const, count })) },
  { weight: 1, arbitrary: fc.constant({ type: "newest" as const }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

/** What a ring is to its users: a list of rows, of which all but the last few segments are gone. */
class Model {
  readonly #shape: RingShape;
  readonly #rows: { readonly row: readonly number[]; readonly segment: number }[] = [];
  #segment = 0;
  #inSegment = 0;
  #read = 0;
  lost = 0;

  constructor(shape: RingShape) {
    this.#shape = shape;
  }

  append(row: readonly number[]): void {
    if (this.#inSegment === this.#shape.rowsPerSegment) this.seal();
    this.#rows.push({
      row: row.map((each, i) => kept(each, (COLUMNS[i] as Column).type)),
      segment: this.#segment,
    });
    this.#inSegment++;
  }

  seal(): void {
    this.#segment++;
    this.#inSegment = 0;
  }

  next(): readonly number[] | null {
    const oldest = this.#segment - this.#shape.segments + 1;
    while ((this.#rows[this.#read]?.segment ?? oldest) < oldest) {
      this.#read++;
      this.lost++;
    }
    return this.#rows[this.#read++]?.row ?? (this.#read--, null);
  }
}

function play(shape: RingShape, commands: readonly Command[]): void {
  const ring = createRing(shape);
  let writer = new RingWriter(ring);
  const reader = new RingReader(ring);
  const model = new Model(shape);
  const frame = new Float64Array(COLUMNS.length);
  for (const each of commands) {
    switch (each.type) {
      case "append":
        writer.append(Float64Array.from(each.row));
        model.append(each.row);
        break;
      case "seal":
        writer.seal();
        model.seal();
        break;
      case "restart":
        writer = new RingWriter(ring);
        break;
      case "read":
        for (let i = 0; i < each.count; i++) {
          const expected = model.next();
          expect(reader.next(frame)).toBe(expected !== null);
          if (expected !== null) expect([...frame]).toEqual(expected);
        }
        break;
      case "newest": {
        let last: readonly number[] | null = null;
        for (let row = model.next(); row !== null; row = model.next()) last = row;
        expect(reader.newest(frame)).toBe(last !== null);
        if (last !== null) expect([...frame]).toEqual(last);
      }
    }
    if (each.type === "read" || each.type === "newest") expect(reader.lostRows).toBe(model.lost);
  }
}

describe("a ring is a list of rows that forgets its oldest segments", () => {
  test("whatever is written, sealed, read and restarted, in any order", () => {
    const shape = fc.record({
      rowsPerSegment: fc.integer({ min: 1, max: 9 }),
      segments: fc.integer({ min: 2, max: 4 }),
    });
    fc.assert(
      fc.property(shape, fc.array(command, { maxLength: 120, size: "max" }), (size, commands) => {
        play({ ...size, columns: COLUMNS }, commands);
      }),
      { numRuns: 1000 },
    );
  });

  test("a shape of no use, or another's memory, is refused", () => {
    const shape = { columns: COLUMNS, rowsPerSegment: 4, segments: 2 };
    for (const wrong of [{ segments: 1 }, { rowsPerSegment: 0 }, { columns: [] }]) {
      expect(() => createRing({ ...shape, ...wrong })).toThrow(RangeError);
    }
    const { memory } = createRing(shape);
    expect(() => new RingReader({ shape: { ...shape, segments: 3 }, memory })).toThrow(RangeError);
  });
});

/** A thread that writes rows as fast as it can: all columns of a row come from its number. */
const WRITER = `
  const { parentPort, workerData } = require("node:worker_threads");
  import(workerData.module).then(({ RingWriter }) => {
    const writer = new RingWriter(workerData.ring);
    const stop = new Int32Array(workerData.stop);
    const frame = new Float64Array(3);
    let n = 0;
    while (Atomics.load(stop, 0) === 0) {
      n++;
      frame[0] = n * 4096;
      frame[1] = n % 3 === 0 ? NaN : -n;
      frame[2] = n % 5 === 0 ? NaN : n / 2;
      writer.append(frame);
      if (n % workerData.sealEvery === 0) writer.seal();
    }
    parentPort.postMessage(n);
  });
`;

describe("beside a writer at full speed", () => {
  test.each([
    { rowsPerSegment: 3, segments: 2, sealEvery: 7 },
    { rowsPerSegment: 64, segments: 3, sealEvery: 1_000_000_000 },
    { rowsPerSegment: 4096, segments: 8, sealEvery: 1000 },
  ])("no row is torn, each is read once or counted as lost: $rowsPerSegment x $segments", async (shape) => {
    const ring = createRing({ ...shape, columns: COLUMNS });
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const module = new URL("../../dist/src/core/ring/writer.js", import.meta.url).href;
    const reader = new RingReader(ring);
    const worker = new Worker(WRITER, {
      eval: true,
      workerData: { module, ring, stop: stop.buffer, sealEvery: shape.sealEvery },
    });
    const written = new Promise<number>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    const frame = new Float64Array(COLUMNS.length);
    let last = 0;
    let read = 0;
    let torn = 0;
    const take = (): void => {
      const n = (frame[0] as number) / 4096;
      const whole =
        Object.is(frame[1], n % 3 === 0 ? Number.NaN : -n) &&
        Object.is(frame[2], n % 5 === 0 ? Number.NaN : n / 2);
      if (!whole || n <= last) torn++;
      last = n;
      read++;
    };
    const beganMs = performance.now();
    // On a machine that is busy elsewhere the two threads take longer to meet.
    const enough = (): boolean => performance.now() - beganMs > (read > 10_000 ? 500 : 20_000);
    while (!enough()) {
      for (let i = 0; i < 1000 && reader.next(frame); i++) take();
      // The writer's thread is started by this one's event loop.
      await new Promise(setImmediate);
    }
    Atomics.store(stop, 0, 1);
    const total = await written;
    while (reader.next(frame)) take();
    await worker.terminate();
    expect(torn).toBe(0);
    expect(last).toBe(total);
    expect(read + reader.lostRows).toBe(total);
    expect(read).toBeGreaterThan(100);
  });
});
