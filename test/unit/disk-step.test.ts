import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Space, SPACE_COLUMNS } from "../../src/core/disk/columns.ts";
import { nextLookMs } from "../../src/core/disk/pace.ts";
import { Drain } from "../../src/core/disk/fill.ts";
import { DiskState } from "../../src/core/disk/state.ts";
import { decide, statusOf, takeLook, takeNames, takeReport, wantsPrepare } from "../../src/core/disk/step.ts";
import type { DiskPolicy } from "../../src/core/policy/resources.ts";
import type { ResourceOutcome, ResourceReport } from "../../src/core/resources/report.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const MIB = 2 ** 20;
const S = 1e6;
const PLACE = { files: "/data/log/*", ageMs: 0, order: "oldest", method: "auto" } as const;

const POLICY: DiskPolicy = {
  enabled: true,
  intervalMs: 5000,
  intervalMinMs: 100,
  horizonMs: 60_000,
  space: { low: { share: 0.1 }, recover: { share: 0.2 } },
  inodes: { low: { bytes: 50 }, recover: { bytes: 100 } },
  mounts: [
    {
      path: "/cache",
      enabled: true,
      space: { low: { bytes: MIB }, recover: { bytes: 2 * MIB } },
      inodes: null,
    },
    { path: "/scratch/**", enabled: false, space: null, inodes: null },
  ],
  places: [PLACE],
  abnormalFactor: 10,
  ladder: [
    { action: "log" },
    { action: "reclaim", deadlineMs: 1000 },
    { action: "sigterm", deadlineMs: 1000 },
    { action: "sigkill", deadlineMs: 1000 },
  ],
};

interface Look {
  readonly freeMiB: number | null;
  readonly freeInodes?: number | null;
  readonly mount?: number;
}

/** A mount of 100 MiB and 1000 inodes. */
class Scene {
  readonly state: DiskState;
  nowUs = 0;

  constructor(policy: Partial<DiskPolicy> = {}, path = "/data", remote = "no") {
    this.state = new DiskState({ ...POLICY, ...policy }, false, "t");
    takeNames(this.state, [{ number: 7, name: path, about: { device: "8:1", type: "ext4", remote } }], []);
  }

  look({ freeMiB, freeInodes = 1000, mount = 7 }: Look, afterUs = S) {
    this.nowUs += afterUs;
    const frame = new Float64Array(SPACE_COLUMNS.length).fill(Number.NaN);
    frame[Space.timeUs] = this.nowUs;
    frame[Space.mount] = mount;
    if (freeMiB !== null) {
      frame[Space.totalBytes] = 100 * MIB;
      frame[Space.freeBytes] = freeMiB * MIB;
      frame[Space.availableBytes] = freeMiB * MIB;
      frame[Space.inodes] = freeInodes === null ? Number.NaN : 1000;
      frame[Space.freeInodes] = freeInodes ?? Number.NaN;
    }
    return takeLook(this.state, frame);
  }

  next() {
    return decide(this.state, this.nowUs);
  }

  over(outcome: ResourceOutcome): void {
    const id = this.state.inFlight?.id ?? "none";
    takeReport(this.state, { id, outcome, verb: "x", target: null, wallMs: 1 } as ResourceReport, this.nowUs);
  }
}

