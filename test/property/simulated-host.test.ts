/** Thousands of hosts that are driven into exhaustion, under the default policy. PLIMSOLL_SEED=N plays a run again. */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MemoryState } from "../../src/core/memory/state.ts";
import { step } from "../../src/core/memory/step.ts";
import { Mem } from "../../src/core/samples.ts";
import { loadPolicy } from "../../src/main/config/load-policy.ts";
import { type HostSpec, OWN_PID, SimulatedHost, type SimulatedProcess } from "../support/simulated-host.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

/** Hosts a test; PLIMSOLL_RUNS=10 plays ten times as many. */
const RUNS = 200 * Number(process.env["PLIMSOLL_RUNS"] ?? 1);
const TIMEOUT_MS = 600 * RUNS;

const MiB = 2 ** 20;
const GiB = 2 ** 30;
const HOG = 4000;
const policy = loadPolicy();

const protection = fc.constantFrom({}, {}, {}, { never: true }, { oomScoreAdj: -1000 });

/** Somebody who has what he has and does not grow; at most so many MiB. */
function bystander(limitMiB: number): fc.Arbitrary<Omit<SimulatedProcess, "pid">> {
  return fc
    .record({
      startBytes: fc.integer({ min: 1, max: limitMiB }).map((size) => size * MiB),
      heedsTerm: fc.boolean(),
      dyingMs: fc.constantFrom(0, 50, 500, 3000, Number.POSITIVE_INFINITY),
      preference: fc.constantFrom(0, 0, 0, -1),
      protected: protection,
    })
    .map(({ protected: kind, ...rest }) => ({
      ...rest,
      never: false,
      oomScoreAdj: 0,
      growthBytesPerSecond: 0,
      growsFromMs: 0,
      ...kind,
    }));
}

const hog = fc.record({
  startBytes: fc.integer({ min: 1, max: 400 }).map((size) => size * MiB),
  growthBytesPerSecond: fc.integer({ min: 40, max: 800 }).map((rate) => rate * MiB),
  growsFromMs: fc.integer({ min: 1000, max: 4000 }),
  heedsTerm: fc.boolean(),
  dyingMs: fc.constantFrom(0, 20, 300, 1500, 4000),
});

/** A hog in a host of others; what it may be is for each test to say. */
function host(hogs: fc.Arbitrary<Partial<SimulatedProcess>>): fc.Arbitrary<HostSpec> {
  return fc
    .record({
      totalBytes: fc.constantFrom(2, 4, 16).map((size) => size * GiB),
      swapBytes: fc.constantFrom(0, 0, 256 * MiB, 1 * GiB),
      kernelBytes: fc.integer({ min: 32, max: 300 }).map((size) => size * MiB),
      sampleMs: fc.constantFrom(10, 20, 50),
      hog,
      others: fc.array(bystander(150), { maxLength: 7 }),
      kind: hogs,
    })
    .map(({ hog: grows, others, kind, ...rest }) => ({
      ...rest,
      processes: [
        { pid: HOG, never: false, oomScoreAdj: 0, preference: 0, ...grows, ...kind },
        ...others.map((other, i) => ({ pid: 1000 + i, ...other })),
      ],
    }));
}

/** Long enough for the slowest hog to fill the largest host, and to be ended by the last rung. */
function play(spec: HostSpec): SimulatedHost {
  const simulated = new SimulatedHost(spec, policy);
  const rate = spec.processes[0]?.growthBytesPerSecond ?? 1;
  simulated.run(4000 + ((spec.totalBytes + spec.swapBytes) / rate) * 1000 + 20_000);
  return simulated;
}

/** What must hold of every run: one action in flight, its memory back and seen before the next, nobody protected. */
function expectSafe(simulated: SimulatedHost): void {
  let open: string | null = null;
  let endUs = Number.NEGATIVE_INFINITY;
  let frameUs = 0;
  let walkUs = Number.NEGATIVE_INFINITY;
  const signalled = new Set<string>();
  const byPid = new Map(simulated.spec.processes.map((process) => [process.pid, process]));
  for (const { input, output } of simulated.played) {
    if (input.end !== null && input.end.id === open) {
      open = null;
      endUs = input.end.atUs;
    }
    frameUs = input.frame?.[Mem.timeUs] ?? frameUs;
    walkUs = input.walk?.beganUs ?? walkUs;
    for (const { verdict, victim, id } of output.decisions) {
      if (verdict === "notify") continue;
      expect(open).toBeNull();
      expect(frameUs).toBeGreaterThan(endUs);
      expect(walkUs).toBeGreaterThanOrEqual(endUs);
      if (verdict !== "end") continue;
      open = id;
      for (const { pid, startTicks } of victim?.members ?? []) {
        expect([1, OWN_PID]).not.toContain(pid);
        expect(byPid.get(pid)?.never).toBe(false);
        expect(byPid.get(pid)?.oomScoreAdj).toBeGreaterThan(-1000);
        expect(signalled.has(`${pid}:${startTicks}`)).toBe(false);
        signalled.add(`${pid}:${startTicks}`);
      }
    }
  }
}

