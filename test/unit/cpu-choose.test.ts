/** Who creates the load: spinning processes, crowds, loops of short-lived ones; and who must not be touched. */
import { describe, expect, test } from "vitest";
import type { MutableProcessRow } from "../../src/core/memory/decision.ts";
import { CpuHost, type Doing, GUARD } from "../support/cpu-host.ts";

const SPINNER = 4000;

/** Busy processes, each for itself, that use 5 to 30 % of a processor. */
function addBusy(
  host: CpuHost,
  count: number,
  fields: (i: number) => Partial<MutableProcessRow> = () => ({}),
): void {
  for (let i = 0; i < count; i++) host.add(200 + i, { cores: 0.05 + 0.01 * ((i * 7) % 26) }, fields(i));
}

/** The first that is chosen once the level stands. @param besides load that nobody makes who can be seen */
function chosen(host: CpuHost, besides = 0): string {
  host.pass(100, besides);
  const [culprit] = host.culprits;
  return culprit === undefined ? "nobody" : `${culprit.kind} ${culprit.id}`;
}

/** A host with one that spins, among whoever else there is. */
function hostWith(
  cores: number,
  doing: Doing = { cores: 1 },
  fields: Partial<MutableProcessRow> = {},
): CpuHost {
  const host = new CpuHost(cores);
  host.add(SPINNER, doing, fields);
  return host;
}

describe("a spinning process among busy ones", () => {
  test("each for itself", () => {
    const host = hostWith(6);
    addBusy(host, 30);
    expect(chosen(host)).toBe(`process ${SPINNER}`);
  });

  test("in one process group and tree with all of them", () => {
    const host = hostWith(6, { cores: 1 }, { ppid: 199, processGroup: 199, session: 60 });
    host.add(199, {}, { session: 60 });
    addBusy(host, 30, () => ({ ppid: 199, processGroup: 199, session: 60 }));
    expect(chosen(host)).toBe(`process ${SPINNER}`);
  });

  test("apart from a group of busy ones that together use several times as much", () => {
    const host = hostWith(6);
    host.add(199, {}, { session: 60 });
    addBusy(host, 30, () => ({ ppid: 199, processGroup: 199, session: 60 }));
    expect(chosen(host)).toBe(`process ${SPINNER}`);
  });

  test("by several threads it uses more than one processor", () => {
    const host = hostWith(8, { cores: 3.5 });
    host.add(300, { cores: 1 });
    addBusy(host, 20);
    expect(chosen(host)).toBe(`process ${SPINNER}`);
  });

  test("its cpu time long ago does not make an idle one the culprit", () => {
    const host = hostWith(2, { cores: 1 });
    host.add(300, { cores: 0.9 }, { cpuTicks: 0 });
    host.add(301, {}, { cpuTicks: 10_000_000, childTicks: 10_000_000 });
    expect(chosen(host)).toBe(`process ${SPINNER}`);
  });
});

describe("crowds", () => {
  test("a fork bomb: many that each use little, and a long run queue", () => {
    const host = new CpuHost(2);
    host.running = 200;
    for (let i = 0; i < 200; i++)
      host.add(1000 + i, { cores: 0.0085 }, { ppid: i === 0 ? 1 : 999 + i, processGroup: 1000, session: 60 });
    host.add(300, { cores: 0.25 });
    expect(chosen(host)).toBe("process-group 1000");
    expect(host.culprits[0]?.members).toHaveLength(200);
  });

  test("a build of jobs, each in its own process group", () => {
    const host = new CpuHost(4);
    host.running = 32;
    host.add(999, {}, { session: 60 });
    for (let i = 0; i < 32; i++)
      host.add(1000 + i, { cores: 0.12 }, { ppid: 999, processGroup: 1000 + i, session: 60 });
    host.add(300, { cores: 0.2 });
    expect(chosen(host)).toBe("tree 999");
    expect(host.culprits[0]?.members).toHaveLength(33);
  });

  test("a loop that starts one short-lived program after another is blamed for them", () => {
    const host = new CpuHost(2);
    host.add(300, { cores: 0.7 });
    host.add(SPINNER, { cores: 0.05, reapedCores: 1 });
    expect(chosen(host, 0.1)).toBe(`process ${SPINNER}`);
  });

  test("so is one whose programs live for some seconds each", () => {
    const host = new CpuHost(2);
    host.add(300, { cores: 0.4 });
    host.add(SPINNER);
    for (let pid = 5000; pid < 5025 && host.culprits.length === 0; pid++) {
      host.add(pid, { cores: 1 }, { ppid: SPINNER, processGroup: SPINNER, session: SPINNER });
      host.pass(4, 0.3);
      host.end(pid);
    }
    expect(host.culprits[0]).toMatchObject({ kind: "process", pid: SPINNER });
  });

  test("a bomb whose members hand on and end: their group is blamed, not who lives at the moment", () => {
    const host = new CpuHost(2);
    host.running = 40;
    host.add(300, { cores: 0.3 });
    for (let second = 0; second < 60 && host.culprits.length === 0; second++) {
      for (let i = 0; i < 20; i++) host.end(10_000 + (second - 1) * 20 + i);
      for (let i = 0; i < 20; i++)
        host.add(10_000 + second * 20 + i, { cores: 0.08 }, { processGroup: 9000, session: 60 });
      host.pass(1);
    }
    expect(host.culprits[0]).toMatchObject({ kind: "process-group", id: 9000 });
  });
});

