/** When the processors' level begins and ends, what is done then, and what is not. */
import { describe, expect, test } from "vitest";
import { rehearse } from "../../src/core/cpu/rehearsal.ts";
import { CpuHost } from "../support/cpu-host.ts";

const CORES = 4;

/** A host whose processors are all in use, by one process that spins on each. */
function overloaded(policy = {}): CpuHost {
  const host = new CpuHost(CORES, policy);
  for (let pid = 100; pid < 100 + CORES; pid++) host.add(pid, { cores: 1 });
  return host;
}

function began(host: CpuHost): number {
  return host.changes.filter(({ change }) => change === "began").length;
}

describe("the level", () => {
  test("begins when the average has been at the line in five samples in a row", () => {
    const host = new CpuHost(CORES);
    host.pass(600);
    for (let pid = 100; pid < 100 + CORES; pid++) host.add(pid, { cores: 1 });
    // An EWMA over 60 that starts at 0 is at 0.9 after ln 0.1 / ln (59 / 61) = 69.1 samples of 1; four more follow.
    host.pass(73);
    expect(began(host)).toBe(0);
    host.pass(1);
    expect(host.changes).toMatchObject([
      { resource: "cpu", subject: "host", level: "critical", change: "began" },
    ]);
    expect(host.changes[0]?.numbers["averageShare"]).toBeGreaterThanOrEqual(0.9);
  });

  test("begins with the first sample, but not by one second of load, nor by a few when the guard has just begun", () => {
    const one = new CpuHost(CORES);
    one.pass(2, 1);
    one.pass(100, 0);
    expect(one.changes).toEqual([]);
    const few = overloaded();
    few.pass(15);
    expect(few.changes).toEqual([]);
    few.pass(10);
    expect(began(few)).toBe(1);
  });

  test("does not begin below the line, nor end above where it is to end", () => {
    const below = new CpuHost(CORES);
    below.pass(300, 0.89);
    expect(below.changes).toEqual([]);
    const held = overloaded();
    held.pass(60);
    for (let pid = 101; pid < 100 + CORES; pid++) held.end(pid);
    held.pass(300, 0.6);
    expect(held.changes.map(({ change }) => change)).toEqual(["began"]);
    held.pass(60, 0.4);
    expect(held.changes.map(({ change }) => change)).toEqual(["began", "ended"]);
  });

  test("a late sample has the weight of those that were missed", () => {
    const host = new CpuHost(CORES, { intervalMs: 100 });
    // Each second stands for ten intervals of 100 ms: 7 of them for 69 samples.
    host.pass(20);
    host.pass(6, 1);
    expect(host.state.load?.averageShare).toBeLessThan(0.9);
    host.pass(2, 1);
    expect(host.state.load?.averageShare).toBeGreaterThan(0.9);
  });
});

describe("what is done", () => {
  test("a ladder for whoever creates the load, once, until its report is here", () => {
    const host = overloaded();
    host.pass(200);
    expect(host.orders).toHaveLength(1);
    expect(host.orders[0]).toMatchObject({ kind: "ladder", culprit: { kind: "process", pid: 103 } });
    expect(host.orders[0]?.kind === "ladder" && host.orders[0].others.map(({ pid }) => pid)).toEqual([
      102, 101, 100,
    ]);
  });

  test("after a report five more samples, and another one; the first is not chosen again", () => {
    const host = overloaded();
    host.pass(60);
    host.report("stuck");
    host.pass(4);
    expect(host.orders).toHaveLength(1);
    host.pass(1);
    expect(host.culprits.map(({ pid }) => pid)).toEqual([103, 102]);
    expect(host.orders[0]?.id).not.toBe(host.orders[1]?.id);
  });

  test("nobody is ended for load that has gone, though the average remembers it", () => {
    const host = overloaded();
    host.pass(60);
    for (let pid = 101; pid < 100 + CORES; pid++) host.end(pid);
    host.report("ended");
    host.pass(5, 0.6);
    expect(host.state.load?.averageShare).toBeGreaterThan(0.9);
    host.pass(100, 0.6);
    expect(host.orders).toHaveLength(1);
  });

  test("what was imposed is undone when the level ends, also while the ladder is still climbed", () => {
    const host = overloaded();
    host.pass(60);
    for (let pid = 100; pid < 100 + CORES; pid++) host.end(pid);
    host.pass(60);
    expect(host.orders.map(({ kind }) => kind)).toEqual(["ladder", "undo"]);
    host.pass(60);
    expect(host.orders).toHaveLength(2);
  });

  test("a report that nobody waits for changes nothing", () => {
    const host = overloaded();
    host.pass(60);
    host.report("ended", "another's");
    host.pass(60);
    expect(host.orders).toHaveLength(1);
  });

  test("a dry run names the same one again after a while, not the next each five seconds", () => {
    const host = overloaded();
    host.pass(40);
    host.report("dry-run");
    host.pass(50);
    expect(host.orders).toHaveLength(1);
    host.pass(30);
    expect(host.culprits.map(({ pid }) => pid)).toEqual([103, 103]);
  });

  test("nobody who may be touched: said, and not again at each sample", () => {
    const host = new CpuHost(CORES);
    for (let pid = 100; pid < 100 + CORES; pid++) host.add(pid, { cores: 1 }, { never: true });
    host.pass(60);
    expect(host.orders).toEqual([]);
    expect(host.nobody).toEqual([expect.objectContaining({ never: CORES, init: 1, guard: 1 })]);
  });

  test("virtual machines are asked first; while one is being suspended no process is touched", () => {
    const host = overloaded();
    host.machines = "begun";
    host.pass(27);
    expect(host.asked.length).toBeGreaterThan(0);
    host.machines = "under-way";
    host.pass(60);
    expect(host.orders).toEqual([]);
    host.machines = "none";
    host.pass(5);
    expect(host.orders).toHaveLength(1);
  });

  test("an analysis that was begun anew has undone, first of all, what an earlier one may have begun", () => {
    const host = overloaded();
    host.state.inherits = true;
    host.pass(60);
    expect(host.orders.map(({ kind }) => kind)).toEqual(["undo"]);
    host.report("released");
    host.pass(5);
    expect(host.orders.map(({ kind }) => kind)).toEqual(["undo", "ladder"]);
  });
});

describe("walks", () => {
  test("a calm host is not walked; one near the line is, before the level begins", () => {
    const host = new CpuHost(CORES);
    host.pass(60, 0.5);
    expect(host.walkIntervalMs).toBe(0);
    host.pass(60, 0.75);
    expect(host.walkIntervalMs).toBe(1000);
    expect(host.state.loads.historyUs).toBeGreaterThan(0);
    host.pass(60, 0.5);
    expect(host.walkIntervalMs).toBe(0);
  });

  test("without walks, or with one that is old, nobody is chosen", () => {
    const host = overloaded();
    const walk = host.walk.bind(host);
    host.walk = () => undefined;
    host.pass(60);
    expect(host.state.level).toBe(true);
    expect(host.orders).toEqual([]);
    host.walk = walk;
    host.pass(4);
    expect(host.orders).toEqual([]);
    host.pass(3);
    expect(host.orders).toHaveLength(1);
  });
});

test("the rehearsal comes to a choice in each play, whatever the policy", () => {
  const { terms } = new CpuHost(CORES);
  expect(rehearse(terms)).toBe(8);
  const other = { ...terms.cpu, intervalMs: 100, busyShare: 0.3, recoverShare: 0.27 };
  expect(rehearse({ ...terms, cpu: other, dryRun: true })).toBe(8);
});