describe("a host with a hog", { timeout: TIMEOUT_MS }, () => {
  test("that may be ended: it alone is, once, and the level ends", () => {
    fc.assert(
      fc.property(host(fc.constant({})), (spec) => {
        const simulated = play(spec);
        expectSafe(simulated);
        expect(simulated.ended).toEqual([HOG]);
        expect(simulated.decisions.filter(({ verdict }) => verdict === "end")).toHaveLength(1);
        expect(simulated.state.levels.worst).toBeNull();
        expect(simulated.inFlight).toBe(false);
      }),
      { numRuns: RUNS },
    );
  });

  test("that is protected, or that hangs in the kernel: nobody protected is touched, one at a time, and it goes on", () => {
    const kinds = fc.constantFrom(
      { never: true },
      { oomScoreAdj: -1000 },
      { dyingMs: Number.POSITIVE_INFINITY },
      { preference: -1 },
    );
    let verdicts = 0;
    fc.assert(
      fc.property(host(kinds), (spec) => {
        const simulated = play(spec);
        expectSafe(simulated);
        // The hog is there still, or was avoided first: something was said, and said again.
        verdicts += simulated.decisions.filter(({ verdict }) => verdict !== "notify").length;
        expect(simulated.decisions.length).toBeGreaterThan(0);
      }),
      { numRuns: RUNS / 2 },
    );
    expect(verdicts).toBeGreaterThan(RUNS / 2);
  });

  test("two hogs: the second only after the first's memory is back and seen", () => {
    const second: SimulatedProcess = {
      pid: HOG + 1,
      startBytes: 10 * MiB,
      growthBytesPerSecond: 300 * MiB,
      growsFromMs: 1500,
      heedsTerm: true,
      dyingMs: 100,
      never: false,
      oomScoreAdj: 0,
      preference: 0,
    };
    fc.assert(
      fc.property(host(fc.constant({})), fc.constantFrom(0, 100, 1000), (spec, dyingMs) => {
        const simulated = play({ ...spec, processes: [...spec.processes, { ...second, dyingMs }] });
        expectSafe(simulated);
        expect(simulated.isAlive(HOG) && simulated.isAlive(second.pid)).toBe(false);
        expect(simulated.ended.filter((pid) => pid < HOG)).toEqual([]);
      }),
      { numRuns: RUNS / 2 },
    );
  });

  test("in a dry run nobody is ended, and it is said every 10 s", () => {
    fc.assert(
      fc.property(host(fc.constant({})), (spec) => {
        const simulated = new SimulatedHost(spec, { ...policy, dryRun: true });
        simulated.run(120_000);
        expect(simulated.ended).toEqual([]);
        const said = simulated.decisions.filter(({ verdict }) => verdict === "end").map(({ atUs }) => atUs);
        for (let i = 1; i < said.length; i++)
          expect((said[i] as number) - (said[i - 1] as number)).toBeGreaterThanOrEqual(10e6);
      }),
      { numRuns: RUNS / 10 },
    );
  });
});

describe("step is a function of its inputs", { timeout: TIMEOUT_MS }, () => {
  test("the same inputs give the same outputs, and are left as they were", () => {
    fc.assert(
      fc.property(host(fc.constantFrom({}, { never: true })), (spec) => {
        const { played } = play(spec);
        const state = new MemoryState({ ticksPerSecond: 100, ownPid: OWN_PID, idPrefix: "sim" });
        for (const { input, output } of played) {
          const before = structuredClone(input);
          expect(isDeepStrictEqual(step(state, input, policy), output)).toBe(true);
          // Growth is what a step adds to the rows of a walk; it is the same both times.
          expect(isDeepStrictEqual(input, before)).toBe(true);
        }
      }),
      { numRuns: RUNS / 10 },
    );
  });
});
