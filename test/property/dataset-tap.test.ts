/** The tap takes each row of a ring once, in order, and counts what was overwritten before. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Column } from "../../src/core/ring/layout.ts";
import { createRing } from "../../src/core/ring/views.ts";
import { RingWriter } from "../../src/core/ring/writer.ts";
import { copyBits, RingTap } from "../../src/workers/dataset/ring-tap.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const COLUMNS: readonly Column[] = [
  { name: "index", type: "uint64", nullable: true },
  { name: "half", type: "float64", nullable: true },
];

type Step =
  | { readonly do: "append"; readonly count: number }
  | { readonly do: "seal" }
  | { readonly do: "take"; readonly open: boolean }
  | { readonly do: "successor" };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("append" as const), count: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ do: fc.constant("seal" as const) }),
  fc.record({ do: fc.constant("take" as const), open: fc.boolean() }),
  fc.record({ do: fc.constant("successor" as const) }),
);

/** The indexes in a range of the tap's, checked to be what was appended. */
function indexesOf(tap: RingTap, open: boolean): number[] {
  const found: number[] = [];
  for (let range = tap.next(open); range !== null; range = tap.next(open)) {
    const [index, half] = tap.columns(range);
    for (let i = 0; i < range.rows; i++) {
      const at = Number(index?.values[i]);
      const isNull = half?.validity != null && ((half.validity[i >> 3] as number) & (1 << (i & 7))) === 0;
      expect(isNull).toBe(at % 3 === 0);
      if (!isNull) expect(half?.values[i]).toBe(at / 2);
      found.push(at);
    }
    expect(tap.intact(range)).toBe(true);
    tap.take(range);
  }
  return found;
}

test("rows come once and in order, lost ones are counted, a successor goes on where its predecessor was", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 2, max: 5 }),
      (steps, rowsPerSegment, segments) => {
        const ring = createRing({ columns: COLUMNS, rowsPerSegment, segments });
        const writer = new RingWriter(ring);
        let tap = new RingTap(ring);
        let lostBefore = 0;
        let appended = 0;
        const taken: number[] = [];
        for (const each of [...steps, { do: "take", open: true } as const]) {
          if (each.do === "seal" && writer.rows > 0) writer.seal();
          else if (each.do === "take") taken.push(...indexesOf(tap, each.open));
          else if (each.do === "successor") {
            lostBefore += tap.lostRows;
            tap = new RingTap(ring, taken.length + lostBefore);
          } else if (each.do === "append") {
            for (let i = 0; i < each.count; i++, appended++)
              writer.append(Float64Array.of(appended, appended % 3 === 0 ? Number.NaN : appended / 2));
          }
        }
        for (let i = 1; i < taken.length; i++) expect(taken[i]).toBeGreaterThan(taken[i - 1] as number);
        expect(taken.length + lostBefore + tap.lostRows).toBe(appended);
        // The newest rows are never among the lost.
        if (appended > 0) expect(taken.at(-1)).toBe(appended - 1);
      },
    ),
    fuzzSettings(),
  );
});

test("bits are copied from anywhere, and nothing else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(), fc.nat(), (bitmap, a, b) => {
      const from = a % (bitmap.length * 8);
      const count = b % (bitmap.length * 8 - from + 1);
      const copy = copyBits(bitmap, from, count);
      expect(copy.length).toBe(Math.ceil(count / 64) * 8);
      for (let i = 0; i < copy.length * 8; i++) {
        const bit = ((copy[i >> 3] as number) >> (i & 7)) & 1;
        const there = from + i;
        expect(bit).toBe(i < count ? ((bitmap[there >> 3] as number) >> (there & 7)) & 1 : 0);
      }
    }),
    fuzzSettings(),
  );
});
