/** What is planned on small hosts of known figures. */
import { describe, expect, test } from "vitest";
import { RESCUE_SLOTS } from "../../src/core/rescue/board.ts";
import { check, MiB, RESCUE, RescueWorld, SECOND_US, type WorldSpec } from "../support/rescue-world.ts";

const GiB = 1024 * MiB;
const unused = { minBytes: 10 * MiB, medianBytes: 80 * MiB, maxBytes: 150 * MiB };

/** One that grows in a parent of 1 GiB, and two that use less than they usually do. */
function three(over: Partial<WorldSpec> = {}, parentBytes = GiB): RescueWorld {
  return new RescueWorld({
    totalBytes: 8 * GiB,
    ...over,
    cgroups: [
      { path: "/p", ownBytes: 0, limitBytes: parentBytes },
      { path: "/p/grows", ownBytes: 100 * MiB, limitBytes: 100 * MiB, receives: true },
      { path: "/p/idle", ownBytes: 20 * MiB, limitBytes: 200 * MiB, gives: true, calibration: unused },
      { path: "/p/calm", ownBytes: 50 * MiB, limitBytes: 100 * MiB, gives: true, calibration: unused },
      ...(over.cgroups ?? []),
    ],
  });
}

describe("what there is to give", () => {
  test("is the room in everything above, up to the threshold and up to the limits", () => {
    const host = three();
    host.sweep();
    const order = host.orderOf("/p/grows");
    expect(order.freeBytes).toBe(Math.floor((0.9 * 1024 - 170) * 256) * 4096);
    expect(order.bearableBytes).toBe((1024 - 170) * MiB);
    expect(order.lendableBytes).toBe(100 * MiB);
    expect(order.limitBytes).toBe(100 * MiB);
  });

  test("is reckoned as if the receiver had come to its limit: until then the room is its own", () => {
    const host = three();
    host.at("/p/grows").ownBytes = 60 * MiB;
    host.sweep();
    expect(host.orderOf("/p/grows").bearableBytes).toBe((1024 - 170) * MiB);
  });

  test("a limit is worth no more than any above it, however deep", () => {
    const host = new RescueWorld({
      totalBytes: 8 * GiB,
      cgroups: [
        { path: "/a", ownBytes: 0, limitBytes: 300 * MiB },
        { path: "/a/b", ownBytes: 0, limitBytes: Number.POSITIVE_INFINITY },
        { path: "/a/b/c", ownBytes: 0, limitBytes: 900 * MiB },
        { path: "/a/b/c/d", ownBytes: 100 * MiB, limitBytes: 100 * MiB, receives: true },
        { path: "/a/x", ownBytes: 150 * MiB, limitBytes: 150 * MiB },
      ],
    });
    host.sweep();
    expect(host.orderOf("/a/b/c/d").bearableBytes).toBe(50 * MiB);
    expect(host.orderOf("/a/b/c/d").freeBytes).toBe(20 * MiB);
    // The one above is lowered by its owner: believed at once where less is given by it.
    host.at("/a").limitBytes = 260 * MiB;
    host.at("/a").originalBytes = 260 * MiB;
    host.sweep();
    expect(host.orderOf("/a/b/c/d").bearableBytes).toBe(10 * MiB);
    expect(host.orderOf("/a/b/c/d").freeBytes).toBe(0);
    host.at("/a").limitBytes = 200 * MiB;
    host.sweep();
    expect(host.orderOf("/a/b/c/d").bearableBytes).toBe(0);
  });

  test("the host keeps its reserve", () => {
    const host = three({ totalBytes: GiB, otherBytes: 754 * MiB });
    host.sweep();
    const order = host.orderOf("/p/grows");
    // 100 MiB are available, of which 5 % of the whole stay; nine tenths of the whole are in use.
    expect(order.bearableBytes).toBe(Math.floor((100 - 51.2) * 256) * 4096);
    expect(order.freeBytes).toBe(0);
  });

  test("nothing, where the host or the usage is not known", () => {
    const host = three();
    host.sweep();
    expect(host.orderOf("/p/grows").freeBytes).toBeGreaterThan(0);
    const nothing = { freeBytes: 0, bearableBytes: 0 };
    host.replan(0, { totalBytes: Number.NaN, availableBytes: Number.NaN });
    expect(host.orderOf("/p/grows")).toMatchObject(nothing);
    host.sweep();
    expect(host.orderOf("/p/grows").freeBytes).toBeGreaterThan(0);
    // Nothing was sampled for a minute.
    host.replan(60);
    expect(host.orderOf("/p/grows")).toMatchObject({ ...nothing, donors: [] });
    host.sweep();
  });

  test("what was lent and is not used yet is counted at everything above", () => {
    const host = three({
      cgroups: [{ path: "/p/other", ownBytes: 30 * MiB, limitBytes: 30 * MiB, receives: true }],
    });
    host.sweep();
    const before = host.orderOf("/p/other").bearableBytes;
    host.grow("/p/grows", MiB);
    const [report] = host.reports;
    check(report !== undefined && report.step === 1, "it is rescued by step 1");
    host.sweep();
    expect(before - host.orderOf("/p/other").bearableBytes).toBe(report.addedBytes);
  });

  test("a cgroup without a limit, or that the policy does not name, has no order", () => {
    const host = three({
      cgroups: [{ path: "/free", ownBytes: MiB, limitBytes: Number.POSITIVE_INFINITY, receives: true }],
    });
    host.sweep();
    expect([...host.board.values()].map(({ number }) => number)).toEqual([host.at("/p/grows").number]);
  });

  test("nobody is named: nothing is planned, and the board is emptied once", () => {
    const host = new RescueWorld({
      totalBytes: GiB,
      cgroups: [{ path: "/a", ownBytes: MiB, limitBytes: 2 * MiB }],
    });
    const first = host.sweep();
    expect(first.orders.length).toBe(RESCUE_SLOTS);
    expect(first.orders.every(({ order }) => order.number === 0)).toBe(true);
    expect(host.sweep()).toEqual({ orders: [], returns: [], recommendations: [], limitations: [] });
  });
});