describe("levels of a mount", () => {
  test("begin below low, and end only at recover", () => {
    const scene = new Scene();
    expect(scene.look({ freeMiB: 10 }).changes).toEqual([]);
    expect(scene.look({ freeMiB: 9.9 }).changes).toMatchObject([
      { subject: "/data", level: "critical", change: "began", numbers: { lowBytes: 10 * MIB } },
    ]);
    expect(scene.look({ freeMiB: 19.9 }).changes).toEqual([]);
    expect(scene.look({ freeMiB: 20 }).changes).toMatchObject([{ change: "ended" }]);
  });

  test("of inodes are apart, and there are none where the file system has no count", () => {
    const scene = new Scene();
    expect(scene.look({ freeMiB: 50, freeInodes: 49 }).changes).toMatchObject([
      { change: "began", numbers: { freeInodes: 49, lowInodes: 50 } },
    ]);
    expect(scene.next()).toMatchObject({ kind: "reclaim", room: "inodes", recover: 100 });
    expect(new Scene().look({ freeMiB: 50, freeInodes: null }).changes).toEqual([]);
  });

  test("are those of the mount's own rule, or none", () => {
    const scene = new Scene({}, "/cache");
    expect(scene.look({ freeMiB: 2 }).changes).toEqual([]);
    expect(scene.look({ freeMiB: 0.5 }).changes).toHaveLength(1);
    const off = new Scene({}, "/scratch/a");
    expect(off.look({ freeMiB: 0, freeInodes: 0 }).changes).toEqual([]);
    expect(statusOf(off.state)).toEqual([]);
  });

  test("stand while the mount does not answer, but nothing is done; its silence is told once", () => {
    const scene = new Scene();
    scene.look({ freeMiB: 5 });
    expect(scene.look({ freeMiB: null })).toEqual({ changes: [], silence: "began" });
    expect(scene.look({ freeMiB: null })).toEqual({ changes: [], silence: null });
    expect(scene.next()).toBeNull();
    expect(scene.look({ freeMiB: 5 })).toEqual({ changes: [], silence: "ended" });
    expect(scene.next()).not.toBeNull();
  });

  test("end with the mount; a look before its name counts when the name comes", () => {
    const scene = new Scene();
    scene.look({ freeMiB: 5 });
    expect(takeNames(scene.state, [], [7])).toMatchObject([{ change: "ended" }]);
    expect(scene.look({ freeMiB: 5, mount: 8 }).changes).toEqual([]);
    const thing = { number: 8, name: "/other", about: { device: "8:2", type: "ext4", remote: "no" } };
    expect(takeNames(scene.state, [thing], [])).toMatchObject([{ subject: "/other", change: "began" }]);
    expect(takeNames(scene.state, [thing], [])).toEqual([]);
  });
});

