/** The processors' step on hosts of all kinds. PLIMSOLL_SEED=N plays a run again. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MutableProcessRow, Walk } from "../../src/core/memory/decision.ts";
import { ProcessLoads } from "../../src/core/cpu/process-loads.ts";
import { rankCulprits, type CulpritQuestion } from "../../src/core/cpu/choose.ts";
import { emptyRow } from "../../src/core/memory/walk-from-ring.ts";
import type { ResourceOutcome } from "../../src/core/resources/report.ts";
import { CpuHost, GUARD } from "../support/cpu-host.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const NOBODY: ReadonlySet<string> = new Set();

/** Few pids, so that cycles, orphans, duplicates and numbers used again are common. */
const row: fc.Arbitrary<MutableProcessRow> = fc
  .record({
    pid: fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 1, max: 20 }) },
      { weight: 1, arbitrary: fc.double() },
    ),
    startTicks: fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 0, max: 3 }) },
      { weight: 1, arbitrary: fc.double() },
    ),
    ppid: fc.integer({ min: 0, max: 20 }),
    processGroup: fc.integer({ min: 0, max: 4 }),
    session: fc.integer({ min: 30, max: 31 }),
    kernelThread: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    zombie: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    never: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    oomScoreAdj: fc.constantFrom(null, 0, -1000),
    preference: fc.constantFrom(-1, 0, 1),
    cgroupId: fc.constantFrom(null, 0, 7),
    cgroupAsOne: fc.boolean(),
    cpuTicks: fc.oneof({ weight: 8, arbitrary: fc.nat(2000) }, { weight: 1, arbitrary: fc.double() }),
    childTicks: fc.oneof({ weight: 8, arbitrary: fc.nat(2000) }, { weight: 1, arbitrary: fc.double() }),
  })
  .map((fields) => ({ ...emptyRow(), ...fields }));

const walks = fc.array(fc.array(row, { maxLength: 25 }), { minLength: 2, maxLength: 6 });
const unit = fc.constantFrom("auto", "process", "group", "cgroup" as const);

function ranked(
  sequence: readonly (readonly MutableProcessRow[])[],
  asked: Pick<CulpritQuestion, "unit" | "running">,
): ReturnType<typeof rankCulprits> {
  const loads = new ProcessLoads();
  const terms = { ticksPerSecond: 100, cores: 2, intervalMs: 1000, window: 60 };
  sequence.forEach((rows, i) => {
    const endedUs = (i + 1) * 1e6;
    const walk: Walk = { rows, beganUs: endedUs - 10, endedUs, nowTicks: i * 2, leftOut: 0 };
    loads.take(walk, terms, NOBODY);
  });
  return rankCulprits({
    processes: sequence.at(-1) ?? [],
    useOf: (each) => loads.of(each),
    departedOfGroup: (group) => loads.departedOfGroup(group),
    cores: 2,
    excessCores: 0.2,
    ownPid: 3,
    settled: new Set(["5:1"]),
    ...asked,
  });
}

