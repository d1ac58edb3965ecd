import { describe, expect, test } from "vitest";
import type { ProcessRow } from "../../src/core/victim/candidate.ts";
import { rankVictims } from "../../src/core/victim/rank.ts";
import {
  ask,
  DAY,
  database,
  GiB,
  guard,
  init,
  MiB,
  MINUTE,
  row,
  rows,
  winner,
  type RowOptions,
} from "../support/victim-host.ts";

describe("many small members are the hog", () => {
  const bomb = (i: number): RowOptions => ({
    // Half of them have lost their parent and belong to init.
    ppid: i === 0 ? 250 : i % 2 === 0 ? 1 : 1000 + i - 1,
    processGroup: 1000,
    session: 250,
    anonBytes: 2 * MiB,
    grownBytes: 2 * MiB,
    ageSeconds: 5,
  });
  const shell = row(250, { anonBytes: 5 * MiB, ageSeconds: DAY });

  test("fork bomb: its process group, not the shell it was typed into, not the database", () => {
    const question = ask([database, shell, ...rows(1000, 2000, bomb)]);
    const [best] = rankVictims(question).candidates;
    expect(best).toMatchObject({ kind: "process-group", id: 1000, pid: 1000 });
    expect(best?.members).toHaveLength(2000);
    expect(best?.members).not.toContainEqual({ pid: 250, startTicks: shell.startTicks });
  });

  test("a fork bomb's recoverable memory is at most what anonymous memory exists", () => {
    const question = ask([shell, ...rows(1000, 2000, bomb)], { holders: { anonBytes: 1 * GiB } });
    expect(rankVictims(question).candidates[0]?.recoverableBytes).toBe(1 * GiB);
  });

  const compile = (i: number): RowOptions => ({
    ppid: i === 0 ? 250 : 2000,
    processGroup: 2000,
    session: 250,
    anonBytes: i === 0 ? 4 * MiB : 150 * MiB,
    grownBytes: i === 0 ? 0 : 100 * MiB,
    ageSeconds: i === 0 ? 10 * MINUTE : 10,
  });

  test("build storm: the whole make -j 32, as one", () => {
    const [best] = rankVictims(ask([database, shell, ...rows(2000, 33, compile)])).candidates;
    expect(best).toMatchObject({ kind: "process-group", id: 2000, pid: 2000 });
    expect(best?.members).toHaveLength(33);
  });

  test("build storm under ninja, which gives every job a process group: the tree below the shell", () => {
    const jobs = rows(2000, 33, (i) => ({ ...compile(i), processGroup: 2000 + i }));
    const [best] = rankVictims(ask([database, shell, ...jobs])).candidates;
    expect(best).toMatchObject({ kind: "tree", id: 2000, pid: 2000 });
    expect(best?.members).toHaveLength(33);
  });

  test("one runaway among many compilers: that one, not the build", () => {
    const jobs = rows(2000, 33, (i) => ({
      ...compile(i),
      ...(i === 7 ? { anonBytes: 900 * MiB, grownBytes: 800 * MiB } : { grownBytes: 1 * MiB }),
    }));
    expect(winner(ask([database, shell, ...jobs]))).toBe("process 2007");
  });

  test("a runaway with most of a growing build's growth: still that one, for a group has its price", () => {
    const jobs = rows(2000, 33, (i) => ({
      ...compile(i),
      ...(i === 7 ? { anonBytes: 900 * MiB, grownBytes: 800 * MiB } : { grownBytes: 10 * MiB }),
    }));
    expect(winner(ask([database, shell, ...jobs]))).toBe("process 2007");
  });

  test("a member that holds half of its group is the hog, not the group", () => {
    const job = rows(2000, 10, (i) => ({
      processGroup: 2000,
      session: 250,
      ...(i === 4
        ? { anonBytes: GiB, grownBytes: 450 * MiB }
        : { anonBytes: 70 * MiB, grownBytes: 61 * MiB }),
      ageSeconds: MINUTE,
    }));
    expect(winner(ask([database, ...job]))).toBe("process 2004");
  });

  test("three workers growing alike are no crowd: one at a time", () => {
    const workers = rows(2000, 3, () => ({
      processGroup: 2000,
      session: 250,
      anonBytes: GiB,
      grownBytes: 300 * MiB,
    }));
    expect(winner(ask([database, ...workers]))).toBe("process 2002");
  });

  test("a session's many unrelated jobs are not a group because one shell started them", () => {
    const jobs = rows(2000, 12, (i) => ({
      ppid: 250,
      session: 250,
      anonBytes: 500 * MiB,
      grownBytes: i < 6 ? 100 * MiB : 0,
    }));
    const { candidates } = rankVictims(ask([shell, ...jobs]));
    expect(candidates.map((c) => c.kind)).toEqual(Array(10).fill("process"));
  });

  /** A build under ninja: a wrapper, ninja, and jobs in process groups of their own, all of one session. */
  const ninja = (change: (i: number) => RowOptions = () => ({})): ProcessRow[] =>
    rows(2000, 34, (i) => ({
      ...compile(Math.min(1, i)),
      ppid: [250, 2000][i] ?? 2001,
      processGroup: 2000 + i,
      ageSeconds: [20 * MINUTE, 10 * MINUTE][i] ?? 10,
      ...change(i),
    }));
  const kinds = (processes: readonly ProcessRow[]): string[] =>
    rankVictims(ask([database, shell, ...processes])).candidates.map((c) =>
      c.kind === "tree" ? `tree ${c.id}` : c.kind,
    );

  test("a tree is named by the lowest process above what it holds", () => {
    expect(kinds(ninja()).filter((kind) => kind !== "process")).toEqual(["tree 2001"]);
  });

  test("a tree that is just its process group is named once", () => {
    expect(kinds(rows(2000, 33, compile)).filter((kind) => kind !== "process")).toEqual(["process-group"]);
  });

  test.each<[string, (i: number) => RowOptions]>([
    ["a member the kernel is told never to end", (i) => (i === 9 ? { ppid: 2008, oomScoreAdj: -1000 } : {})],
    [
      "a member in another cgroup",
      (i) => ({ cgroupId: i === 9 ? 71 : 70, ...(i === 9 ? { ppid: 2008 } : {}) }),
    ],
    ["members in sessions of their own", (i) => (i > 1 ? { session: 2000 + i } : {})],
    ["a root younger than what is said to be its children", (i) => (i < 2 ? { ageSeconds: 1 } : {})],
  ])("no tree with %s", (_, change) => {
    expect(new Set(kinds(ninja(change)))).toEqual(new Set(["process"]));
  });

  test("a desktop whose applications are in cgroups of their own is not ended for one of them", () => {
    const desktop = rows(3000, 30, (i) => ({
      ppid: i === 0 ? 1 : 3000,
      processGroup: 3000,
      session: 3000,
      cgroupId: 70 + (i % 3),
      anonBytes: 200 * MiB,
      grownBytes: 50 * MiB,
    }));
    expect(rankVictims(ask(desktop)).candidates.every((c) => c.kind === "process")).toBe(true);
  });

  test("browser: its growing tab, not the browser", () => {
    const browser = rows(3000, 20, (i) => ({
      ppid: i === 0 ? 250 : 3000,
      processGroup: 3000,
      session: 250,
      anonBytes: 300 * MiB,
      oomScoreAdj: i === 0 ? 0 : 300,
      ...(i === 9 ? { anonBytes: 2 * GiB, grownBytes: 1 * GiB } : {}),
    }));
    expect(winner(ask([shell, ...browser]))).toBe("process 3009");
  });

  test("a group that holds the guard is no candidate, and its members stay single", () => {
    const jobs = rows(2000, 33, compile);
    const own = { ...guard, processGroup: 2000, session: 250 };
    const { candidates } = rankVictims({ ...ask(jobs), processes: [init, own, ...jobs] });
    expect(candidates.length).toBeGreaterThan(0);
    expect(
      candidates.every((c) => c.kind !== "process-group" && c.members.every((m) => m.pid !== guard.pid)),
    ).toBe(true);
  });
});