describe("those who are gone", () => {
  test("a parent is not blamed for the time of a child that ended", () => {
    const host = new CpuHost(2);
    host.add(SPINNER, { cores: 0.8 });
    host.add(300, {}, { session: 60, processGroup: 300 });
    host.add(301, { cores: 1 }, { ppid: 300, processGroup: 300, session: 60 });
    host.pass(12, 0.1);
    host.end(301);
    expect(chosen(host, 0.6)).toBe(`process ${SPINNER}`);
  });

  test("nor for one that had worked for hours before anybody looked", () => {
    const host = new CpuHost(2);
    host.add(SPINNER, { cores: 0.8 });
    host.add(300);
    host.add(301, {}, { ppid: 300, cpuTicks: 3_600_000 });
    host.pass(20, 0.6);
    host.end(301);
    expect(chosen(host, 0.6)).toBe(`process ${SPINNER}`);
  });

  test("a number that is another's now begins anew", () => {
    const host = new CpuHost(2);
    host.add(SPINNER, { cores: 0.7 });
    host.add(300, { cores: 1 });
    host.pass(12, 0.1);
    host.end(300);
    host.add(300, {}, { cpuTicks: 0 });
    expect(chosen(host, 0.65)).toBe(`process ${SPINNER}`);
  });
});

describe("who must not be touched", () => {
  const FIELDS: readonly (readonly [string, Partial<MutableProcessRow>])[] = [
    ["the policy says never", { never: true }],
    ["a thread of the kernel", { kernelThread: true }],
    ["oom_score_adj -1000", { oomScoreAdj: -1000 }],
    ["a zombie", { zombie: true }],
  ];
  test.each(FIELDS)("%s", (_, fields) => {
    const host = hostWith(2, { cores: 1 }, fields);
    host.add(300, { cores: 0.9 });
    expect(chosen(host)).toBe("process 300");
  });

  test("the guard, its ancestors, init, and the parent of who must live", () => {
    const host = new CpuHost(4);
    host.add(48, { cores: 1 });
    host.add(60, { cores: 1 });
    host.add(61, { cores: 1 }, { ppid: 60, never: true });
    host.end(GUARD);
    host.add(GUARD, { cores: 1 }, { ppid: 48 });
    host.add(300, { cores: 0.2 });
    expect(chosen(host)).toBe("process 300");
    expect(host.culprits).toHaveLength(1);
  });

  test("a crowd is left alone that holds one who must live", () => {
    const host = new CpuHost(2);
    host.running = 40;
    for (let i = 0; i < 40; i++)
      host.add(1000 + i, { cores: 0.04 }, { processGroup: 1000, session: 60, never: i === 20 });
    host.add(300, { cores: 0.3 });
    expect(chosen(host)).toBe("process 300");
  });

  test("who is avoided comes after who uses a third as much; who is preferred before who uses three times as much", () => {
    const avoided = hostWith(2, { cores: 1 }, { preference: -1 });
    avoided.add(300, { cores: 0.34 });
    expect(chosen(avoided, 0.3)).toBe("process 300");
    const preferred = hostWith(2);
    preferred.add(300, { cores: 0.34 }, { preference: 1 });
    expect(chosen(preferred, 0.3)).toBe("process 300");
  });
});

describe("units", () => {
  test("process: also of a crowd, single ones", () => {
    const host = new CpuHost(2, {}, "process");
    host.running = 40;
    for (let i = 0; i < 40; i++) host.add(1000 + i, { cores: 0.05 }, { processGroup: 1000 });
    expect(chosen(host)).toBe("process 1039");
  });

  test("group: the whole process group", () => {
    const host = new CpuHost(2, {}, "group");
    host.add(SPINNER, { cores: 0.9 }, { processGroup: 3999 });
    host.add(3999, { cores: 0.3 });
    host.add(300, { cores: 0.8 });
    expect(chosen(host)).toBe("process-group 3999");
  });

  test("a cgroup that ends as one", () => {
    const host = new CpuHost(2);
    for (let i = 0; i < 3; i++) host.add(1000 + i, { cores: 0.4 }, { cgroupId: 77, cgroupAsOne: true });
    host.add(300, { cores: 0.8 });
    expect(chosen(host)).toBe("cgroup 77");
  });
});
