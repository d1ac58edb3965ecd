import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MemoryHolders, ProcessRow, Ranking, VictimQuestion } from "../../src/core/victim/candidate.ts";
import { rankVictims } from "../../src/core/victim/rank.ts";

// A failure prints its seed; PLIMSOLL_SEED=that runs the same cases again.
const seed = process.env["PLIMSOLL_SEED"];
const runs = (numRuns: number): fc.Parameters<unknown> =>
  seed === undefined ? { numRuns } : { numRuns, seed: Number(seed) };

const MiB = 2 ** 20;
const GiB = 2 ** 30;
const NOW_TICKS = 10_000_000;
const unit = fc.constantFrom("auto", "process", "group", "cgroup" as const);

const hostileNumber = fc.oneof(
  fc.constantFrom(
    0,
    -1,
    1,
    NaN,
    Infinity,
    -Infinity,
    Number.MAX_VALUE,
    2 ** 53,
    2 ** 63,
    -(2 ** 40),
    0.5,
    1e-300,
  ),
  fc.integer({ min: -5, max: 40 }),
  fc.double(),
);
const hostileBytes = fc.oneof(hostileNumber, fc.integer({ min: 0, max: 4 * GiB }));
const orNull = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(of, { freq: 4 });

/** Anything a racy walk, or a fault in it, could hand over: few pids, so that cycles and duplicates are common. */
const hostileRow: fc.Arbitrary<ProcessRow> = fc.record({
  pid: fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 1, max: 24 }) },
    { weight: 1, arbitrary: hostileNumber },
  ),
  startTicks: fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 0, max: 9 }) },
    { weight: 1, arbitrary: hostileNumber },
  ),
  ppid: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 24 }) },
    { weight: 1, arbitrary: hostileNumber },
  ),
  processGroup: fc.oneof(fc.integer({ min: 0, max: 3 }), hostileNumber),
  session: fc.oneof(fc.integer({ min: 30, max: 31 }), hostileNumber),
  uid: fc.constant(null),
  kernelThread: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
  zombie: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
  residentBytes: hostileBytes,
  anonBytes: orNull(hostileBytes),
  swapBytes: orNull(hostileBytes),
  ownSharedBytes: orNull(hostileBytes),
  oomScoreAdj: orNull(fc.oneof(fc.constantFrom(-1000, -999, 0, 300, 1000), hostileNumber)),
  cgroupId: orNull(fc.oneof(fc.integer({ min: 0, max: 3 }), hostileNumber)),
  cgroupAsOne: fc.boolean(),
  preference: fc.oneof(fc.constantFrom(-1, 0, 1), hostileNumber),
  never: fc.integer({ min: 0, max: 12 }).map((n) => n === 0),
  grownBytes: hostileBytes,
  cpuTicks: hostileBytes,
  childTicks: hostileBytes,
});

const hostileHolders: fc.Arbitrary<MemoryHolders> = fc.record({
  totalBytes: hostileBytes,
  availableBytes: hostileBytes,
  anonBytes: orNull(hostileBytes),
  sharedBytes: orNull(hostileBytes),
  hugePagesBytes: orNull(hostileBytes),
  kernelBytes: orNull(hostileBytes),
  swapUsedBytes: orNull(hostileBytes),
});

const hostileQuestion: fc.Arbitrary<VictimQuestion> = fc.record({
  processes: fc.array(hostileRow, { maxLength: 60 }),
  holders: hostileHolders,
  shortfallBytes: hostileBytes,
  nowTicks: hostileNumber,
  ticksPerSecond: hostileNumber,
  unit,
  minimumBytes: hostileBytes,
  ownPid: fc.integer({ min: 1, max: 24 }),
  stuck: fc
    .uniqueArray(fc.tuple(fc.integer({ min: 1, max: 24 }), fc.integer({ min: 0, max: 9 })))
    .map((identities) => new Set(identities.map(([pid, start]) => `${pid}:${start}`))),
});