describe("who lends", () => {
  test("most slack first, down to the highest of what each needs", () => {
    const host = three({
      cgroups: [
        {
          path: "/kept",
          ownBytes: MiB,
          limitBytes: 60 * MiB,
          minBytes: 50 * MiB,
          gives: true,
          calibration: unused,
        },
        {
          path: "/low",
          ownBytes: MiB,
          limitBytes: 60 * MiB,
          lowBytes: 30 * MiB,
          gives: true,
          calibration: unused,
        },
        { path: "/used", ownBytes: 90 * MiB, limitBytes: 400 * MiB, gives: true, calibration: unused },
        { path: "/strange", ownBytes: MiB, limitBytes: 400 * MiB, gives: true },
        { path: "/not", ownBytes: MiB, limitBytes: 400 * MiB, calibration: unused },
        {
          path: "/open",
          ownBytes: MiB,
          limitBytes: Number.POSITIVE_INFINITY,
          gives: true,
          calibration: unused,
        },
      ],
    });
    host.sweep();
    const donors = host.orderOf("/p/grows").donors.map(({ number, slackBytes, floorBytes }) => ({
      path: host.cgroups.find((each) => each.number === number)?.path,
      slackMiB: slackBytes / MiB,
      floorMiB: floorBytes / MiB,
    }));
    expect(donors).toEqual([
      { path: "/p/idle", slackMiB: 178, floorMiB: 22 },
      { path: "/p/calm", slackMiB: 48, floorMiB: 52 },
      { path: "/low", slackMiB: 30, floorMiB: 30 },
      { path: "/kept", slackMiB: 10, floorMiB: 50 },
    ]);
  });

  test("one that may be rescued itself keeps so far from its limit that it need not be", () => {
    const host = three({
      cgroups: [
        {
          path: "/both",
          ownBytes: 10 * MiB,
          limitBytes: 100 * MiB,
          gives: true,
          receives: true,
          calibration: unused,
        },
      ],
    });
    host.sweep();
    const both = host.orderOf("/p/grows").donors.find(({ number }) => number === host.at("/both").number);
    expect(both?.floorBytes).toBe(10 * MiB + RESCUE.marginBytes);
  });

  test("of donors in each other one gives, and none in which the receiver lies or that lies in it", () => {
    const calibration = { minBytes: 0, medianBytes: 500 * MiB, maxBytes: 600 * MiB };
    const gives = { gives: true, calibration };
    const host = new RescueWorld({
      totalBytes: 8 * GiB,
      cgroups: [
        { path: "/top", ownBytes: 0, limitBytes: GiB, ...gives },
        { path: "/top/grows", ownBytes: 10 * MiB, limitBytes: 20 * MiB, receives: true },
        { path: "/top/grows/in", ownBytes: MiB, limitBytes: 20 * MiB, ...gives },
        { path: "/top/nest", ownBytes: MiB, limitBytes: 100 * MiB, ...gives },
        { path: "/top/nest/in", ownBytes: MiB, limitBytes: 200 * MiB, ...gives },
        { path: "/top/nest-2", ownBytes: MiB, limitBytes: 50 * MiB, ...gives },
      ],
    });
    host.sweep();
    const paths = host
      .orderOf("/top/grows")
      .donors.map(({ number }) => host.cgroups.find((each) => each.number === number)?.path);
    expect(paths).toEqual(["/top/nest/in", "/top/nest-2"]);
  });

  test("after a minute of samples the live statistics stand for themselves", () => {
    const host = three({
      cgroups: [{ path: "/new", ownBytes: 40 * MiB, limitBytes: 400 * MiB, gives: true }],
    });
    const number = host.at("/new").number;
    const gives = (): boolean => host.orderOf("/p/grows").donors.some((donor) => donor.number === number);
    host.sweeps(59);
    host.at("/new").ownBytes = 10 * MiB;
    host.sweep();
    expect(gives()).toBe(false);
    host.sweeps(2);
    expect(gives()).toBe(true);
    // Its least, of those samples, is what it uses now.
    host.at("/new").ownBytes = 39 * MiB;
    host.sweep();
    expect(host.orderOf("/p/grows").donors.find((donor) => donor.number === number)?.floorBytes).toBe(
      41 * MiB,
    );
  });
});

