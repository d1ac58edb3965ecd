/** What is decided about a disk that is saturated, second by second; any number of cgroups are in test/property/io.test.ts. */
import { describe, expect, test } from "vitest";
import { releaseAll, step, takeReport } from "../../src/core/io/step.ts";
import { IO_POLICY, IoWorld, reportOf, SDA } from "../support/io-world.ts";

const CAPACITY = 1000;

function saturatedBy(path: string, terms: ConstructorParameters<typeof IoWorld>[1] = {}): IoWorld {
  const world = new IoWorld(CAPACITY, terms);
  world.wish(path, 5000);
  world.wish("/calm", 50);
  return world;
}

const kinds = (world: IoWorld): string[] => world.actions.map(({ kind }) => kind);
const changes = (world: IoWorld) =>
  world.outputs.flatMap(({ changes: all }) => all.map(({ change }) => change));
const notes = (world: IoWorld) => world.outputs.flatMap(({ notes: all }) => all.map(({ why }) => why));

describe("the level", () => {
  test("begins when the disk has been saturated and tasks have stalled for as long as the policy says", () => {
    const world = saturatedBy("/hog", { policy: { ...IO_POLICY, ladder: [{ action: "log" }] } });
    world.run(3);
    expect(changes(world)).toEqual([]);
    world.run(1);
    expect(changes(world)).toEqual(["began"]);
    world.wish("/hog", 10);
    world.run(2);
    expect(changes(world)).toEqual(["began", "ended"]);
  });

  test("does not begin on a busy disk that nobody stalls on: it does much at once", () => {
    const world = new IoWorld(CAPACITY);
    world.wish("/hog", 999);
    world.run(20);
    expect(world.state.devices.get(SDA)?.rates.busyShare).toBeGreaterThan(0.95);
    expect(changes(world)).toEqual([]);
  });

  test("of a disk that is taken away ends with it", () => {
    const world = saturatedBy("/hog");
    world.run(4);
    world.state.names([], [SDA]);
    expect(step(world.state, world.nowUs).changes).toMatchObject([{ change: "ended", subject: "sda" }]);
    expect(world.state.status()).toEqual([]);
  });
});

describe("the heaviest cgroup", () => {
  test("is let do a share of what it does, and only in the direction it does it", () => {
    const world = saturatedBy("/hog");
    world.run(5);
    expect(world.actions).toMatchObject([{ kind: "throttle", cgroup: "/hog", subject: "sda" }]);
    const limits = world.limitOf("/hog");
    expect(limits?.reads).toBeGreaterThan(200);
    expect(limits?.reads).toBeLessThan(260);
    // A quarter of its bytes would be less than the least that anybody is given.
    expect(limits?.readBytes).toBe(IO_POLICY.bytesMinPerSecond);
    expect(limits).toMatchObject({ writtenBytes: null, writes: null });
    expect(world.limitOf("/calm")).toBeNull();
  });

  test("is throttled further while the disk is still saturated, down to the policy's minimum and no more", () => {
    const world = saturatedBy("/hog");
    world.otherReads = 5000;
    world.cgroups.get("/hog")!.demand = 50_000;
    world.run(5);
    const first = world.limitOf("/hog")?.reads as number;
    // The limit does not help: others do as much as the disk can.
    world.run(60);
    const last = world.limitOf("/hog")?.reads as number;
    expect(last).toBeLessThanOrEqual(first);
    expect(last).toBeGreaterThanOrEqual(IO_POLICY.operationsMinPerSecond);
  });

  test.for([
    ["the guard's own", "/guard"],
    ["one that the guard is in", "/"],
    ["one that the policy does not name", "/elsewhere"],
  ])("is not throttled when it is %s", ([, path]) => {
    const world = saturatedBy(path as string, {
      ownCgroup: "/guard",
      mayThrottle: (cgroup) => cgroup !== "/elsewhere",
    });
    world.run(30);
    expect(world.actions).toEqual([]);
    expect(notes(world).some((why) => why.includes("spread"))).toBe(true);
  });

  test("is the innermost of those that lie in each other", () => {
    const world = saturatedBy("/outer/inner", { nested: true });
    world.wish("/outer", 0);
    world.run(6);
    expect(world.actions[0]).toMatchObject({ kind: "throttle", cgroup: "/outer/inner" });
  });

  test("is nobody when the load is spread: that is said once", () => {
    const world = new IoWorld(CAPACITY);
    for (const path of ["/a", "/b", "/c"]) world.wish(path, 2000);
    world.run(40);
    expect(world.actions).toEqual([]);
    expect(notes(world).filter((why) => why.includes("spread"))).toHaveLength(1);
  });

  test("is not looked for when it is the guard's own log that keeps its disk busy", () => {
    const world = new IoWorld(CAPACITY, { ownDevice: SDA });
    world.wish("/small", 400);
    world.ownReads = 5000;
    world.run(30);
    expect(world.actions).toEqual([]);
    expect(notes(world)).toEqual(["nothing is done: what the device does is mostly the guard's own log"]);
  });

  test("is let be when a throttle has no effect, until the level comes again", () => {
    const world = saturatedBy("/hog");
    world.outcomeOf = () => "failed";
    world.run(60);
    expect(kinds(world)).toEqual(["throttle"]);
    world.wish("/hog", 1);
    world.run(5);
    world.wish("/hog", 5000);
    world.run(10);
    expect(kinds(world)).toEqual(["throttle", "throttle"]);
  });

  test("in a dry run is named once a level, and nothing is held of it", () => {
    const world = saturatedBy("/hog", { dryRun: true });
    world.run(60);
    expect(world.actions).toMatchObject([{ kind: "throttle", dryRun: true }]);
    expect(world.state.throttles.all).toEqual([]);
  });
});

