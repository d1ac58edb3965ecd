/** When what was lent goes back, on small hosts of known figures. */
import { describe, expect, test } from "vitest";
import { check, MiB, RESCUE, SECOND_US, three, type WorldSpec } from "../support/rescue-spec.ts";
import { RescueWorld } from "../support/rescue-world.ts";

function newThree(over: Partial<WorldSpec> = {}): RescueWorld {
  return new RescueWorld(three(over));
}

describe("what the rescue thread tells", () => {
  test("after any event the orders are written anew, as the thread deducts from its copies", () => {
    const host = newThree({ rescue: { lendShareMax: 0 } });
    host.sweep();
    expect(host.sweep().orders).toEqual([]);
    expect(host.grow("/p/grows", MiB)).toBe("killed");
    host.at("/p/grows").ownBytes = 100 * MiB;
    expect(host.reports.map(({ outcome }) => outcome)).toEqual(["cap"]);
    const [written] = host.sweep().orders;
    expect(written?.order.number).toBe(host.at("/p/grows").number);
  });

  test("a donor that refused is not asked again for a while", () => {
    const host = newThree();
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
    const host = newThree();
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
    const host = newThree();
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
    const host = newThree();
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
    const host = newThree();
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
    const host = newThree({ rescue: { globalThreshold: 0 } });
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