describe("the choice", () => {
  test("does not depend on the order of the rows", () => {
    // Identities that are there twice with different figures are a racy walk's: which of them counts is settled for a
    // victim by comparing them; here each is there once.
    const unique = walks.map((all) =>
      all.map((rows) => [...new Map(rows.map((each) => [each.pid, each])).values()]),
    );
    fc.assert(
      fc.property(
        unique,
        unit,
        fc.integer({ min: 0, max: 60 }),
        fc.infiniteStream(fc.nat()),
        (all, asked, running, random) => {
          const shuffled = all.map((rows) =>
            rows
              .map((each) => ({ each, at: random.next().value as number }))
              .sort((a, b) => a.at - b.at)
              .map(({ each }) => each),
          );
          const question = { unit: asked, running };
          expect(ranked(shuffled, question)).toEqual(ranked(all, question));
        },
      ),
      fuzzSettings(400),
    );
  });

  test("names nobody who must not be touched, nobody twice in one candidate, and finite figures by falling weight", () => {
    fc.assert(
      fc.property(walks, unit, fc.integer({ min: 0, max: 60 }), (all, asked, running) => {
        const { candidates } = ranked(all, { unit: asked, running });
        const last = all.at(-1) ?? [];
        expect(candidates.length).toBeLessThanOrEqual(10);
        let before = Number.POSITIVE_INFINITY;
        for (const { members, cores, weight } of candidates) {
          expect(cores).toBeGreaterThan(0);
          expect(Number.isFinite(cores) && weight <= before).toBe(true);
          before = weight;
          expect(members.length).toBeGreaterThan(0);
          expect(new Set(members.map(({ pid }) => pid)).size).toBe(members.length);
          for (const { pid, startTicks } of members) {
            const own = last.filter((each) => each.pid === pid && each.startTicks === startTicks);
            expect(own.length).toBeGreaterThan(0);
            expect(pid !== 1 && pid !== 3 && !(pid === 5 && startTicks === 1)).toBe(true);
            expect(
              own.some(
                (each) => !each.never && !each.kernelThread && !each.zombie && each.oomScoreAdj !== -1000,
              ),
            ).toBe(true);
          }
        }
      }),
      fuzzSettings(400),
    );
  });
});

const event = fc.oneof(
  fc.record({
    what: fc.constant("pass" as const),
    seconds: fc.integer({ min: 1, max: 40 }),
    besides: fc.constantFrom(0, 0.5, 0.95),
  }),
  fc.record({
    what: fc.constant("spin" as const),
    pid: fc.integer({ min: 100, max: 110 }),
    cores: fc.constantFrom(0.1, 0.5, 1, 2),
    never: fc.boolean(),
  }),
  fc.record({ what: fc.constant("end" as const), pid: fc.integer({ min: 100, max: 110 }) }),
  fc.record({
    what: fc.constant("report" as const),
    outcome: fc.constantFrom<ResourceOutcome>(
      "ended",
      "stuck",
      "done",
      "recovered",
      "dry-run",
      "refused",
      "unknown",
      "failed",
    ),
  }),
  fc.record({
    what: fc.constant("machines" as const),
    answer: fc.constantFrom("none" as const, "begun" as const, "under-way" as const),
  }),
);

describe("the step", () => {
  test("has never two ladders in flight, acts only while the level stands, and touches nobody protected", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        const host = new CpuHost(2);
        const nevers = new Set<number>([1, GUARD]);
        let open = false;
        let standing = false;
        let orders = 0;
        let changes = 0;
        for (const each of events) {
          if (each.what === "pass") host.pass(each.seconds, each.besides);
          else if (each.what === "machines") host.machines = each.answer;
          else if (each.what === "end") host.end(each.pid);
          else if (each.what === "spin") {
            if (host.has(each.pid)) continue;
            host.add(each.pid, { cores: each.cores }, { never: each.never });
            if (each.never) nevers.add(each.pid);
            else nevers.delete(each.pid);
          } else {
            const ladder = host.orders.findLast(({ kind }) => kind === "ladder");
            if (ladder !== undefined && open) host.report(each.outcome, ladder.id);
            open = false;
          }
          for (const change of host.changes.slice(changes)) {
            expect(change.change === "began").toBe(!standing);
            standing = !standing;
          }
          const news = host.orders.slice(orders).filter(({ kind }) => kind === "ladder");
          expect(news.length).toBeLessThanOrEqual(open ? 0 : 1);
          for (const order of news) {
            open = true;
            if (order.kind !== "ladder") continue;
            expect(host.changes.some(({ change }) => change === "began")).toBe(true);
            for (const { pid } of order.culprit.members) expect(nevers.has(pid)).toBe(false);
          }
          orders = host.orders.length;
          changes = host.changes.length;
        }
        expect(new Set(host.orders.map(({ id }) => id)).size).toBe(host.orders.length);
      }),
      fuzzSettings(200),
    );
  });
});
