import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RateAverage, Rate } from "../../src/core/net/average.ts";
import { Net, NET_COLUMNS } from "../../src/core/net/columns.ts";
import type { NetAction } from "../../src/core/net/action.ts";
import { RatesState } from "../../src/core/net/rates.ts";
import { burstBytes, queuePackets } from "../../src/core/net/shape.ts";
import type { RatesPolicy } from "../../src/core/policy/resources.ts";
import type { ResourceChange, ResourceOutcome, ResourceReport } from "../../src/core/resources/report.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const MB = 1_000_000;
const POLICY: RatesPolicy = {
  intervalMs: 1000,
  interfaces: ["vxlan*"],
  window: 20,
  bytesPerSecond: 175 * MB,
  packetsPerSecond: 28_000,
  downBytesPerSecond: 1000 * MB,
  downPacketsPerSecond: 36_000,
  steps: [
    { bytesPerSecond: 250 * MB, delayMs: 0 },
    { bytesPerSecond: 125 * MB, delayMs: 0 },
    { bytesPerSecond: 50 * MB, delayMs: 10 },
  ],
  stepMs: 5000,
  relaxMs: 30_000,
  down: true,
};

/** An interface, a lane that does what it is told, and a second that passes at each turn. */
class Scene {
  nowUs = 1_000_000_000;
  outcome: ResourceOutcome = "done";
  readonly state: RatesState;
  readonly actions: NetAction[] = [];
  readonly changes: ResourceChange[] = [];
  readonly #frame = new Float64Array(NET_COLUMNS.length);

  constructor(policy: RatesPolicy | null = POLICY, never: string[] = []) {
    this.state = new RatesState({ policy, never, dryRun: false }, "t");
    this.state.names([{ number: 7, name: "vxlan7", about: {} }], []);
    this.#frame[Net.interface] = 7;
  }

