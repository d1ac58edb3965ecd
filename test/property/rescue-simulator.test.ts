/** Thousands of hosts of cgroups that grow over their limits. PLIMSOLL_SEED=N plays a run again. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { amountBytes as bytesOf } from "../../src/core/policy/policy.ts";
import { check, type SimulatedCgroup, type CgroupSpec, MiB, type WorldSpec } from "../support/rescue-spec.ts";
import { RescueWorld } from "../support/rescue-world.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

/** Hosts a test; PLIMSOLL_RUNS=10 plays ten times as many. */
const RUNS = 300 * Number(process.env["PLIMSOLL_RUNS"] ?? 1);
const TIMEOUT_MS = 300 * RUNS;
/** An order is not written anew for less than this. */
const IMMATERIAL_BYTES = MiB;

const mebibytes = (min: number, max: number): fc.Arbitrary<number> =>
  fc.integer({ min, max }).map((size) => size * MiB);

const node = fc.record({
  /** Below which of those before it, or at the top. */
  below: fc.nat({ max: 30 }),
  ownBytes: mebibytes(0, 60),
  /** Above what it uses at the start. */
  roomBytes: fc.oneof(mebibytes(0, 200), fc.constant(Number.POSITIVE_INFINITY)),
  minBytes: fc.oneof(fc.constant(0), mebibytes(0, 100)),
  receives: fc.boolean(),
  gives: fc.boolean(),
  leastShare: fc.double({ min: 0, max: 1, noNaN: true }),
  medianShare: fc.double({ min: 0.5, max: 3, noNaN: true }),
});

/** A forest in which nobody is above a limit at the start. */
const world: fc.Arbitrary<WorldSpec> = fc
  .record({
    nodes: fc.array(node, { minLength: 2, maxLength: 14, size: "max" }),
    lendShareMax: fc.constantFrom(0.25, 1, 4),
    rescuesMax: fc.constantFrom(3, 1000),
    globalThreshold: fc.constantFrom(0, 0.5, 0.9),
    totalBytes: fc.constantFrom(1024, 4096).map((size) => size * MiB),
  })
  .map(({ nodes, totalBytes, ...rescue }) => {
    const paths: string[] = [];
    for (const [i, { below }] of nodes.entries()) {
      const parent = below % (i + 1);
      paths.push(`${parent === i ? "" : paths[parent]}/c${i}`);
    }
    const usage = paths.map((path) =>
      nodes.reduce(
        (sum, { ownBytes }, i) =>
          paths[i] === path || paths[i]?.startsWith(`${path}/`) ? sum + ownBytes : sum,
        0,
      ),
    );
    const cgroups: CgroupSpec[] = nodes.map(
      ({ ownBytes, roomBytes, minBytes, receives, gives, ...rest }, i) => ({
        path: paths[i] as string,
        ownBytes,
        limitBytes: (usage[i] as number) + roomBytes + MiB,
        minBytes,
        receives,
        gives,
        calibration: {
          minBytes: (usage[i] as number) * rest.leastShare,
          medianBytes: (usage[i] as number) * rest.medianShare,
          maxBytes: (usage[i] as number) * 3,
        },
      }),
    );
    return { cgroups, totalBytes, rescue };
  });

const deed = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("grow" as const), who: fc.nat(), bytes: mebibytes(1, 150) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("shrink" as const), who: fc.nat(), bytes: fc.constant(0) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("sweep" as const),
      who: fc.nat({ max: 8 }),
      bytes: fc.constant(0),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("remove" as const), who: fc.nat(), bytes: fc.constant(0) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("restart" as const), who: fc.nat(), bytes: fc.constant(0) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("mail" as const),
      who: fc.nat({ max: 1 }),
      bytes: fc.constant(0),
    }),
  },
);
type Deed = typeof deed extends fc.Arbitrary<infer T> ? T : never;

/** What stands on the board right after a plan is true of the host at that moment. */
function checkOrders(host: RescueWorld): void {
  const { rescue } = host.terms;
  for (const order of host.board.values()) {
    const receiver = host.cgroups.find(({ number }) => number === order.number);
    if (receiver === undefined) continue;
    const hostBytes = host.availableBytes - bytesOf(rescue.hostReserve, host.totalBytes);
    check(order.bearableBytes <= Math.max(0, hostBytes) + IMMATERIAL_BYTES, "the host cannot bear an order");
    for (const above of host.above(receiver)) {
      if (!Number.isFinite(above.limitBytes)) continue;
      const left = above.limitBytes - host.usageBytes(above);
      check(
        order.bearableBytes <= Math.max(0, left) + IMMATERIAL_BYTES,
        `${above.path} cannot bear an order`,
      );
      const untilThreshold = above.limitBytes * rescue.globalThreshold - host.usageBytes(above);
      check(
        order.freeBytes <= Math.max(0, untilThreshold) + IMMATERIAL_BYTES,
        `an order goes over the threshold of ${above.path}`,
      );
    }
    checkDonors(host, receiver, order.donors);
  }
}

