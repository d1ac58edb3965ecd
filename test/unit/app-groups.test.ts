import fc from "fast-check";
import { expect, test } from "vitest";
import { ApplicationMembers, type Kin, type SeenProcess } from "../../src/core/app/groups.ts";
import type { ApplicationPolicy } from "../../src/core/policy/applications.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const POLICY: ApplicationPolicy = {
  name: "nso",
  intervalMs: 1000,
  groups: [
    { name: "core", cmdline: "-ncs true", descendants: false, member: null },
    { name: "python", cmdline: "startup\\.py", descendants: true, member: "-i (\\S+)" },
  ],
  main: "core",
  physical: null,
  allocated: null,
  dumpDirectory: "/tmp",
  dumpLimitBytes: 1,
};

/** A host whose processes an application is told of, as the finder tells. */
class Host {
  readonly kin = new Map<number, Kin>();
  readonly members = new ApplicationMembers(POLICY);

  run(pid: number, ppid: number, line: string, startTicks = pid): void {
    const seen: SeenProcess = { pid, ppid, startTicks, argv: line === "" ? [] : line.split(" ") };
    this.kin.set(pid, seen);
    this.members.take(seen, this.kin);
  }

  end(pid: number): void {
    this.kin.delete(pid);
    this.members.remove(pid);
  }

  changes(): { joined: number[]; left: number[] } {
    const { joined, left } = this.members.takeChanges();
    return { joined: joined.map(({ pid }) => pid), left: left.map(({ pid }) => pid) };
  }

  get mainPid(): number | null {
    return this.members.main?.pid ?? null;
  }
}

test("the oldest of several is the main process, and stays it until it ends", () => {
  const host = new Host();
  host.run(30, 1, "beam -ncs true", 300);
  host.run(20, 1, "beam -ncs true", 400);
  expect(host.changes()).toEqual({ joined: [30, 20], left: [] });
  expect([host.mainPid, host.members.mains.map(({ pid }) => pid)]).toEqual([30, [30, 20]]);
  host.run(10, 1, "beam -ncs true", 200);
  host.changes();
  expect(host.mainPid).toBe(30);
  host.end(30);
  expect(host.changes().left).toEqual([30]);
  expect(host.mainPid).toBe(10);
});

test("a fork of the main process is no second one", () => {
  const host = new Host();
  host.run(20, 1, "beam -ncs true");
  host.run(21, 20, "beam -ncs true");
  host.changes();
  expect(host.members.mains.map(({ pid }) => pid)).toEqual([20]);
});

test("who only started it is not it", () => {
  const host = new Host();
  host.run(20, 1, "sudo -u ncs beam -ncs true");
  host.changes();
  host.run(21, 20, "/usr/bin/beam -ncs true");
  expect(host.changes()).toEqual({ joined: [21], left: [20] });
  host.run(20, 1, "sudo -u ncs beam -ncs true");
  expect([host.changes().joined, host.mainPid]).toEqual([[], 21]);
});

test("a restart is another process, also under the same number", () => {
  const host = new Host();
  host.run(20, 1, "beam -ncs true", 5);
  host.changes();
  host.run(20, 1, "beam -ncs true", 9);
  expect(host.changes()).toEqual({ joined: [20], left: [20] });
  expect(host.members.main?.startTicks).toBe(9);
});

test("subprocesses belong to it, and stay when their parent ends", () => {
  const host = new Host();
  host.run(20, 1, "python startup.py -i dns");
  host.run(21, 20, "sh -c true");
  host.run(22, 21, "sleep 9");
  const { joined } = host.members.takeChanges();
  expect(joined.map(({ pid, group, label, matches }) => [pid, group, label, matches])).toEqual([
    [20, "python", "dns", true],
    [21, "python", "dns", false],
    [22, "python", "dns", false],
  ]);
  host.end(20);
  host.run(22, 1, "sleep 9");
  expect(host.changes()).toEqual({ joined: [], left: [20] });
  host.run(23, 22, "sleep 1");
  expect(host.changes().joined).toEqual([23]);
});

test("children that were there before their parent became a member come with it", () => {
  const host = new Host();
  host.run(20, 1, "sh start");
  host.run(21, 20, "logger");
  host.run(22, 21, "logger");
  expect(host.changes().joined).toEqual([]);
  host.run(20, 1, "python startup.py -i dns");
  expect(host.changes().joined.toSorted((a, b) => a - b)).toEqual([20, 21, 22]);
});

test("who executes something else has left; who is just executing has not", () => {
  const host = new Host();
  host.run(20, 1, "beam -ncs true");
  host.changes();
  host.run(20, 1, "");
  expect(host.changes().left).toEqual([]);
  host.run(20, 1, "sleep 9");
  expect([host.changes().left, host.mainPid]).toEqual([[20], null]);
});

test("one that only has the number of a parent that is gone is no parent", () => {
  const host = new Host();
  host.run(30, 20, "old child", 5);
  host.run(20, 1, "python startup.py -i a", 50);
  expect(host.changes().joined).toEqual([20]);
});

const LINES = ["beam -ncs true", "python startup.py -i a", "sleep 1", "sudo beam -ncs true", ""];
const step = fc.oneof(
  fc.record({
    pid: fc.integer({ min: 2, max: 9 }),
    ppid: fc.integer({ min: 1, max: 9 }),
    line: fc.constantFrom(...LINES),
  }),
  fc.record({ end: fc.integer({ min: 2, max: 9 }) }),
);

test("whatever comes and goes, the changes told add up to who is there", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const host = new Host();
      const told = new Map<number, number>();
      for (const [tick, each] of steps.entries()) {
        if ("end" in each) host.end(each.end);
        else host.run(each.pid, each.ppid, each.line, host.kin.get(each.pid)?.startTicks ?? tick);
        const { joined, left } = host.members.takeChanges();
        for (const { pid } of left) told.delete(pid);
        for (const member of joined)
          if (host.members.isMember(member)) told.set(member.pid, member.startTicks);
        for (const [pid, startTicks] of told) expect(host.kin.get(pid)?.startTicks).toBe(startTicks);
        const { main } = host.members;
        if (main !== null) expect(told.get(main.pid)).toBe(main.startTicks);
        // Nobody who matches is left without a main process.
        const cores = [...host.kin.values()].filter(
          (kin) => (kin as SeenProcess).argv.join(" ") === "beam -ncs true",
        );
        if (cores.length > 0 && main === null) expect(cores.every(({ pid }) => !told.has(pid))).toBe(true);
      }
    }),
    fuzzSettings(),
  );
});