/** A host as it could be: pids are unique, parents started before their children, groups belong to one session. */
const soundQuestion: fc.Arbitrary<VictimQuestion> = fc
  .record({
    seeds: fc.array(
      fc.record({
        parent: fc.nat(),
        ownGroup: fc.integer({ min: 0, max: 9 }).map((n) => n < 3),
        bytes: fc.oneof(fc.integer({ min: 0, max: 40 * MiB }), fc.integer({ min: 0, max: 4 * GiB })),
        grown: fc.oneof(
          { weight: 3, arbitrary: fc.constant(0) },
          { weight: 2, arbitrary: fc.integer({ min: 0, max: GiB }) },
        ),
        adj: fc.constantFrom(0, 0, 0, 300, -500),
        preference: fc.constantFrom(0, 0, 0, 1, -1),
        cgroup: fc.integer({ min: 0, max: 2 }),
        age: fc.integer({ min: 1, max: 5_000_000 }),
      }),
      { minLength: 1, maxLength: 50 },
    ),
    asOne: fc.boolean(),
    unit,
    shortfallBytes: fc.integer({ min: 1, max: 2 * GiB }),
    anonBytes: orNull(fc.integer({ min: 0, max: 16 * GiB })),
  })
  .map(({ seeds, asOne, unit, shortfallBytes, anonBytes }) => {
    const rows: ProcessRow[] = [];
    for (const [i, s] of seeds.entries()) {
      const above = i > 0 && s.parent % 4 !== 0 ? rows[s.parent % i] : undefined;
      const pid = 100 + i;
      rows.push({
        pid,
        startTicks: Math.max(above?.startTicks ?? 0, NOW_TICKS - s.age),
        ppid: above?.pid ?? 1,
        processGroup: above === undefined || s.ownGroup ? pid : above.processGroup,
        session: above === undefined ? 5000 + (i % 3) : above.session,
        uid: 0,
        kernelThread: false,
        zombie: false,
        residentBytes: s.bytes,
        anonBytes: s.bytes,
        swapBytes: 0,
        ownSharedBytes: 0,
        oomScoreAdj: s.adj,
        cgroupId: s.cgroup,
        cgroupAsOne: asOne && s.cgroup === 1,
        preference: s.preference,
        never: false,
        grownBytes: Math.min(s.grown, s.bytes),
        cpuTicks: 0,
        childTicks: 0,
      });
    }
    const holders = {
      totalBytes: 16 * GiB,
      availableBytes: GiB,
      anonBytes,
      sharedBytes: 0,
      hugePagesBytes: 0,
      kernelBytes: 0,
      swapUsedBytes: 0,
    };
    return {
      processes: rows,
      holders,
      shortfallBytes,
      nowTicks: NOW_TICKS,
      ticksPerSecond: 100,
      unit,
      minimumBytes: MiB,
      ownPid: 3,
      stuck: new Set<string>(),
    };
  });

/** The best, or undefined. */
function first(ranking: Ranking) {
  return ranking.candidates[0];
}

/** The rows that are the processes: of each pid the latest start. Only for rows with an identity. */
function livingRows(question: VictimQuestion): Map<number, ProcessRow[]> {
  const living = new Map<number, ProcessRow[]>();
  for (const row of question.processes) {
    if (
      !Number.isSafeInteger(row.pid) ||
      row.pid <= 0 ||
      !Number.isSafeInteger(row.startTicks) ||
      row.startTicks < 0
    )
      continue;
    const known = living.get(row.pid);
    const start = known?.[0]?.startTicks ?? -1;
    if (row.startTicks > start) living.set(row.pid, [row]);
    else if (row.startTicks === start) known?.push(row);
  }
  return living;
}

/** Pids above a process, by following ppid; of an identity given twice, above each of its rows is not asked. */
function ancestors(living: Map<number, ProcessRow[]>, pid: number): Set<number> {
  const above = new Set<number>();
  let here = living.get(pid);
  while (here?.length === 1) {
    const ppid = (here[0] as ProcessRow).ppid;
    if (above.has(ppid) || !living.has(ppid)) break;
    above.add(ppid);
    here = living.get(ppid);
  }
  return above;
}

describe("any snapshot, also a hostile one", () => {
  test("is ranked without a throw, with finite numbers, by falling score, and members that were in it", () => {
    fc.assert(
      fc.property(hostileQuestion, (question) => {
        const { candidates } = rankVictims(question);
        const identities = new Set(question.processes.map((r) => `${r.pid}:${r.startTicks}`));
        for (const [i, c] of candidates.entries()) {
          const numbers = [
            c.score,
            ...Object.values(c.parts),
            c.recoverableBytes,
            c.grownBytes,
            c.ageSeconds,
          ];
          expect(numbers.every(Number.isFinite)).toBe(true);
          expect(c.recoverableBytes).toBeGreaterThan(0);
          expect(c.members.length).toBeGreaterThan(0);
          expect(c.members.every((m) => identities.has(`${m.pid}:${m.startTicks}`))).toBe(true);
          expect(c.members).toContainEqual({ pid: c.pid, startTicks: c.startTicks });
          expect(c.score).toBeLessThanOrEqual(candidates[i - 1]?.score ?? Infinity);
        }
      }),
      runs(1500),
    );
  });

  test("nobody who must not end is ever a member of a candidate", () => {
    fc.assert(
      fc.property(hostileQuestion, (question) => {
        const living = livingRows(question);
        const spared = ancestors(living, question.ownPid).add(question.ownPid).add(1);
        for (const [pid, rows] of living) {
          const [row] = rows as [ProcessRow];
          if (rows.some((r) => r.never) || rows.every((r) => (r.oomScoreAdj ?? 0) <= -1000)) spared.add(pid);
          if (rows.every((r) => r.kernelThread) || rows.every((r) => r.zombie)) spared.add(pid);
          if (question.stuck.has(`${pid}:${row.startTicks}`)) spared.add(pid);
          if (rows.some((r) => r.never)) for (const above of ancestors(living, pid)) spared.add(above);
        }
        for (const candidate of rankVictims(question).candidates) {
          for (const member of candidate.members) {
            expect(spared).not.toContain(member.pid);
            // Not toBe: a hostile -0 is 0.
            expect(living.get(member.pid)?.[0]?.startTicks === member.startTicks).toBe(true);
          }
        }
      }),
      runs(2500),
    );
  });

  test("a cgroup that asks to end as one ends whole or not at all", () => {
    fc.assert(
      fc.property(hostileQuestion, (question) => {
        fc.pre(question.unit !== "process");
        const living = [...livingRows(question).values()].filter((rows) => rows.length === 1).flat();
        const asOne = new Set(
          living.filter((r) => r.cgroupAsOne && r.cgroupId !== null && r.cgroupId > 0).map((r) => r.cgroupId),
        );
        const cgroupOf = new Map(living.map((r) => [r.pid, r.cgroupId]));
        for (const candidate of rankVictims(question).candidates) {
          const touched = candidate.members.some((m) => {
            const id = cgroupOf.get(m.pid);
            return Number.isSafeInteger(id) && asOne.has(id as number);
          });
          if (touched) expect(candidate.kind).toBe("cgroup");
        }
      }),
      runs(1500),
    );
  });
});

