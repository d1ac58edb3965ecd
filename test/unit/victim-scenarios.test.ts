import { describe, expect, test } from "vitest";
import type { MemoryHolders, ProcessRow, VictimQuestion } from "../../src/core/victim/candidate.ts";
import { rankVictims } from "../../src/core/victim/rank.ts";

const MiB = 2 ** 20;
const GiB = 2 ** 30;
const HZ = 100;
const MINUTE = 60;
const HOUR = 3600;
const DAY = 24 * HOUR;
const NOW_TICKS = 60 * DAY * HZ;

type RowOptions = Partial<ProcessRow> & { readonly ageSeconds?: number };

/** A process of its own session and process group, child of init, an hour old, that holds nothing and does not grow. */
function row(pid: number, { ageSeconds = HOUR, ...fields }: RowOptions = {}): ProcessRow {
  return {
    pid,
    startTicks: NOW_TICKS - ageSeconds * HZ,
    ppid: 1,
    processGroup: pid,
    session: pid,
    uid: 1000,
    kernelThread: false,
    zombie: false,
    residentBytes: fields.anonBytes ?? 0,
    anonBytes: 0,
    swapBytes: 0,
    ownSharedBytes: 0,
    oomScoreAdj: 0,
    cgroupId: null,
    cgroupAsOne: false,
    preference: 0,
    never: false,
    grownBytes: 0,
    ...fields,
  };
}

const init = row(1, { ppid: 0, ageSeconds: 59 * DAY, anonBytes: 8 * MiB });
const guard = row(50, { anonBytes: 60 * MiB, ageSeconds: 20 * DAY });

/** A host of 16 GiB at its critical line, all of it in processes unless said otherwise. */
function ask(
  processes: readonly ProcessRow[],
  {
    holders,
    ...fields
  }: Partial<Omit<VictimQuestion, "holders">> & { holders?: Partial<MemoryHolders> } = {},
): VictimQuestion {
  return {
    processes: [init, guard, ...processes],
    holders: {
      totalBytes: 16 * GiB,
      availableBytes: 0.5 * GiB,
      anonBytes: 14 * GiB,
      sharedBytes: 64 * MiB,
      hugePagesBytes: 0,
      kernelBytes: 512 * MiB,
      swapUsedBytes: 0,
      ...holders,
    },
    shortfallBytes: 800 * MiB,
    nowTicks: NOW_TICKS,
    ticksPerSecond: HZ,
    unit: "auto",
    minimumBytes: 10 * MiB,
    ownPid: guard.pid,
    stuck: new Set(),
    ...fields,
  };
}

/** `count` rows with pids from `first` on. */
function rows(first: number, count: number, options: (i: number) => RowOptions): ProcessRow[] {
  return Array.from({ length: count }, (_, i) => row(first + i, options(i)));
}

function winner(question: VictimQuestion): string {
  const { candidates, sparing } = rankVictims(question);
  const [best] = candidates;
  return sparing !== null ? sparing.why : best === undefined ? "nobody" : `${best.kind} ${best.id}`;
}

const database = row(200, { anonBytes: 9 * GiB, ageSeconds: 20 * DAY });

describe("one process is the hog", () => {
  test("the young leak is ended, not the old database nine times its size", () => {
    const leak = row(300, { anonBytes: 1 * GiB, grownBytes: 700 * MiB, ageSeconds: MINUTE });
    expect(winner(ask([database, leak]))).toBe("process 300");
  });

  test("a leak that cannot cover the shortfall alone is still ended before the database", () => {
    const leak = row(300, { anonBytes: 400 * MiB, grownBytes: 350 * MiB, ageSeconds: MINUTE });
    expect(winner(ask([database, leak]))).toBe("process 300");
  });

  test("growth that is noise does not outweigh what covers the shortfall", () => {
    const noisy = row(300, { anonBytes: 60 * MiB, grownBytes: 8 * MiB, ageSeconds: DAY });
    expect(winner(ask([database, noisy]))).toBe("process 200");
  });

  test("a tab of 79 MB with oom_score_adj 300 does not die for a growing process of 3 GB", () => {
    const tab = row(400, { anonBytes: 79 * MiB, oomScoreAdj: 300, ageSeconds: MINUTE });
    const leak = row(401, { anonBytes: 3 * GiB, grownBytes: 100 * MiB, ageSeconds: HOUR });
    expect(winner(ask([tab, leak]))).toBe("process 401");
  });

  test("nor for an idle one, even where the tab alone would cover the shortfall", () => {
    const tab = row(400, { anonBytes: 79 * MiB, oomScoreAdj: 300 });
    const idle = row(401, { anonBytes: 3 * GiB });
    expect(winner(ask([tab, idle], { shortfallBytes: 50 * MiB }))).toBe("process 401");
  });

  test("oom_score_adj decides between equals", () => {
    const equal = { anonBytes: 2 * GiB };
    const tabs = [
      row(400, equal),
      row(401, { ...equal, oomScoreAdj: 300 }),
      row(402, { ...equal, oomScoreAdj: -300 }),
    ];
    expect(rankVictims(ask(tabs)).candidates.map((c) => c.pid)).toEqual([401, 400, 402]);
  });

  test("swap counts as what comes back", () => {
    const swapped = row(300, { anonBytes: 10 * MiB, swapBytes: 2 * GiB });
    const resident = row(301, { anonBytes: 500 * MiB });
    expect(winner(ask([swapped, resident], { holders: { swapUsedBytes: 2 * GiB } }))).toBe("process 300");
  });
});

