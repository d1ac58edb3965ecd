/** What one event gives, for any order and any wish. PLIMSOLL_SEED=N plays a run again. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AmountFacts, amountBytes, PAGE_BYTES } from "../../src/core/rescue/amount.ts";
import type { RescueOrder } from "../../src/core/rescue/order.ts";
import {
  canGive,
  catchUp,
  deductDonors,
  emptyShareOut,
  type ShareOut,
  shareOut,
  undoShareOut,
} from "../../src/core/rescue/share.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

const MiB = 2 ** 20;
const bytes = fc.oneof(
  fc.constantFrom(0, 1, PAGE_BYTES - 1, PAGE_BYTES, 8 * MiB, -5 * MiB, Number.NaN, 2 ** 40),
  fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  fc.nat({ max: 2 ** 18 }).map((pages) => pages * PAGE_BYTES),
);
const order: fc.Arbitrary<RescueOrder> = fc.record({
  number: fc.constant(1),
  limitBytes: fc.nat({ max: 2 ** 18 }).map((pages) => pages * PAGE_BYTES),
  freeBytes: bytes,
  bearableBytes: bytes,
  lendableBytes: bytes,
  growthBytesPerSecond: fc.constant(0),
  donors: fc
    .array(fc.record({ slackBytes: bytes, floorBytes: fc.nat() }), { maxLength: 16 })
    .map((donors) => donors.map((donor, i) => ({ number: i + 2, ...donor }))),
});
const least = fc.constantFrom(PAGE_BYTES, MiB, 8 * MiB);

function copyOf(of: RescueOrder): RescueOrder {
  return structuredClone(of);
}

function parts(share: ShareOut): { number: number; reducedBytes: number }[] {
  return Array.from({ length: share.donors }, (_, i) => ({
    number: share.numbers[i] as number,
    reducedBytes: share.reducedBytes[i] as number,
  }));
}

const usable = (given: number): number => (given > 0 ? Math.floor(given / PAGE_BYTES) * PAGE_BYTES : 0);
const slackOf = (of: RescueOrder): number =>
  of.donors.reduce((sum, { slackBytes }) => sum + usable(slackBytes), 0);

describe("sharing out", () => {
  test("is possible exactly where it is said to be", () => {
    fc.assert(
      fc.property(order, bytes, least, (before, wanted, addMin) => {
        const share = shareOut(copyOf(before), wanted, addMin, emptyShareOut());
        expect(canGive(before, addMin)).toBe(share.step !== 0);
      }),
    );
  });

  test("gives whole pages, never more than each source has, and what is reduced is what is added", () => {
    fc.assert(
      fc.property(order, bytes, least, (before, wanted, addMin) => {
        const after = copyOf(before);
        const share = shareOut(after, wanted, addMin, emptyShareOut());
        expect(share.addedBytes % PAGE_BYTES).toBe(0);
        if (share.step === 0) {
          expect(share.addedBytes).toBe(0);
          expect(after).toEqual(before);
          expect(share.refusal).toBe(usable(before.lendableBytes) < addMin ? "cap" : "no-plan");
          return;
        }
        expect(share.refusal).toBeNull();
        expect(share.addedBytes).toBeGreaterThanOrEqual(addMin);
        expect(share.addedBytes).toBeLessThanOrEqual(Math.min(before.bearableBytes, before.lendableBytes));
        const reduced = parts(share).reduce((sum, part) => sum + part.reducedBytes, 0);
        expect(reduced).toBe(share.step === 2 ? share.addedBytes : 0);
        if (share.step === 1) expect(share.addedBytes).toBeLessThanOrEqual(before.freeBytes);
        for (const { number, reducedBytes } of parts(share)) {
          const donor = before.donors.find((each) => each.number === number);
          expect(reducedBytes).toBeGreaterThan(0);
          expect(reducedBytes % PAGE_BYTES).toBe(0);
          expect(reducedBytes).toBeLessThanOrEqual(donor?.slackBytes ?? 0);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("donors give in proportion to their slack, within a page", () => {
    fc.assert(
      fc.property(order, bytes, least, (before, wanted, addMin) => {
        const share = shareOut(copyOf(before), wanted, addMin, emptyShareOut());
        fc.pre(share.step === 2);
        const given = new Map(parts(share).map(({ number, reducedBytes }) => [number, reducedBytes]));
        const all = slackOf(before);
        for (const { number, slackBytes } of before.donors) {
          const fair = (share.addedBytes * usable(slackBytes)) / all;
          expect(Math.abs((given.get(number) ?? 0) - fair)).toBeLessThan(PAGE_BYTES + 1);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("step 1 comes first, a part is given only where the whole is nowhere, and never a better one was passed over", () => {
    fc.assert(
      fc.property(order, bytes, least, (before, wanted, addMin) => {
        const share = shareOut(copyOf(before), wanted, addMin, emptyShareOut());
        const most = Math.min(usable(before.bearableBytes), usable(before.lendableBytes));
        const alone = Math.min(most, usable(before.freeBytes));
        const together = Math.min(most, slackOf(before));
        const whole = Math.max(addMin, Math.ceil((wanted > 0 ? wanted : 0) / PAGE_BYTES) * PAGE_BYTES);
        const expected = Math.min(whole, Math.max(alone, together));
        expect(share.addedBytes).toBe(expected >= addMin ? expected : 0);
        if (share.addedBytes === 0) expect(share.step).toBe(0);
        else if (alone >= whole || alone >= together) expect(share.step).toBe(1);
        else expect(share.step).toBe(2);
      }),
      { numRuns: 2000 },
    );
  });

  test("who wants more is never given less", () => {
    fc.assert(
      fc.property(order, bytes, bytes, least, (before, one, other, addMin) => {
        fc.pre(one <= other);
        const less = shareOut(copyOf(before), one, addMin, emptyShareOut()).addedBytes;
        const more = shareOut(copyOf(before), other, addMin, emptyShareOut()).addedBytes;
        expect(more).toBeGreaterThanOrEqual(less);
      }),
      { numRuns: 2000 },
    );
  });

  test("events one after the other never give more in all than there was", () => {
    fc.assert(
      fc.property(order, fc.array(bytes, { maxLength: 20 }), least, (before, wishes, addMin) => {
        const standing = copyOf(before);
        const share = emptyShareOut();
        const taken = new Map<number, number>();
        let added = 0;
        let alone = 0;
        for (const wish of wishes) {
          shareOut(standing, wish, addMin, share);
          added += share.addedBytes;
          if (share.step === 1) alone += share.addedBytes;
          for (const { number, reducedBytes } of parts(share))
            taken.set(number, (taken.get(number) ?? 0) + reducedBytes);
        }
        const most = Math.min(usable(before.bearableBytes), usable(before.lendableBytes));
        expect(added).toBeLessThanOrEqual(most);
        expect(alone).toBeLessThanOrEqual(usable(before.freeBytes));
        for (const { number, slackBytes } of before.donors) {
          expect(taken.get(number) ?? 0).toBeLessThanOrEqual(usable(slackBytes));
        }
        expect(standing.limitBytes - before.limitBytes).toBe(added);
      }),
      { numRuns: 1000 },
    );
  });

  test("an order that is behind the limit gives what an order that knows of the raise would", () => {
    fc.assert(
      fc.property(order, bytes, bytes, least, (before, first, second, addMin) => {
        const own = copyOf(before);
        const given = shareOut(own, first, addMin, emptyShareOut());
        fc.pre(given.step === 1);
        const late = copyOf(before);
        catchUp(late, before.limitBytes + given.addedBytes);
        const twice = shareOut(own, second, addMin, emptyShareOut());
        const caught = shareOut(late, second, addMin, emptyShareOut());
        expect([caught.step, caught.addedBytes]).toEqual([twice.step, twice.addedBytes]);
      }),
    );
  });

  test("what was not carried out is there again, but for the donor that refused", () => {
    fc.assert(
      fc.property(order, bytes, least, fc.nat(), (before, wanted, addMin, pick) => {
        for (const each of ["freeBytes", "bearableBytes", "lendableBytes"] as const)
          if (!(before[each] >= 0)) before[each] = 0;
        const after = copyOf(before);
        const share = shareOut(after, wanted, addMin, emptyShareOut());
        fc.pre(share.step !== 0);
        const refused = share.donors === 0 ? -1 : pick % share.donors;
        undoShareOut(after, share, refused);
        const expected = copyOf(before);
        for (const donor of expected.donors) {
          if (refused >= 0 && donor.number === share.numbers[refused]) donor.slackBytes = 0;
        }
        expect(after).toEqual(expected);
      }),
    );
  });

  test("two receivers with the same donors are not given the same slack", () => {
    fc.assert(
      fc.property(order, order, bytes, bytes, least, (one, other, first, second, addMin) => {
        const standing = { ...copyOf(other), donors: structuredClone(one.donors) };
        const given = shareOut(copyOf(one), first, addMin, emptyShareOut());
        deductDonors(standing, given);
        const next = shareOut(standing, second, addMin, emptyShareOut());
        const taken = new Map<number, number>();
        for (const { number, reducedBytes } of [...parts(given), ...parts(next)]) {
          taken.set(number, (taken.get(number) ?? 0) + reducedBytes);
        }
        for (const { number, slackBytes } of one.donors) {
          expect(taken.get(number) ?? 0).toBeLessThanOrEqual(usable(slackBytes));
        }
      }),
    );
  });
});

describe("how much one event adds", () => {
  const policy = { addMinBytes: 8 * MiB, addMaxBytes: 1024 * MiB, reactionMs: 100 };
  const facts = fc.record<AmountFacts>({
    growthBytesPerSecond: fc.oneof(
      fc.constantFrom(0, Number.NaN),
      fc.double({ min: 0, max: 1e11, noNaN: true }),
    ),
    sinceLastRaiseUs: fc.oneof(
      fc.constantFrom(0, Number.NaN, Number.POSITIVE_INFINITY),
      fc.integer({ min: 0, max: 10_000_000 }),
    ),
    lastAddedBytes: fc.oneof(
      fc.constant(0),
      fc.nat({ max: 2 ** 18 }).map((pages) => pages * PAGE_BYTES),
    ),
    policy: fc.constant(policy),
  });

  test("is whole pages within the policy's bounds", () => {
    fc.assert(
      fc.property(facts, (about) => {
        const amount = amountBytes(about);
        expect(amount % PAGE_BYTES).toBe(0);
        expect(amount).toBeGreaterThanOrEqual(policy.addMinBytes);
        expect(amount).toBeLessThanOrEqual(policy.addMaxBytes);
      }),
    );
  });

  test("lasts for the reaction time at the growth that was seen, or as long as the policy allows", () => {
    fc.assert(
      fc.property(facts, (about) => {
        fc.pre(about.growthBytesPerSecond >= 0);
        const needed = about.growthBytesPerSecond * 0.1;
        expect(amountBytes(about)).toBeGreaterThanOrEqual(Math.min(needed, policy.addMaxBytes));
      }),
    );
  });

  test("is no smaller when the growth is larger or the events are closer", () => {
    fc.assert(
      fc.property(facts, fc.double({ min: 1, max: 100, noNaN: true }), (about, factor) => {
        const amount = amountBytes(about);
        const growth = about.growthBytesPerSecond * factor;
        expect(amountBytes({ ...about, growthBytesPerSecond: growth })).toBeGreaterThanOrEqual(amount);
        const since = about.sinceLastRaiseUs / factor;
        expect(amountBytes({ ...about, sinceLastRaiseUs: since })).toBeGreaterThanOrEqual(amount);
      }),
    );
  });

  test("is at least twice the last addition when that was used up too soon, up to the bound", () => {
    fc.assert(
      fc.property(facts, fc.integer({ min: 0, max: 99_999 }), (about, sinceUs) => {
        fc.pre(about.lastAddedBytes > 0);
        const amount = amountBytes({ ...about, sinceLastRaiseUs: sinceUs });
        expect(amount).toBeGreaterThanOrEqual(Math.min(2 * about.lastAddedBytes, policy.addMaxBytes));
      }),
    );
  });

  test("is the policy's least where nothing is known", () => {
    const first = { growthBytesPerSecond: 0, sinceLastRaiseUs: Number.NaN, lastAddedBytes: 0, policy };
    expect(amountBytes(first)).toBe(8 * MiB);
    expect(amountBytes({ ...first, growthBytesPerSecond: Number.NaN })).toBe(8 * MiB);
  });

  test("learns a gibibyte a second within two events, and one interval multiplies by sixteen at most", () => {
    const second = { growthBytesPerSecond: 0, sinceLastRaiseUs: 7812.5, lastAddedBytes: 8 * MiB, policy };
    expect(amountBytes(second)).toBe(Math.ceil((8 * MiB * 12.8) / PAGE_BYTES) * PAGE_BYTES);
    expect(amountBytes({ ...second, sinceLastRaiseUs: 1 })).toBe(16 * 8 * MiB);
  });
});