describe("units", () => {
  const container = rows(700, 3, (i) => ({
    cgroupId: 99,
    cgroupAsOne: true,
    anonBytes: (i + 1) * 500 * MiB,
    grownBytes: i === 0 ? GiB : 0,
  }));

  test("memory.oom.group: the cgroup as one, never one of its processes", () => {
    const { candidates } = rankVictims(ask([database, ...container]));
    expect(candidates.map((c) => `${c.kind} ${c.id}`)).toEqual(["cgroup 99", "process 200"]);
    expect(candidates[0]?.members.map((m) => m.pid)).toEqual([700, 701, 702]);
    expect(candidates[0]?.recoverableBytes).toBe(3000 * MiB);
  });

  test("memory.oom.group with a protected member: neither the cgroup nor a part of it", () => {
    const kept = container.map((r, i) => (i === 2 ? { ...r, oomScoreAdj: -1000 } : r));
    const { candidates, excluded } = rankVictims(ask([database, ...kept]));
    expect(candidates.map((c) => c.pid)).toEqual([200]);
    expect(excluded["group-protected"]).toBe(2);
  });

  test("process: singles only, whatever else would be apt", () => {
    const { candidates } = rankVictims(ask([database, ...container], { unit: "process" }));
    expect(new Set(candidates.map((c) => c.kind))).toEqual(new Set(["process"]));
    expect(candidates).toHaveLength(4);
  });

  test("group: the process group of the leak, its small helper too", () => {
    const pipeline = [
      row(300, { processGroup: 300, anonBytes: GiB, grownBytes: GiB, ageSeconds: MINUTE }),
      row(301, { processGroup: 300, anonBytes: 2 * MiB, ageSeconds: MINUTE }),
    ];
    const [best] = rankVictims(ask([database, ...pipeline], { unit: "group" })).candidates;
    expect(best).toMatchObject({ kind: "process-group", id: 300, pid: 300 });
    expect(best?.members.map((m) => m.pid)).toEqual([300, 301]);
  });

  test("group: a leader that has gone is replaced by the oldest member", () => {
    const orphans = rows(301, 3, (i) => ({ processGroup: 300, anonBytes: GiB, ageSeconds: 100 + i }));
    expect(rankVictims(ask(orphans, { unit: "group" })).candidates[0]).toMatchObject({ id: 300, pid: 303 });
  });

  test("cgroup: the cgroup of the leak; those of the root or of an unknown one stay single", () => {
    const leak = row(300, { cgroupId: 12, anonBytes: GiB, grownBytes: GiB, ageSeconds: MINUTE });
    const helper = row(301, { cgroupId: 12, anonBytes: 5 * MiB });
    const inRoot = row(302, { cgroupId: 0, anonBytes: 2 * GiB });
    const { candidates } = rankVictims(ask([database, leak, helper, inRoot], { unit: "cgroup" }));
    expect(candidates[0]).toMatchObject({ kind: "cgroup", id: 12 });
    expect(
      candidates
        .slice(1)
        .map((c) => `${c.kind} ${c.id}`)
        .sort(),
    ).toEqual(["process 200", "process 302"]);
  });
});