describe("nothing grows any more", () => {
  const jvm = row(200, { anonBytes: 8 * GiB, ageSeconds: 10 * DAY });

  test("a burst that ended and gave its memory back is left alone: the big idle JVM covers the shortfall", () => {
    const burst = row(300, { anonBytes: 90 * MiB, ageSeconds: 2 * MINUTE });
    expect(winner(ask([jvm, burst]))).toBe("process 200");
  });

  test("a burst that ended and kept its memory covers the shortfall too, and has less work to lose", () => {
    const burst = row(300, { anonBytes: 2 * GiB, ageSeconds: 2 * MINUTE });
    expect(winner(ask([jvm, burst]))).toBe("process 300");
  });
});

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

describe("shared memory", () => {
  const backends = rows(500, 40, (i) => ({
    ppid: i === 0 ? 1 : 500,
    // PostgreSQL gives every backend a session of its own.
    residentBytes: 4 * GiB,
    anonBytes: i === 0 ? 20 * MiB : 30 * MiB,
  }));

  test("postgres: buffers mapped by forty backends are counted to none of them", () => {
    const leak = row(300, { anonBytes: 2 * GiB, grownBytes: 1 * GiB, ageSeconds: MINUTE });
    const { candidates } = rankVictims(ask([...backends, leak], { holders: { sharedBytes: 4 * GiB } }));
    expect(candidates[0]?.pid).toBe(300);
    expect(candidates.slice(1).every((c) => c.recoverableBytes <= 30 * MiB)).toBe(true);
  });

  test("where the anonymous part was not read, the guess leaves the shared buffers out", () => {
    const unread = backends.map((backend) => ({ ...backend, anonBytes: null }));
    const holders = { sharedBytes: 4 * GiB, anonBytes: 2 * GiB };
    const best = rankVictims(ask(unread, { holders, shortfallBytes: 100 * MiB })).candidates[0];
    expect(best?.recoverableBytes).toBeGreaterThan(10 * MiB);
    expect(best?.recoverableBytes).toBeLessThan(100 * MiB);
  });

  test("a full tmpfs: nobody is ended, the record says what holds the memory", () => {
    const small = rows(600, 20, () => ({ anonBytes: 100 * MiB }));
    const holders = { sharedBytes: 12 * GiB, anonBytes: 2 * GiB };
    const { candidates, sparing } = rankVictims(ask(small, { holders }));
    expect(candidates.length).toBeGreaterThan(0);
    expect(sparing).toEqual({ why: "held-elsewhere", holder: "shared", heldBytes: 12 * GiB });
  });

  test("beside a full tmpfs, the one that is growing is ended all the same", () => {
    const leak = row(300, { anonBytes: 700 * MiB, grownBytes: 600 * MiB, ageSeconds: MINUTE });
    const holders = { sharedBytes: 12 * GiB, anonBytes: 2 * GiB };
    expect(winner(ask([leak], { holders }))).toBe("process 300");
  });

  test("beside a full tmpfs, an innocent that covers the shortfall but is no answer to it is spared", () => {
    const editor = row(300, { anonBytes: 900 * MiB });
    const holders = { sharedBytes: 12 * GiB, anonBytes: 2 * GiB };
    expect(winner(ask([editor], { holders }))).toBe("held-elsewhere");
  });

  test("shared memory that one process alone maps ends with it", () => {
    const owner = row(300, { anonBytes: 10 * MiB, ownSharedBytes: 10 * GiB });
    expect(winner(ask([owner], { holders: { sharedBytes: 10 * GiB, anonBytes: 3 * GiB } }))).toBe(
      "process 300",
    );
  });

  test.each([
    ["huge-pages", { hugePagesBytes: 9 * GiB }],
    ["kernel", { kernelBytes: 9 * GiB }],
  ] as const)("%s hold most: nobody is ended", (holder, held) => {
    const small = row(300, { anonBytes: 300 * MiB });
    expect(rankVictims(ask([small], { holders: held })).sparing).toEqual({
      why: "held-elsewhere",
      holder,
      heldBytes: 9 * GiB,
    });
  });
});