describe("the order of the rows", () => {
  const withPermutation = (question: fc.Arbitrary<VictimQuestion>) =>
    question.chain((q) =>
      fc.tuple(fc.constant(q), fc.shuffledSubarray([...q.processes], { minLength: q.processes.length })),
    );

  test.each([
    ["sound", soundQuestion],
    ["hostile", hostileQuestion],
  ] as const)("changes nothing in the ranking of a %s snapshot", (_, question) => {
    fc.assert(
      fc.property(withPermutation(question), ([q, processes]) => {
        expect(rankVictims({ ...q, processes })).toEqual(rankVictims(q));
      }),
      runs(1500),
    );
  });
});

describe("what does not matter", () => {
  test("a smaller, older process that does nothing does not change who is ended", () => {
    fc.assert(
      fc.property(soundQuestion, fc.double({ min: 0, max: 1, noNaN: true }), (question, share) => {
        const before = first(rankVictims(question));
        // A group pays for its number (the part `few`), so a lone process of nearly its size may stand before it.
        fc.pre(before !== undefined && before.kind === "process");
        const worth = question.processes.filter((r) => (r.anonBytes as number) >= MiB);
        const smallest = Math.min(...worth.map((r) => r.anonBytes as number), before.recoverableBytes);
        const idle: ProcessRow = {
          ...(question.processes[0] as ProcessRow),
          pid: 99_999,
          ppid: 1,
          processGroup: 99_999,
          session: 99_999,
          startTicks: 0,
          anonBytes: Math.floor(smallest * share),
          residentBytes: Math.floor(smallest * share),
          grownBytes: 0,
          oomScoreAdj: -500,
          preference: -1,
          cgroupId: null,
          cgroupAsOne: false,
        };
        const after = first(rankVictims({ ...question, processes: [...question.processes, idle] }));
        expect(after?.members).toEqual(before.members);
      }),
      runs(1500),
    );
  });
});

describe("more never makes less likely", () => {
  const grow = (
    question: VictimQuestion,
    pid: number,
    change: (row: ProcessRow) => ProcessRow,
  ): VictimQuestion => ({
    ...question,
    processes: question.processes.map((row) => (row.pid === pid ? change(row) : row)),
  });

  test("a chosen process that grows more is still among those that end, in every unit", () => {
    fc.assert(
      fc.property(soundQuestion, fc.nat(), fc.integer({ min: 1, max: 4 * GiB }), (question, which, more) => {
        const before = first(rankVictims(question));
        fc.pre(before !== undefined);
        const { pid } = before.members[which % before.members.length] as { pid: number };
        const grown = grow(question, pid, (row) => ({ ...row, grownBytes: row.grownBytes + more }));
        expect(first(rankVictims(grown))?.members.map((m) => m.pid)).toContain(pid);
      }),
      runs(3000),
    );
  });

  test("alone, a chosen process that holds more, is younger, or has a higher oom_score_adj is still the one", () => {
    fc.assert(
      fc.property(
        soundQuestion,
        fc.integer({ min: 0, max: 2 * GiB }),
        fc.integer({ min: 0, max: 500 }),
        (question, more, adj) => {
          const alone = { ...question, unit: "process" as const };
          const before = first(rankVictims(alone));
          fc.pre(before !== undefined);
          const changed = grow(alone, before.pid, (row) => ({
            ...row,
            anonBytes: (row.anonBytes as number) + more,
            oomScoreAdj: (row.oomScoreAdj ?? 0) + adj,
            startTicks: Math.min(NOW_TICKS, row.startTicks + more / MiB) | 0,
          }));
          expect(first(rankVictims(changed))?.pid).toBe(before.pid);
        },
      ),
      runs(1500),
    );
  });
});