describe("a release", () => {
  test("is tried at doubling intervals while the cgroup saturates the disk again", () => {
    const world = saturatedBy("/hog");
    world.run(200);
    const releases = world.actions.filter(({ kind }) => kind === "release").map(({ atUs }) => atUs / 1e6);
    expect(releases.length).toBeGreaterThanOrEqual(4);
    const waits = releases.slice(1).map((at, i) => at - (releases[i] as number));
    for (const [i, wait] of waits.entries()) {
      // 10 s x 2^n, and what a test takes.
      expect(wait).toBeGreaterThanOrEqual(10 * 2 ** (i + 1));
      expect(wait).toBeLessThanOrEqual(10 * 2 ** (i + 1) + 10);
    }
    const again = world.actions.filter(({ why }) => why.includes("saturated again by /hog"));
    expect(again.length).toBeGreaterThanOrEqual(3);
    expect(world.limitOf("/hog")).not.toBeNull();
  });

  test("is for good when it behaves", () => {
    const world = saturatedBy("/hog");
    world.run(6);
    world.wish("/hog", 100);
    world.run(30);
    expect(kinds(world)).toEqual(["throttle", "release"]);
    expect(world.limitOf("/hog")).toBeNull();
    expect(world.state.throttles.all).toEqual([]);
  });

  test("comes when the policy names it no more, when I/O is switched off, and when the ladder does not throttle", () => {
    for (const other of [
      { mayThrottle: () => false },
      { policy: { ...IO_POLICY, enabled: false } },
      { policy: { ...IO_POLICY, ladder: [] } },
      { dryRun: true },
    ]) {
      const world = saturatedBy("/hog");
      world.run(6);
      expect(world.limitOf("/hog")).not.toBeNull();
      world.state.adopt({ ...world.state.terms, ...other });
      world.run(2);
      expect(world.actions.at(-1)).toMatchObject({ kind: "release", cgroup: "/hog", dryRun: false });
      expect(world.limitOf("/hog")).toBeNull();
      world.run(3);
      expect(world.state.throttles.all).toEqual([]);
    }
  });

  test("that cannot be had is tried again later", () => {
    const world = saturatedBy("/hog");
    world.run(6);
    world.wish("/hog", 1);
    let refuse = true;
    world.outcomeOf = ({ kind }) => (kind === "release" ? (refuse ? "failed" : "released") : "done");
    world.run(10);
    expect(kinds(world)).toEqual(["throttle", "release"]);
    refuse = false;
    world.run(20);
    expect(kinds(world)).toEqual(["throttle", "release", "release"]);
    expect(world.state.throttles.all).toEqual([]);
  });

  test("of all is the first thing of an analysis that was begun anew, and nothing is decided before its report", () => {
    const world = saturatedBy("/hog");
    const action = releaseAll(world.state, world.nowUs);
    world.run(10);
    expect(world.actions).toEqual([]);
    takeReport(world.state, reportOf(action, "released"), world.nowUs);
    world.run(1);
    expect(kinds(world)).toEqual(["throttle"]);
  });
});

describe("the ladder", () => {
  test("runs a command, and throttles after it if the level still stands", () => {
    const ladder = [
      { action: "command", command: "true", deadlineMs: 2000 },
      { action: "throttle", share: 0.5, deadlineMs: 4000 },
    ] as const;
    const world = saturatedBy("/hog", { policy: { ...IO_POLICY, ladder } });
    world.run(6);
    expect(world.actions).toMatchObject([{ kind: "command", command: "true" }, { kind: "throttle" }]);
  });

  test("goes on past a throttle for which there is nobody", () => {
    const ladder = [
      { action: "throttle", share: 0.5, deadlineMs: 4000 },
      { action: "command", command: "true", deadlineMs: 2000 },
    ] as const;
    const world = new IoWorld(CAPACITY, { policy: { ...IO_POLICY, ladder } });
    for (const path of ["/a", "/b", "/c"]) world.wish(path, 2000);
    world.run(20);
    expect(kinds(world)).toEqual(["command"]);
  });
});