  /** Seconds at these rates. */
  run(seconds: number, bytes: number, packets = bytes / 1500): void {
    for (let i = 0; i < seconds; i++) {
      this.nowUs += 1_000_000;
      this.#frame[Net.timeUs] = this.nowUs;
      this.#frame[Net.sentBytes] = (this.#frame[Net.sentBytes] as number) + bytes;
      this.#frame[Net.sentPackets] = (this.#frame[Net.sentPackets] as number) + packets;
      this.state.row(this.#frame);
      const { changes, action } = this.state.step(this.nowUs);
      this.changes.push(...changes);
      if (action === null) continue;
      this.actions.push(action);
      this.state.take(reportOf(action, this.outcome), this.nowUs);
    }
  }

  get orders(): unknown[] {
    return this.actions.map(({ order }) => (order.do === "squeeze" ? order.bytesPerSecond / MB : order.do));
  }
}

function reportOf({ id, subject, order, why }: NetAction, outcome: ResourceOutcome): ResourceReport {
  const lists = { victims: [], steps: [], candidates: [] };
  const times = { wallMs: 0, tookMs: 0 };
  const verb = order.do;
  return {
    id,
    resource: "net",
    subject,
    verb,
    target: subject,
    outcome,
    why,
    before: {},
    after: {},
    dryRun: false,
    ...lists,
    ...times,
  };
}

describe("an interface that sends too much", () => {
  test("is squeezed by the first step that it feels, then by each further one, then put down", () => {
    const scene = new Scene();
    scene.run(60, 200 * MB, 20_000);
    expect(scene.orders).toEqual([125, 50, "down"]);
    expect(scene.actions[0]?.numbers["sentBytesPerSecond"]).toBe(200 * MB);
    expect(scene.changes.map(({ change, subject }) => [subject, change])).toEqual([["vxlan7", "began"]]);
    const [first, second] = scene.actions.map(({ atUs }) => atUs / 1000) as [number, number];
    expect(second - first).toBeGreaterThanOrEqual(POLICY.stepMs);
  });

  test("by packets is squeezed from the first step on", () => {
    const scene = new Scene();
    scene.run(15, 2 * MB, 30_000);
    expect(scene.orders).toEqual([250]);
  });

  test("is left alone below its limits, before the average settles, and when it is not meant", () => {
    const calm = new Scene();
    calm.run(100, 170 * MB, 27_000);
    const short = new Scene();
    short.run(9, 900 * MB);
    const never = new Scene(POLICY, ["vxlan7"]);
    never.run(50, 900 * MB);
    const other = new Scene({ ...POLICY, interfaces: ["eth*"] });
    other.run(50, 900 * MB);
    for (const scene of [calm, short, never, other]) expect([scene.orders, scene.changes]).toEqual([[], []]);
  });

  test("far over its limits is put down at once, when the policy says so; up again after its time, longer each time", () => {
    const scene = new Scene();
    scene.run(12, 10 * MB, 60_000);
    expect(scene.orders).toEqual(["down"]);
    scene.run(31, 0);
    expect(scene.orders).toEqual(["down", "up"]);
    scene.run(12, 10 * MB, 60_000);
    scene.run(50, 0);
    expect(scene.orders).toEqual(["down", "up", "down"]);
    scene.run(12, 0);
    expect(scene.orders).toEqual(["down", "up", "down", "up"]);
    const squeezed = new Scene({ ...POLICY, down: false });
    squeezed.run(40, 10 * MB, 40_000);
    expect(squeezed.orders).toEqual([250, 125, 50]);
  });

  test("that calms down is let go step by step, and the level ends", () => {
    const scene = new Scene();
    scene.run(28, 200 * MB, 20_000);
    expect(scene.orders).toEqual([125, 50]);
    scene.run(200, 10 * MB, 1000);
    expect(scene.orders).toEqual([125, 50, 125, 250, "release"]);
    const relaxes = scene.actions.slice(2).map(({ atUs }) => atUs / 1000);
    expect((relaxes[1] as number) - (relaxes[0] as number)).toBeGreaterThanOrEqual(POLICY.relaxMs);
    expect(scene.changes.map(({ change }) => change)).toEqual(["began", "ended"]);
    expect(scene.state.near).toBe(false);
  });

  test("is not let go while it is between the limit and half of it", () => {
    const scene = new Scene();
    scene.run(28, 200 * MB, 20_000);
    scene.run(300, 100 * MB, 1000);
    expect(scene.orders).toEqual([125, 50]);
  });

  test("whose step was refused is not tried again for a minute, and is where it was", () => {
    const scene = new Scene();
    scene.outcome = "refused";
    scene.run(70, 200 * MB, 20_000);
    expect(scene.orders).toEqual([125]);
    scene.run(10, 200 * MB, 20_000);
    expect(scene.orders).toEqual([125, 125]);
    expect(scene.state.status()[0]?.numbers["squeezeStep"]).toBe(0);
    expect(scene.state.status()[0]?.lastAction?.outcome).toBe("refused");
  });

  test("is let go when the policy does not ask for it any more", () => {
    const scene = new Scene();
    scene.run(12, 200 * MB, 20_000);
    scene.state.adopt({ policy: null, never: [], dryRun: false });
    scene.run(2, 200 * MB, 20_000);
    expect(scene.orders).toEqual([125, "release"]);
    expect(scene.changes.at(-1)?.change).toBe("ended");
  });

  test("and is gone is forgotten; one that takes its place begins anew, under whatever name", () => {
    const scene = new Scene();
    scene.run(12, 200 * MB, 20_000);
    scene.state.names([{ number: 7, name: "vxlan8", about: {} }], []);
    expect(scene.state.status()[0]?.subject).toBe("vxlan8");
    scene.state.names([], [7]);
    expect(scene.state.status()).toEqual([]);
    scene.state.names([{ number: 7, name: "vxlan9", about: {} }], []);
    scene.run(5, 1);
    expect(scene.state.status()[0]).toMatchObject({ subject: "vxlan9", numbers: { squeezeStep: 0 } });
  });

  test("has one action under way at a time", () => {
    const scene = new Scene();
    scene.state.names([{ number: 8, name: "vxlan8", about: {} }], []);
    const frames = [7, 8].map((number) =>
      Float64Array.from(NET_COLUMNS, (_, i) => (i === Net.interface ? number : 0)),
    );
    let acted = 0;
    for (let i = 0; i < 60; i++) {
      for (const frame of frames) {
        frame[Net.timeUs] = i * 1_000_000;
        frame[Net.sentBytes] = i * 200 * MB;
        scene.state.row(frame);
      }
      if (scene.state.step(i * 1_000_000).action !== null) acted++;
    }
    expect(acted).toBe(1);
  });
});

describe("an average of rates", () => {
  const frame = new Float64Array(NET_COLUMNS.length);
  const take = (average: RateAverage, seconds: number, bytes: number): void => {
    frame[Net.timeUs] = seconds * 1_000_000;
    frame[Net.sentBytes] = bytes;
    average.take(frame, 180);
  };

  test("of a constant rate is that rate from the first on; it lies within what was seen", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1e9 }), { minLength: 1, maxLength: 50 }), (rates) => {
        const average = new RateAverage();
        let bytes = 0;
        take(average, 0, 0);
        for (const [i, rate] of rates.entries()) take(average, i + 1, (bytes += rate));
        const value = average.rates[Rate.sentBytes] as number;
        expect(value).toBeGreaterThanOrEqual(Math.min(...rates) - 1);
        expect(value).toBeLessThanOrEqual(Math.max(...rates) + 1);
      }),
      fuzzSettings(),
    );
  });

  test("takes counters that went back for a beginning, and half of its window for half of the way", () => {
    const average = new RateAverage();
    take(average, 0, 1e9);
    take(average, 1, 5);
    expect(average.rates[Rate.sentBytes]).toBeNaN();
    take(average, 2, 105);
    expect(average.rates[Rate.sentBytes]).toBeCloseTo(100, 9);
    for (let i = 3; i < 1000; i++) take(average, i, 105);
    for (let i = 0; i < 63; i++) take(average, 1000 + i, 105 + 1000 * (i + 1));
    expect(average.rates[Rate.sentBytes]).toBeGreaterThan(480);
    expect(average.rates[Rate.sentBytes]).toBeLessThan(520);
  });
});

describe("a bucket", () => {
  test("holds two packets and ten milliseconds, at any rate and packet", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1000, max: 1e10 }), fc.integer({ min: 68, max: 65_536 }), (rate, mtu) => {
        const burst = burstBytes(rate, mtu);
        expect(burst).toBeGreaterThanOrEqual(2 * mtu);
        expect(burst).toBeGreaterThanOrEqual(rate / 100);
        const packets = queuePackets(rate, 200, mtu);
        expect(packets).toBeGreaterThanOrEqual(32);
        expect(packets).toBeLessThanOrEqual(20_000);
      }),
      fuzzSettings(),
    );
  });
});
