import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { judge } from "./judge.ts";
import type { Facts, Play, PlayedProgram, Scenario, SentSignal } from "./scenario.ts";
import { parseSignals } from "./trace.ts";

const scenario: Scenario = {
  name: "leak",
  story: "A leak is to be ended.",
  vm: { memory: "1G", swap: null, cgroup: "v2" },
  programs: [],
  victim: { name: "leaky", which: "all" },
  innocents: ["postgres"],
  lastMs: 1000,
};
const program = (name: string, pid: number, ended: boolean): PlayedProgram => ({
  name,
  pid,
  startedMs: 1,
  endedMs: ended ? 500 : 0,
  exit: ended ? 143 : 0,
  signal: 0,
  left: ended ? 0 : 1,
});
const facts: Facts = {
  readyMs: 10,
  zeroMs: 20,
  overMs: 1000,
  guardPid: 7,
  guardLives: true,
  guardStatus: -1,
  oomKills: 0,
  totalKib: 1000,
  availableFirstKib: 900,
  availableLowKib: 50,
  swapFreeLowKib: 0,
  clockWorstGapMs: 21,
  clockWorstGapAtMs: 30,
  clockTicks: 50,
  crossedMs: [],
  programs: [program("postgres", 11, false), program("leaky", 12, true)],
  guardStopMs: 5,
};
const sent = (toName: string, toPid: number, byKernel = false): SentSignal => ({
  atMs: 400,
  signal: byKernel ? 9 : 15,
  byKernel,
  fromName: byKernel ? "leaky" : "guard",
  fromPid: 7,
  toName,
  toPid,
});
const play = (change: Partial<Facts>, signals: readonly SentSignal[], guard = "plimsoll"): Play => ({
  scenario: "leak",
  guard,
  facts: { ...facts, ...change },
  signals,
  guardLog: "",
  programsLog: "",
});

describe("the verdict on a play", () => {
  test("right: the victim ended by the guard, the innocent alive, the kernel not needed", () => {
    const verdict = judge(scenario, play({}, [sent("leaky", 12)]));
    expect(verdict).toEqual({ right: true, faults: [], ended: ["leaky by guard"] });
  });

  test.each<[string, Partial<Facts>, SentSignal[], string]>([
    [
      "an innocent ended",
      {},
      [sent("leaky", 12), sent("postgres", 11)],
      "the innocent postgres was ended by the guard",
    ],
    ["ended by the kernel", { oomKills: 1 }, [sent("leaky", 12, true)], "the guard did not end leaky"],
    ["the kernel needed too", { oomKills: 2 }, [sent("leaky", 12)], "the kernel's OOM killer was needed (2)"],
    ["the guard dead", { guardLives: false }, [sent("leaky", 12)], "the guard did not live"],
    ["never ready", { readyMs: 0 }, [sent("leaky", 12)], "the guard never became ready"],
    [
      "signalled but left",
      { programs: [program("postgres", 11, false), program("leaky", 12, false)] },
      [sent("leaky", 12)],
      "1 of leaky were left",
    ],
    [
      "an innocent gone unsignalled",
      { programs: [program("postgres", 11, true), program("leaky", 12, true)] },
      [sent("leaky", 12)],
      "the innocent postgres ended",
    ],
    [
      "an innocent missing",
      { programs: [program("leaky", 12, true)] },
      [sent("leaky", 12)],
      "the innocent postgres was never started",
    ],
  ])("wrong: %s", (_, change, signals, fault) => {
    expect(judge(scenario, play(change, signals)).faults).toContain(fault);
  });

  test("wrong: somebody ended where nobody was to be", () => {
    const calm = { ...scenario, victim: null };
    expect(judge(calm, play({}, [sent("leaky", 12)])).faults).toEqual(["nobody was to be ended, but leaky"]);
    expect(judge(calm, play({}, [])).right).toBe(true);
  });

  test("what the play itself sends while it cleans up counts for nothing", () => {
    const own = { ...sent("postgres", 11), fromName: "play" };
    expect(judge(scenario, play({}, [sent("leaky", 12), own])).right).toBe(true);
  });

  test("what a guard signals before the play begins counts for nothing", () => {
    const early = { ...sent("sh", 13), atMs: facts.zeroMs - 1 };
    expect(judge(scenario, play({}, [early, sent("leaky", 12)])).ended).toEqual(["leaky by guard"]);
  });

  test("wrong: the VM died", () => {
    expect(judge(scenario, { ...play({}, []), facts: null }).right).toBe(false);
  });
});

describe("signals of the kernel's trace", () => {
  const line = (from: string, fromPid: number, to: string, toPid: number, code: number): string =>
    `${from.padStart(16)}-${fromPid}     [001] d..1.   241.699250: signal_generate: sig=15 errno=0 code=${code} comm=${to} pid=${toPid} grp=1 res=0`;

  test("any names, in any order, between any other lines", () => {
    const name = fc
      .string({ unit: "grapheme-ascii", minLength: 1, maxLength: 15 })
      .map((text) => `x${text.trim()}`);
    const event = fc.record({
      from: name,
      to: name,
      fromPid: fc.nat(4194304),
      toPid: fc.nat(4194304),
      kernel: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(event), (events) => {
        const lines = events.map((e) => line(e.from, e.fromPid, e.to, e.toPid, e.kernel ? 128 : 0));
        const parsed = parseSignals(["# tracer: nop", ...lines, ""].join("\n"));
        expect(
          parsed.map(({ fromName, fromPid, toName, toPid, byKernel }) => [
            fromName,
            fromPid,
            toName,
            toPid,
            byKernel,
          ]),
        ).toEqual(events.map((e) => [e.from, e.fromPid, e.to, e.toPid, e.kernel]));
      }),
      process.env["PLIMSOLL_SEED"] === undefined ? {} : { seed: Number(process.env["PLIMSOLL_SEED"]) },
    );
  });
});
