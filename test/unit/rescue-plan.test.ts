/** What is planned on small hosts of known figures. */
import { describe, expect, test } from "vitest";
import { RESCUE_SLOTS } from "../../src/core/rescue/board.ts";
import { check, GiB, MiB, RESCUE, three, UNUSED, type WorldSpec } from "../support/rescue-spec.ts";
import { RescueWorld } from "../support/rescue-world.ts";

function newThree(over: Partial<WorldSpec> = {}, parentBytes = GiB): RescueWorld {
  return new RescueWorld(three(over, parentBytes));
}

describe("what there is to give", () => {
  test("is the room in everything above, up to the threshold and up to the limits", () => {
    const host = newThree();
    host.sweep();
    const order = host.orderOf("/p/grows");
    expect(order.freeBytes).toBe(Math.floor((0.9 * 1024 - 170) * 256) * 4096);
    expect(order.bearableBytes).toBe((1024 - 170) * MiB);
    expect(order.lendableBytes).toBe(100 * MiB);
    expect(order.limitBytes).toBe(100 * MiB);
  });

  test("is reckoned as if the receiver had come to its limit: until then the room is its own", () => {
    const host = newThree();
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
    const host = newThree({ totalBytes: GiB, otherBytes: 754 * MiB });
    host.sweep();
    const order = host.orderOf("/p/grows");
    // 100 MiB are available, of which 5 % of the whole stay; nine tenths of the whole are in use.
    expect(order.bearableBytes).toBe(Math.floor((100 - 51.2) * 256) * 4096);
    expect(order.freeBytes).toBe(0);
  });

  test("nothing, where the host or the usage is not known", () => {
    const host = newThree();
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
    const host = newThree({
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
    const host = newThree({
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
    const host = newThree({
      cgroups: [
        {
          path: "/kept",
          ownBytes: MiB,
          limitBytes: 60 * MiB,
          minBytes: 50 * MiB,
          gives: true,
          calibration: UNUSED,
        },
        {
          path: "/low",
          ownBytes: MiB,
          limitBytes: 60 * MiB,
          lowBytes: 30 * MiB,
          gives: true,
          calibration: UNUSED,
        },
        { path: "/used", ownBytes: 90 * MiB, limitBytes: 400 * MiB, gives: true, calibration: UNUSED },
        { path: "/strange", ownBytes: MiB, limitBytes: 400 * MiB, gives: true },
        { path: "/not", ownBytes: MiB, limitBytes: 400 * MiB, calibration: UNUSED },
        {
          path: "/open",
          ownBytes: MiB,
          limitBytes: Number.POSITIVE_INFINITY,
          gives: true,
          calibration: UNUSED,
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
    const host = newThree({
      cgroups: [
        {
          path: "/both",
          ownBytes: 10 * MiB,
          limitBytes: 100 * MiB,
          gives: true,
          receives: true,
          calibration: UNUSED,
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
    const host = newThree({
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
    const host = newThree();
    host.sweep();
    expect(host.grow("/p/grows", 80 * MiB)).toBe("grown");
    expect(host.reports.map(({ step }) => step)).not.toContain(2);
    host.at("/p/grows").ownBytes = 0;
    host.sweeps(20);
    expect(host.at("/p/grows").limitBytes).toBe(100 * MiB);
    expect(host.returns.map(({ why }) => why)).toEqual(["unneeded"]);
  });

  test("step 2 where it has none: donors are reduced in proportion to their slack, and it lives", () => {
    const host = newThree({}, 400 * MiB);
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
    const host = newThree({ rescue: { lendShareMax: 0.3 } });
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
    const host = newThree({ rescue: { rescuesMax: 2, rescuesWithinMs: 60_000 } });
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
    const host = newThree();
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
    const host = newThree();
    host.sweep();
    host.at("/p/calm").ownBytes -= 64 * 1024;
    expect(host.sweep().orders).toEqual([]);
    host.at("/p/calm").ownBytes += 8 * MiB;
    expect(host.sweep().orders.length).toBe(1);
  });
});