describe("rescues as a whole", () => {
  test("step 1 alone while the parent has room; every limit is back after its exit", () => {
    const host = three();
    host.sweep();
    expect(host.grow("/p/grows", 80 * MiB)).toBe("grown");
    expect(host.reports.map(({ step }) => step)).not.toContain(2);
    host.at("/p/grows").ownBytes = 0;
    host.sweeps(20);
    expect(host.at("/p/grows").limitBytes).toBe(100 * MiB);
    expect(host.returns.map(({ why }) => why)).toEqual(["unneeded"]);
  });

  test("step 2 where it has none: donors are reduced in proportion to their slack, and it lives", () => {
    const host = three({}, 400 * MiB);
    host.at("/p").limitBytes = 400 * MiB;
    host.sweep();
    // 170 of 400 MiB are used: 90 % of the parent would be free. Of a full parent nothing is.
    host.add({ path: "/p/filler", ownBytes: 190 * MiB, limitBytes: 190 * MiB });
    host.sweep();
    expect(host.grow("/p/grows", 20 * MiB)).toBe("grown");
    const report = host.reports[0];
    expect(report?.step).toBe(2);
    const [idle, calm] = report?.donors ?? [];
    const ratio = (idle?.reducedBytes ?? 0) / (calm?.reducedBytes ?? 1);
    expect(ratio).toBeGreaterThan(178 / 48 / 1.05);
    expect(ratio).toBeLessThan((178 / 48) * 1.05);
    host.at("/p/grows").ownBytes = 0;
    host.sweeps(20);
    for (const { limitBytes, originalBytes } of host.cgroups) expect(limitBytes).toBe(originalBytes);
  });

  test("the share of its own limit is the most that is lent, and then a limit is recommended, once", () => {
    const host = three({ rescue: { lendShareMax: 0.3 } });
    host.sweep();
    expect(host.grow("/p/grows", 80 * MiB)).toBe("killed");
    expect(host.at("/p/grows").limitBytes).toBeLessThanOrEqual(130 * MiB);
    expect(host.reports.at(-1)?.outcome).toBe("cap");
    host.sweeps(3);
    const said = host.plans.flatMap(({ recommendations }) => recommendations);
    expect(said).toEqual([
      {
        path: "/p/grows",
        limitBytes: 100 * MiB,
        recommendedBytes: expect.any(Number),
        why: "it was lent 30% of its limit, as much as lend_max allows",
      },
    ]);
    expect(said[0]?.recommendedBytes).toBeGreaterThanOrEqual(100 * MiB + RESCUE.marginBytes);
  });

  test("so many rescues within the time are the most, and then a limit is recommended, once", () => {
    const host = three({ rescue: { rescuesMax: 2, rescuesWithinMs: 60_000 } });
    host.sweep();
    for (let i = 0; i < 2; i++) {
      expect(host.grow("/p/grows", MiB)).toBe("grown");
      host.at("/p/grows").ownBytes = host.at("/p/grows").limitBytes;
      host.sweep();
    }
    expect(host.orderOf("/p/grows").lendableBytes).toBe(0);
    expect(host.grow("/p/grows", MiB)).toBe("killed");
    host.sweeps(3);
    const said = host.plans.flatMap(({ recommendations }) => recommendations);
    expect(said.map(({ why }) => why)).toEqual([
      "it was rescued 2 times within 1m, as often as rescues_max allows",
    ]);
    host.sweeps(60);
    expect(host.orderOf("/p/grows").lendableBytes).toBeGreaterThan(0);
  });

  test("a loan that is needed for good is recommended as a limit", () => {
    const host = three();
    host.sweep();
    host.grow("/p/grows", 10 * MiB);
    host.sweeps(60);
    const said = host.plans.flatMap(({ recommendations }) => recommendations);
    expect(said.map(({ why }) => why)).toEqual([
      expect.stringMatching(/^it has needed what it was lent for 5\d/),
    ]);
    // 110 MiB it was seen to use while it was lent to, and the margin.
    expect(said[0]?.recommendedBytes).toBe(114 * MiB);
  });

  test("more receivers than places: said once", () => {
    const cgroups = Array.from({ length: RESCUE_SLOTS + 3 }, (_, i) => ({
      path: `/c${String(i).padStart(4, "0")}`,
      ownBytes: MiB,
      limitBytes: 2 * MiB,
      receives: true,
    }));
    const host = new RescueWorld({ totalBytes: 8 * GiB, cgroups });
    expect(host.sweep().limitations).toEqual([expect.stringContaining("3 cgroups")]);
    expect(host.board.size).toBe(RESCUE_SLOTS);
    const first = host.at("/c0000").number;
    expect(host.sweep().limitations).toEqual([]);
    // Who has a place keeps it; who waits gets the first that is free.
    host.remove("/c0007");
    host.sweep();
    expect(host.board.get(0)?.number).toBe(first);
    expect(host.board.get(7)?.number).toBe(host.at("/c0256").number);
  });

  test("an order that did not change materially is not written anew", () => {
    const host = three();
    host.sweep();
    host.at("/p/calm").ownBytes -= 64 * 1024;
    expect(host.sweep().orders).toEqual([]);
    host.at("/p/calm").ownBytes += 8 * MiB;
    expect(host.sweep().orders.length).toBe(1);
  });
});