describe("what is done", () => {
  test("listed files first; where that is not enough, whoever fills it; then from the beginning", () => {
    const scene = new Scene();
    scene.look({ freeMiB: 30 });
    scene.look({ freeMiB: 5 });
    expect(scene.next()).toMatchObject({ kind: "reclaim", deadlineMs: 1000, places: [PLACE] });
    expect(scene.next()).toBeNull();
    scene.over("partly");
    // Not on the look that led to it.
    expect(scene.next()).toBeNull();
    scene.look({ freeMiB: 8 });
    expect(scene.next()).toMatchObject({
      kind: "filler",
      rungs: [{ action: "sigterm" }, { action: "sigkill" }],
    });
    scene.over("ended");
    scene.look({ freeMiB: 8 });
    expect(scene.next()).toBeNull();
    expect(scene.next()).toMatchObject({ kind: "reclaim" });
  });

  test("without places the filler at once; what helped nobody waits before it is tried again", () => {
    const scene = new Scene({ places: [] });
    scene.look({ freeMiB: 5 });
    expect(scene.next()).toMatchObject({ kind: "filler" });
    scene.over("failed");
    for (let i = 0; i < 9; i++) {
      scene.look({ freeMiB: 5 });
      expect(scene.next()).toBeNull();
    }
    scene.look({ freeMiB: 5 }, 3 * S);
    expect(scene.next()).toMatchObject({ kind: "filler" });
  });

  test("a ladder of log lines names who fills it, seldom", () => {
    const scene = new Scene({ ladder: [{ action: "log" }] });
    scene.look({ freeMiB: 5 });
    expect(scene.next()).toMatchObject({ kind: "filler", rungs: [{ action: "log" }] });
    scene.over("noted");
    scene.look({ freeMiB: 5 }, 200 * S);
    expect(scene.next()).toBeNull();
  });

  test("one thing at a time, the reports of others are not ours", () => {
    const scene = new Scene();
    scene.look({ freeMiB: 5, freeInodes: 10 });
    expect(scene.next()).toMatchObject({ room: "space" });
    takeReport(scene.state, { id: "another" } as ResourceReport, scene.nowUs);
    expect(scene.next()).toBeNull();
    scene.over("done");
    scene.look({ freeMiB: 50, freeInodes: 10 });
    expect(scene.next()).toMatchObject({ room: "inodes" });
  });

  test("files are looked for ahead near the line, and when it would be full soon; not too often", () => {
    const near = new Scene();
    near.look({ freeMiB: 50 });
    expect(wantsPrepare(near.state, near.nowUs)).toBe(false);
    near.look({ freeMiB: 15 }, 3600 * S);
    expect(wantsPrepare(near.state, near.nowUs)).toBe(true);
    expect(wantsPrepare(near.state, near.nowUs)).toBe(false);
    const soon = new Scene();
    soon.look({ freeMiB: 90 });
    soon.look({ freeMiB: 80 });
    expect(wantsPrepare(soon.state, soon.nowUs)).toBe(true);
    const never = new Scene({ places: [] });
    never.look({ freeMiB: 1 });
    expect(wantsPrepare(never.state, never.nowUs)).toBe(false);
  });

  test("the status of a mount has both rooms, and when the first is full", () => {
    const scene = new Scene();
    scene.look({ freeMiB: 90 });
    scene.look({ freeMiB: 80 });
    const [status] = statusOf(scene.state);
    expect(status).toMatchObject({
      subject: "/data",
      level: "none",
      numbers: { availableBytes: 80 * MIB, availableShare: 0.8, freeInodes: 1000 },
    });
    const rate = status?.numbers["fillBytesPerSecond"] as number;
    expect(rate / MIB).toBeGreaterThan(9);
    expect(rate / MIB).toBeLessThanOrEqual(10);
    expect(status?.timeToExhaustionMs).toBeCloseTo((80 * MIB * 1000) / rate, -1);
  });
});

test("whatever the looks are: one action at a time, only at a level that stands, and its report is always taken", () => {
  const step = fc.record({
    freeMiB: fc.option(fc.double({ min: 0, max: 100, noNaN: true })),
    freeInodes: fc.option(fc.integer({ min: 0, max: 1000 })),
    afterUs: fc.integer({ min: 1, max: 20 * S }),
    outcome: fc.constantFrom<ResourceOutcome>("done", "partly", "failed", "ended", "stuck", "noted"),
    report: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const scene = new Scene();
      let under = false;
      for (const { outcome, report, afterUs, ...look } of steps) {
        scene.look(look, afterUs);
        const action = scene.next();
        if (action !== null) {
          expect(under).toBe(false);
          const room = action.room === "space" ? look.freeMiB : look.freeInodes;
          expect(room).not.toBeNull();
          const recover = action.room === "space" ? 20 : 100;
          expect(room as number).toBeLessThan(recover);
          under = true;
        }
        if (under && report) {
          scene.over(outcome);
          under = false;
        }
      }
    }),
    fuzzSettings(),
  );
});

test("the pace is the time to the line by eight, between the shortest and the calm interval", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1e9, noNaN: true }),
      fc.double({ min: 0, max: 1e12, noNaN: true }),
      (rate, free) => {
        const drain = new Drain(1);
        drain.update(0, 1e13);
        drain.update(100 * S, 1e13 - rate * 100);
        const ms = nextLookMs(drain, free, { low: 1e6, recover: 2e6 }, 5000, 100);
        expect(ms).toBeGreaterThanOrEqual(100);
        expect(ms).toBeLessThanOrEqual(5000);
        const leftMs = drain.timeToUseUs(free > 1e6 ? free - 1e6 : free) / 1000;
        if (ms > 100) expect(ms).toBeLessThanOrEqual(Math.max(100, leftMs / 8));
      },
    ),
    fuzzSettings(),
  );
});