describe("who must not end", () => {
  test("nothing but protected: no candidate, and every reason counted", () => {
    const parentOfGuard = row(40, { anonBytes: GiB });
    const own = { ...guard, ppid: 40 };
    const protectedRows = [
      row(2, { kernelThread: true, processGroup: 0, session: 0 }),
      row(60, { anonBytes: 9 * GiB, never: true, ppid: 61 }),
      row(61, { anonBytes: 1 * GiB }),
      row(62, { anonBytes: 1 * GiB, oomScoreAdj: -1000 }),
      row(63, { anonBytes: 1 * GiB, zombie: true }),
      row(64, { anonBytes: 1 * GiB }),
      row(65, { anonBytes: 1 * MiB }),
    ];
    const stuck = new Set([`64:${row(64).startTicks}`]);
    const question = { ...ask([], { stuck }), processes: [init, own, parentOfGuard, ...protectedRows] };
    expect(rankVictims(question)).toEqual({
      candidates: [],
      sparing: { why: "no-candidate" },
      excluded: {
        init: 1,
        guard: 2,
        "kernel-thread": 1,
        never: 1,
        "oom-score-adj": 1,
        supervisor: 1,
        zombie: 1,
        stuck: 1,
        "too-small": 1,
      },
    });
  });

  test("a stuck pid that belongs to another process by now is a candidate", () => {
    const stuck = new Set(["300:1"]);
    expect(winner(ask([row(300, { anonBytes: GiB })], { stuck }))).toBe("process 300");
  });

  test("of two rows with one pid, the one that started last is the process", () => {
    const gone = row(300, { anonBytes: 9 * GiB, ageSeconds: DAY });
    const here = row(300, { anonBytes: 1 * GiB, ageSeconds: MINUTE });
    const { candidates, excluded } = rankVictims(ask([gone, here]));
    expect(candidates.map((c) => [c.pid, c.startTicks, c.recoverableBytes])).toEqual([
      [300, here.startTicks, GiB],
    ]);
    expect(excluded["duplicate"]).toBe(1);
  });
});

describe("prefer and avoid", () => {
  const equal = { anonBytes: 2 * GiB };

  test("prefer comes first and avoid last among equals", () => {
    const three = [
      row(300, equal),
      row(301, { ...equal, preference: -1 }),
      row(302, { ...equal, preference: 1 }),
    ];
    expect(rankVictims(ask(three)).candidates.map((c) => c.pid)).toEqual([302, 300, 301]);
  });

  test("an avoided process that alone is the cause is ended all the same", () => {
    const avoided = row(300, { anonBytes: 2 * GiB, grownBytes: 1 * GiB, preference: -1, ageSeconds: MINUTE });
    expect(winner(ask([database, avoided]))).toBe("process 300");
  });

  test("a group is as dear as its dearest member", () => {
    const jobs = rows(2000, 20, (i) => ({
      processGroup: 2000,
      session: 250,
      anonBytes: 200 * MiB,
      preference: i === 3 ? -1 : 0,
    }));
    const group = rankVictims(ask(jobs, { unit: "group" })).candidates[0];
    expect(group?.parts.preference).toBeLessThan(0);
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

describe("ties", () => {
  test("many equal: the younger, then the higher pid; ten are named", () => {
    const equals = rows(800, 60, () => ({ anonBytes: 100 * MiB }));
    const { candidates } = rankVictims(ask(equals));
    expect(candidates.map((c) => c.pid)).toEqual([859, 858, 857, 856, 855, 854, 853, 852, 851, 850]);
  });
});