describe("what the rescue thread tells", () => {
  test("after any event the orders are written anew, as the thread deducts from its copies", () => {
    const host = three({ rescue: { lendShareMax: 0 } });
    host.sweep();
    expect(host.sweep().orders).toEqual([]);
    expect(host.grow("/p/grows", MiB)).toBe("killed");
    host.at("/p/grows").ownBytes = 100 * MiB;
    expect(host.reports.map(({ outcome }) => outcome)).toEqual(["cap"]);
    const [written] = host.sweep().orders;
    expect(written?.order.number).toBe(host.at("/p/grows").number);
  });

  test("a donor that refused is not asked again for a while", () => {
    const host = three();
    host.sweep();
    host.grow("/p/grows", MiB);
    const [last] = host.reports;
    check(last !== undefined, "it is rescued");
    const idle = host.at("/p/idle");
    const limits = { limitBeforeBytes: idle.limitBytes, limitAfterBytes: idle.limitBytes };
    host.tell((state) =>
      state.report({
        ...last,
        outcome: "refused",
        refusal: "memory.limit_in_bytes: EBUSY",
        donors: [{ number: idle.number, path: idle.path, reducedBytes: MiB, ...limits }],
      }),
    );
    const donors = (): number[] => host.orderOf("/p/grows").donors.map(({ number }) => number);
    host.sweep();
    expect(donors()).not.toContain(idle.number);
    expect(donors()).toContain(host.at("/p/calm").number);
    host.sweeps(6);
    expect(donors()).toContain(idle.number);
  });

  test("what went back after the journal was sent counts, although it is told before all cgroups are known", () => {
    const host = three();
    host.sweep();
    host.grow("/p/grows", 20 * MiB);
    host.sweep();
    const grows = host.at("/p/grows");
    host.restart();
    const lentBytes = grows.limitBytes - grows.originalBytes;
    grows.limitBytes -= MiB;
    host.tell((state) =>
      state.returned({
        number: grows.number,
        path: grows.path,
        why: "unneeded",
        outcome: "returned",
        refusal: null,
        returnedBytes: MiB,
        limitAfterBytes: grows.limitBytes,
        donors: [],
        timeUs: host.nowUs,
        wallMs: 0,
      }),
    );
    host.sweep();
    expect(host.state.cgroups.get(grows.number)?.lentBytes).toBe(lentBytes - MiB);
  });
});

