/** A rescue never teaches the calibration. PLIMSOLL_SEED=N plays a run again. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DETAIL_COLUMNS, Detail, USAGE_COLUMNS, Usage } from "../../src/core/cgroups/columns.ts";
import { RescueState } from "../../src/core/rescue/state.ts";
import type { RescueTerms } from "../../src/core/rescue/terms.ts";
import type { UsageStatistics } from "../../src/core/statistics/live.ts";
import { MiB, RESCUE, SECOND_US } from "../support/rescue-spec.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

const RECEIVER = 1;
const DONOR = 2;
const LIMIT_BYTES = 100 * MiB;

const TERMS: RescueTerms = {
  rescue: RESCUE,
  cgroups: { intervalMs: 1000, halfLifeMs: 60_000, calibration: {} },
  mayReceive: (path) => path === "/r",
  mayGive: (path) => path === "/d",
};

/** Seconds of ordinary life with their samples, and rescues among them. */
const second = fc.record({
  receiverBytes: fc.nat({ max: 100 }).map((size) => size * MiB),
  donorBytes: fc.nat({ max: 100 }).map((size) => size * MiB),
  /** What the two use instead while a rescue is on. */
  lentBytes: fc.nat({ max: 120 }).map((size) => size * MiB),
  reducedBytes: fc.nat({ max: 80 }).map((size) => size * MiB),
  /** A rescue begins right after this second's samples, or, of one that is on, everything goes back. */
  turns: fc.boolean(),
  /** It is told only after the next samples. */
  late: fc.boolean(),
});
type Second = typeof second extends fc.Arbitrary<infer T> ? T : never;

function row(columns: number, cells: Readonly<Record<number, number>>): Float64Array {
  const frame = new Float64Array(columns).fill(Number.NaN);
  for (const [column, value] of Object.entries(cells)) frame[Number(column)] = value;
  return frame;
}

/** @param teaches what the two use during a rescue is as recorded; else other figures stand in their place */
function learn(life: readonly Second[], teaches: boolean): (UsageStatistics | undefined)[] {
  const state = new RescueState(TERMS);
  const identity = { inode: 1, onlyAncestor: false };
  state.identities(
    [
      { number: RECEIVER, path: "/r", ...identity },
      { number: DONOR, path: "/d", ...identity },
    ],
    [],
  );
  for (const cgroup of [RECEIVER, DONOR]) {
    state.detail(
      row(DETAIL_COLUMNS.length, {
        [Detail.timeUs]: 0,
        [Detail.cgroup]: cgroup,
        [Detail.limitBytes]: LIMIT_BYTES,
        [Detail.anonBytes]: 0,
      }),
    );
  }
  let on = false;
  let untold = (): void => {};
  for (const [i, each] of life.entries()) {
    const timeUs = (i + 1) * SECOND_US;
    const used = (ordinary: number, other: number): number => (on ? (teaches ? other : 7 * MiB) : ordinary);
    const sample = (cgroup: number, bytes: number): void =>
      state.usage(
        row(USAGE_COLUMNS.length, {
          [Usage.timeUs]: timeUs,
          [Usage.cgroup]: cgroup,
          [Usage.usageBytes]: bytes,
        }),
      );
    sample(RECEIVER, used(each.receiverBytes, each.lentBytes));
    sample(DONOR, used(each.donorBytes, each.reducedBytes));
    untold();
    untold = () => {};
    if (!each.turns) continue;
    const tell = on ? tellReturned(state, timeUs) : tellRaised(state, timeUs);
    on = !on;
    if (each.late) untold = tell;
    else tell();
  }
  untold();
  return [RECEIVER, DONOR].map((number) => state.statistics(number)?.summary());
}

function tellRaised(state: RescueState, timeUs: number): () => void {
  const part = { number: DONOR, path: "/d", reducedBytes: 20 * MiB };
  return () =>
    state.report({
      id: "r1",
      number: RECEIVER,
      path: "/r",
      inode: 1,
      trigger: "oom",
      outcome: "raised",
      refusal: null,
      step: 2,
      addedBytes: 20 * MiB,
      limitBeforeBytes: LIMIT_BYTES,
      limitAfterBytes: LIMIT_BYTES + 20 * MiB,
      usageBytes: LIMIT_BYTES,
      donors: [{ ...part, limitBeforeBytes: LIMIT_BYTES, limitAfterBytes: LIMIT_BYTES - 20 * MiB }],
      paused: false,
      growthBytesPerSecond: 0,
      wokenUs: timeUs + 1000,
      raisedUs: timeUs + 1400,
      wallMs: 0,
    });
}

function tellReturned(state: RescueState, timeUs: number): () => void {
  return () =>
    state.returned({
      number: RECEIVER,
      path: "/r",
      why: "unneeded",
      outcome: "returned",
      refusal: null,
      returnedBytes: 20 * MiB,
      limitAfterBytes: LIMIT_BYTES,
      donors: [{ number: DONOR, path: "/d", returnedBytes: 20 * MiB, limitAfterBytes: LIMIT_BYTES }],
      timeUs: timeUs + 1000,
      wallMs: 0,
    });
}

describe("live statistics and rescues", () => {
  test("what is used while a rescue is on changes nothing that was learned, even where it is told late", () => {
    let apart = 0;
    fc.assert(
      fc.property(fc.array(second, { minLength: 1, maxLength: 60, size: "max" }), (life) => {
        const recorded = learn(life, true);
        const replaced = learn(life, false);
        for (const [i, each] of recorded.entries()) {
          const other = replaced[i];
          // How large those samples were is the one thing that is known of them.
          expect({ ...each, maxApartBytes: 0 }).toEqual({ ...other, maxApartBytes: 0 });
          apart += each?.samplesApart ?? 0;
        }
      }),
      { numRuns: 500 },
    );
    expect(apart).toBeGreaterThan(1000);
  });

  test("a sample from before everything went back, read after it was told, is kept apart", () => {
    const state = new RescueState(TERMS);
    state.identities([{ number: RECEIVER, path: "/r", inode: 1, onlyAncestor: false }], []);
    tellRaised(state, 0)();
    tellReturned(state, 9 * SECOND_US)();
    const sample = (timeUs: number, bytes: number): void =>
      state.usage(
        row(USAGE_COLUMNS.length, {
          [Usage.timeUs]: timeUs,
          [Usage.cgroup]: RECEIVER,
          [Usage.usageBytes]: bytes,
        }),
      );
    sample(8 * SECOND_US, 99 * MiB);
    sample(10 * SECOND_US, 5 * MiB);
    sample(11 * SECOND_US, 6 * MiB);
    expect(state.statistics(RECEIVER)?.summary()).toMatchObject({
      samples: 1,
      samplesApart: 1,
      maxBytes: 5 * MiB,
      maxApartBytes: 99 * MiB,
    });
  });

  test("without a rescue, every sample but the last is learned", () => {
    fc.assert(
      fc.property(fc.array(second, { minLength: 1, maxLength: 60 }), (life) => {
        const [receiver] = learn(
          life.map((each) => ({ ...each, turns: false })),
          true,
        );
        const sizes = life.slice(0, -1).map(({ receiverBytes }) => receiverBytes);
        expect(receiver?.samples).toBe(sizes.length);
        expect(receiver?.samplesApart).toBe(0);
        expect(receiver?.maxBytes).toBe(sizes.length === 0 ? Number.NaN : Math.max(...sizes));
      }),
    );
  });
});