/** By the calibration, until a minute of samples has been learned. */
function usualOf(host: RescueWorld, cgroup: SimulatedCgroup): { minBytes: number; medianBytes: number } {
  const learned = host.state.statistics(cgroup.number);
  if (learned !== null && learned.effectiveSamples >= 60) return learned;
  return cgroup.calibration ?? { minBytes: 0, medianBytes: 0 };
}

function checkDonors(
  host: RescueWorld,
  receiver: SimulatedCgroup,
  donors: readonly { number: number; slackBytes: number; floorBytes: number }[],
): void {
  const chosen = donors.map(({ number }) => host.cgroups.find((each) => each.number === number));
  for (const [i, { slackBytes, floorBytes }] of donors.entries()) {
    const donor = chosen[i];
    check(donor !== undefined && donor !== receiver && donor.gives === true, "a donor that may not be one");
    const usual = usualOf(host, donor);
    const floor = Math.max(
      host.usageBytes(donor) + bytesOf(host.terms.rescue.donorMargin, donor.limitBytes),
      donor.minBytes ?? 0,
      usual.minBytes,
    );
    check(floorBytes >= floor, `the floor of ${donor.path} is too low`);
    check(donor.limitBytes - slackBytes >= floorBytes, `${donor.path} is to go below its floor`);
    check(host.usageBytes(donor) < usual.medianBytes, `${donor.path} is not below its median`);
    for (const other of [...chosen.slice(0, i), receiver]) {
      check(
        other === undefined || (!host.above(donor).includes(other) && !host.above(other).includes(donor)),
        "donors of one order lie in each other, or in the receiver",
      );
    }
  }
}

function play(host: RescueWorld, deeds: readonly Deed[]): void {
  const sweep = (): void => {
    host.sweep();
    // A new life of the analysis leaves the board alone until it knows what is lent.
    if (!host.slowMail && host.state.adoption === null) checkOrders(host);
  };
  sweep();
  for (const each of deeds) {
    const some = host.cgroups[each.who % Math.max(1, host.cgroups.length)];
    if (each.do === "mail") host.slowMail = each.who === 1;
    else if (each.do === "restart") host.restart();
    else if (each.do === "sweep") for (let i = 0; i < each.who; i++) sweep();
    else if (some === undefined) continue;
    else if (each.do === "grow") host.grow(some.path, each.bytes);
    else if (each.do === "shrink") some.ownBytes = 0;
    else host.remove(some.path);
  }
}

/** Everything has come to rest, and the longest that a loan may wait has passed. */
function comeToRest(host: RescueWorld): void {
  for (const each of host.cgroups) each.ownBytes = 0;
  host.slowMail = false;
  host.sweeps(5 * 16 + 30);
}

describe("simulated rescues", () => {
  test(
    "no promise is broken on the way, and at rest every limit is what it was",
    () => {
      let raised = 0;
      let reduced = 0;
      let cut = 0;
      fc.assert(
        fc.property(world, fc.array(deed, { minLength: 5, maxLength: 40, size: "max" }), (spec, deeds) => {
          const host = new RescueWorld(spec);
          play(host, deeds);
          comeToRest(host);
          for (const { path, limitBytes, originalBytes } of host.cgroups) {
            expect({ path, limitBytes }).toEqual({ path, limitBytes: originalBytes });
          }
          expect(host.state.loans.none).toBe(true);
          for (const { number } of host.cgroups) expect(host.state.rescueActive(number)).toBe(false);
          raised += host.reports.filter(({ step }) => step === 1).length;
          reduced += host.reports.filter(({ step }) => step === 2).length;
          cut += host.reports.filter(({ outcome }) => outcome === "cap").length;
        }),
        { numRuns: RUNS },
      );
      // The plays are about something.
      expect(raised).toBeGreaterThan(RUNS / 2);
      expect(reduced).toBeGreaterThan(RUNS / 10);
      expect(cut).toBeGreaterThan(RUNS / 10);
    },
    TIMEOUT_MS,
  );
});