describe("what was lent goes back", () => {
  test("when it was not needed for the time, and not a moment earlier", () => {
    const host = three();
    host.sweep();
    host.grow("/p/grows", 10 * MiB);
    const raisedUs = host.reports.at(-1)?.raisedUs ?? Number.NaN;
    host.at("/p/grows").ownBytes = 20 * MiB;
    while (host.returns.length === 0 && host.nowUs < raisedUs + 60 * SECOND_US) host.sweep();
    const waited = (host.nowUs - raisedUs) / SECOND_US;
    expect(waited).toBeGreaterThanOrEqual(5);
    expect(waited).toBeLessThanOrEqual(7);
  });

  test("in part, as far as it stays away from what the kernel would speak of", () => {
    const host = three();
    host.sweep();
    host.grow("/p/grows", 60 * MiB);
    const lentBytes = host.at("/p/grows").limitBytes - 100 * MiB;
    host.at("/p/grows").ownBytes = 100 * MiB;
    host.sweeps(10);
    const { limitBytes } = host.at("/p/grows");
    expect(limitBytes).toBeLessThan(100 * MiB + lentBytes);
    expect(limitBytes).toBeGreaterThanOrEqual(100 * MiB + 1.5 * RESCUE.marginBytes);
    // It is what it needs: there is no more to return, and none is asked for.
    host.sweeps(10);
    expect(host.at("/p/grows").limitBytes).toBe(limitBytes);
  });

  test("a rescue soon after a return doubles the wait, up to sixteenfold, and long quiet ends that", () => {
    const host = three();
    host.sweep();
    const waits: number[] = [];
    for (let i = 0; i < 7; i++) {
      host.at("/p/grows").ownBytes = host.at("/p/grows").limitBytes;
      host.grow("/p/grows", 4 * MiB);
      host.deliver();
      waits.push(host.state.cgroups.get(host.at("/p/grows").number)?.patience ?? 0);
      host.at("/p/grows").ownBytes = 0;
      for (let s = 0; s < 200 && host.at("/p/grows").limitBytes > 100 * MiB; s++) host.sweep();
      host.sweep();
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 16, 16]);
    host.sweeps(4 * 80 + 10);
    host.at("/p/grows").ownBytes = 100 * MiB;
    host.grow("/p/grows", 4 * MiB);
    host.deliver();
    expect(host.state.cgroups.get(host.at("/p/grows").number)?.patience).toBe(1);
  });

  /** The one that grows was lent 20 MiB and more by the two others. */
  function lent(): RescueWorld {
    const host = three({ rescue: { globalThreshold: 0 } });
    host.sweep();
    host.grow("/p/grows", 20 * MiB);
    host.sweep();
    expect(host.at("/p/idle").limitBytes).toBeLessThan(200 * MiB);
    return host;
  }

  test("at once to a donor that comes near its limit or above its median, as far as the receiver can do without", () => {
    const host = lent();
    host.at("/p/idle").ownBytes = 90 * MiB;
    host.sweeps(2);
    // The receiver uses all of it.
    expect(host.at("/p/idle").limitBytes).toBeLessThan(200 * MiB);
    host.at("/p/grows").ownBytes = 60 * MiB;
    host.sweep();
    expect(host.at("/p/idle").limitBytes).toBe(200 * MiB);
    expect(host.returns.at(-1)).toMatchObject({ why: "donor-needs", donors: [{ path: "/p/idle" }] });
    // It is not asked again at once, even if it uses less.
    host.at("/p/idle").ownBytes = 10 * MiB;
    host.sweep();
    const numbers = host.orderOf("/p/grows").donors.map(({ number }) => number);
    expect(numbers).toEqual([host.at("/p/calm").number]);
  });

  test("to the donors, when the receiver is gone", () => {
    const host = lent();
    host.remove("/p/grows");
    host.sweep();
    expect(host.at("/p/idle").limitBytes).toBe(200 * MiB);
    expect(host.at("/p/calm").limitBytes).toBe(100 * MiB);
    expect(host.returns.at(-1)).toMatchObject({ why: "receiver-gone", returnedBytes: 0 });
    host.sweep();
    expect(host.state.loans.none).toBe(true);
  });

  test("to nobody, what a donor lent that is gone; the receiver's limit comes down all the same", () => {
    const host = lent();
    host.remove("/p/idle");
    host.at("/p/grows").ownBytes = 0;
    host.sweeps(10);
    expect(host.at("/p/grows").limitBytes).toBe(100 * MiB);
    expect(host.at("/p/calm").limitBytes).toBe(100 * MiB);
  });

  test("when the policy names the receiver no longer, as far as it can do without at once", () => {
    const host = lent();
    const terms = { ...host.terms, mayReceive: () => false };
    host.adopt(terms);
    host.sweep();
    expect(host.at("/p/grows").limitBytes).toBeGreaterThanOrEqual(120 * MiB);
    expect(host.board.size).toBe(0);
    host.at("/p/grows").ownBytes = 10 * MiB;
    host.sweeps(3);
    for (const { limitBytes, originalBytes } of host.cgroups) expect(limitBytes).toBe(originalBytes);
    expect(host.returns.at(-1)?.why).toBe("policy");
  });

  test("an owner's word on the receiver's limit ends the loan: donors get theirs back, the limit stays", () => {
    const host = lent();
    host.at("/p/grows").limitBytes = 300 * MiB;
    host.sweeps(5);
    expect(host.at("/p/grows").limitBytes).toBe(300 * MiB);
    expect(host.at("/p/idle").limitBytes).toBe(200 * MiB);
    expect(host.returns.at(-1)?.why).toBe("limit-changed");
    expect(host.orderOf("/p/grows").lendableBytes).toBe(300 * MiB);
  });

  test("what waits is asked for again", () => {
    const host = lent();
    host.at("/p/grows").ownBytes = 0;
    const number = host.at("/p/grows").number;
    for (let s = 0; s < 100 && host.returns.length === 0; s++) {
      // Between the look and the writing it grows.
      host.beforeReturns = (returns) => {
        if (returns.length > 0) host.at("/p/grows").ownBytes = 115 * MiB;
      };
      host.sweep();
    }
    expect(host.returns[0]?.outcome).toBe("waits");
    host.beforeReturns = () => {};
    host.at("/p/grows").ownBytes = 0;
    host.sweeps(20);
    expect(host.state.rescueActive(number)).toBe(false);
    expect(host.at("/p/grows").limitBytes).toBe(100 * MiB);
  });

  test("after a restart too, by what the journal says", () => {
    const host = lent();
    host.restart();
    host.sweep();
    for (const path of ["/p/grows", "/p/idle", "/p/calm"])
      expect(host.state.rescueActive(host.at(path).number)).toBe(true);
    expect(host.orderOf("/p/grows").lendableBytes).toBe(200 * MiB - host.at("/p/grows").limitBytes);
    host.at("/p/grows").ownBytes = 0;
    host.sweeps(10);
    for (const { limitBytes, originalBytes } of host.cgroups) expect(limitBytes).toBe(originalBytes);
  });

  test("to donors whose receiver went while nobody watched", () => {
    const host = lent();
    host.remove("/p/grows");
    host.restart();
    host.sweeps(2);
    expect(host.at("/p/idle").limitBytes).toBe(200 * MiB);
    expect(host.at("/p/calm").limitBytes).toBe(100 * MiB);
  });
});
