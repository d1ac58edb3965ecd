import { describe, expect, test } from "vitest";
import { rankVictims } from "../../src/core/victim/rank.ts";
import {
  ask,
  database,
  DAY,
  GiB,
  guard,
  init,
  MiB,
  MINUTE,
  row,
  rows,
  winner,
} from "../support/victim-host.ts";

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

  test("beside a full tmpfs, one that would be an answer but not cover the shortfall is spared", () => {
    const editor = row(300, { anonBytes: 1.5 * GiB });
    const holders = { sharedBytes: 12 * GiB, anonBytes: 2 * GiB };
    expect(winner(ask([editor], { holders, shortfallBytes: 2 * GiB }))).toBe("held-elsewhere");
  });

  test("shared memory that ends with its owners is not held elsewhere", () => {
    const owners = rows(300, 20, () => ({ ownSharedBytes: 500 * MiB }));
    expect(winner(ask(owners, { holders: { sharedBytes: 10 * GiB, anonBytes: 3 * GiB } }))).toBe(
      "process 319",
    );
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

  test("the growth of one that would not die does not hide who else is growing", () => {
    const dying = row(300, { anonBytes: 4 * GiB, grownBytes: 3 * GiB, ageSeconds: MINUTE });
    const leak = row(301, { anonBytes: 300 * MiB, grownBytes: 280 * MiB, ageSeconds: MINUTE });
    const stuck = new Set([`300:${dying.startTicks}`]);
    expect(winner(ask([database, dying, leak], { stuck }))).toBe("process 301");
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
