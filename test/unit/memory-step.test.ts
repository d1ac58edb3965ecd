/** What the analysis decides, step by step; whole runs of it are in test/property/simulated-host.test.ts. */
import { describe, expect, test } from "vitest";
import type { Decision } from "../../src/core/memory/decision.ts";
import {
  type ActionOutcome,
  MemoryState,
  type StepInput,
  type StepOutput,
} from "../../src/core/memory/state.ts";
import { acceptStanding, revoke, step } from "../../src/core/memory/step.ts";
import type { Policy } from "../../src/core/policy/policy.ts";
import { builtIn, frame, HZ, TOTAL_BYTES, walk, withCritical, withMemory } from "../support/memory-frames.ts";
import { GiB } from "../support/victim-host.ts";

const HOG = { pid: 4000, anonBytes: 6 * GiB, residentBytes: 6 * GiB };
const SECOND = { pid: 4001, anonBytes: 2 * GiB, residentBytes: 2 * GiB };
const SIGTERM = 15;

/** The analysis with its inputs in short. */
class Analysis {
  readonly state = new MemoryState({ ticksPerSecond: HZ, ownPid: 50, idPrefix: "t" });
  readonly policy: Policy;

  constructor(policy: Policy = builtIn) {
    this.policy = policy;
  }

  sample(ms: number, share: number, columns: Parameters<typeof frame>[2] = {}): StepOutput {
    return this.#step({ frame: frame(ms, share, columns) });
  }

  walk(ms: number, ...processes: (typeof HOG)[]): StepOutput {
    return this.#step({ walk: walk(ms, processes) });
  }

  end(ms: number, decision: Decision, outcome: ActionOutcome): StepOutput {
    const { id, victim } = decision;
    return this.#step({ end: { id, outcome, victim, atUs: ms * 1000 } });
  }

  #step(input: Partial<StepInput>): StepOutput {
    return step(this.state, { frame: null, walk: null, end: null, ...input }, this.policy);
  }
}

/** Near the line, with a ranking; the next sample below the line decides. */
function ready(policy: Policy = builtIn, processes = [HOG, SECOND]): Analysis {
  const analysis = new Analysis(policy);
  analysis.sample(0, 0.15);
  analysis.walk(1, ...processes);
  return analysis;
}

function only(output: StepOutput): Decision {
  const acting = output.decisions.filter(({ verdict }) => verdict !== "notify");
  expect(acting).toHaveLength(1);
  return acting[0] as Decision;
}

function none(output: StepOutput): void {
  expect(output.decisions.filter(({ verdict }) => verdict !== "notify")).toEqual([]);
}

describe("a decision", () => {
  test("at the line: the hog, with the numbers that fired and those who lost", () => {
    const made = only(ready().sample(100, 0.04));
    expect(made).toMatchObject({
      level: "critical",
      verdict: "end",
      ahead: false,
      dryRun: false,
      atUs: 100_000,
    });
    expect(made.victim?.pid).toBe(HOG.pid);
    expect(made.candidates.map(({ pid }) => pid)).toEqual([HOG.pid, SECOND.pid]);
    expect(made.numbers).toMatchObject({
      availableBytes: 0.04 * TOTAL_BYTES,
      lineBytes: 0.05 * TOTAL_BYTES,
      totalBytes: TOTAL_BYTES,
    });
    expect(made.shortfallBytes).toBe(Math.round(0.075 * TOTAL_BYTES - 0.04 * TOTAL_BYTES));
    // What goes on record as bytes are whole ones.
    for (const bytes of [made.shortfallBytes, made.numbers.lineBytes, made.numbers.recoverBytes])
      expect(Number.isInteger(bytes)).toBe(true);
    expect(made.rungs.map(({ action }) => action)).toEqual(["log", "sigterm", "sigkill"]);
  });

  test("without a walk, or with an old one, a walk is asked for first", () => {
    const analysis = new Analysis();
    const first = analysis.sample(0, 0.04);
    none(first);
    expect(first.walkNow).toBe(true);
    only(analysis.walk(1, HOG));
    const stale = ready();
    // Below the line without falling further: there is time to ask.
    const late = stale.sample(2000, 0.04);
    none(late);
    expect(late.walkNow).toBe(true);
  });

  test("one in flight: nothing more until its end, a newer sample and a newer walk", () => {
    const analysis = ready();
    const made = only(analysis.sample(100, 0.04));
    for (let ms = 110; ms < 2000; ms += 10) {
      none(analysis.sample(ms, 0.01));
      none(analysis.walk(ms, HOG, SECOND));
    }
    none(analysis.end(2000, made, "ended"));
    // The walk is from before the end.
    expect(analysis.sample(2010, 0.01).walkNow).toBe(true);
    expect(only(analysis.walk(2020, SECOND)).victim?.pid).toBe(SECOND.pid);
  });

  test("an end that is not of the one in flight changes nothing", () => {
    const analysis = ready();
    const made = only(analysis.sample(100, 0.04));
    analysis.end(200, { ...made, id: "t-999" }, "ended");
    analysis.walk(210, HOG);
    none(analysis.sample(220, 0.04));
  });

  test.each<ActionOutcome>(["stuck", "refused"])("who is %s is not chosen again", (outcome) => {
    const analysis = ready();
    const made = only(analysis.sample(100, 0.04));
    analysis.end(200, made, outcome);
    analysis.sample(210, 0.04);
    expect(only(analysis.walk(220, HOG, SECOND)).victim?.pid).toBe(SECOND.pid);
  });

  test("nobody to end: said once in ten seconds, and again when a level begins anew", () => {
    const analysis = ready(builtIn, []);
    const said: number[] = [];
    for (let ms = 100; ms <= 30_100; ms += 100) {
      analysis.walk(ms - 10);
      for (const { verdict } of analysis.sample(ms, 0.04).decisions) if (verdict === "nobody") said.push(ms);
    }
    expect(said).toEqual([100, 10_100, 20_100, 30_100]);
    analysis.sample(30_200, 0.3);
    analysis.walk(30_290);
    expect(only(analysis.sample(30_300, 0.04)).verdict).toBe("nobody");
  });

  test("held elsewhere: spared, with who holds it, once in ten seconds", () => {
    const analysis = new Analysis();
    const columns = { sharedBytes: 0.94 * TOTAL_BYTES, anonBytes: 0.01 * TOTAL_BYTES };
    const small = { pid: 4000, anonBytes: 0.005 * GiB, residentBytes: 0.005 * GiB };
    const said: number[] = [];
    analysis.sample(0, 0.15, columns);
    for (let ms = 100; ms <= 20_100; ms += 100) {
      analysis.walk(ms - 10, small);
      for (const made of analysis.sample(ms, 0.04, columns).decisions) {
        if (made.verdict === "notify") continue;
        expect(made).toMatchObject({
          verdict: "spare",
          victim: null,
          sparing: { why: "held-elsewhere", holder: "shared" },
        });
        said.push(ms);
      }
    }
    expect(said).toEqual([100, 10_100, 20_100]);
  });

  test("a dry run says so every ten seconds", () => {
    const analysis = ready({ ...builtIn, dryRun: true });
    const said: number[] = [];
    for (let ms = 100; ms <= 25_000; ms += 100) {
      analysis.walk(ms - 10, HOG);
      for (const made of analysis.sample(ms, 0.04).decisions) {
        if (made.verdict !== "end") continue;
        expect(made.dryRun).toBe(true);
        said.push(ms);
        analysis.end(ms + 1, made, "dry-run");
      }
    }
    expect(said).toEqual([100, 10_200, 20_300]);
  });

  test("a ladder that ends nobody is for the moment its level begins; logs alone are in the change", () => {
    expect(ready().sample(100, 0.09).decisions).toEqual([]);
    const command = { action: "command", command: "true", deadlineMs: 100 } as const;
    const warning = builtIn.memory.warning && { ...builtIn.memory.warning, ladder: [command] };
    const analysis = ready(withMemory({ warning }));
    const output = analysis.sample(100, 0.09);
    expect(output.decisions).toMatchObject([{ verdict: "notify", level: "warning", victim: null }]);
    expect(output.changes).toMatchObject([{ level: "warning", change: "began" }]);
    expect(analysis.sample(200, 0.08).decisions).toEqual([]);
  });

  test("with critical off, warning may have an end of its own", () => {
    const ladder = builtIn.memory.critical?.ladder ?? [];
    const warning = builtIn.memory.warning && { ...builtIn.memory.warning, ladder };
    const analysis = ready(withMemory({ critical: null, thrashing: null, warning }));
    expect(only(analysis.sample(100, 0.09))).toMatchObject({ level: "warning", verdict: "end" });
  });

  test("revoked, it is made anew; its number is not used again", () => {
    const analysis = ready();
    const made = only(analysis.sample(100, 0.04));
    revoke(analysis.state, "t-999");
    none(analysis.sample(105, 0.04));
    revoke(analysis.state, made.id);
    expect(only(analysis.sample(110, 0.04)).number).toBeGreaterThan(made.number);
  });
});

describe("walks", () => {
  test("calm far from the line, as the policy says near it, sooner as it comes nearer", () => {
    const analysis = new Analysis();
    expect(analysis.sample(0, 0.9).walkIntervalMs).toBe(0);
    const near = new Analysis();
    expect(near.sample(0, 0.15).walkIntervalMs).toBe(builtIn.memory.walkIntervalMs);
    let last = 1000;
    for (let i = 1; i <= 9; i++) {
      const { walkIntervalMs } = near.sample(i * 20, 0.15 - i * 0.01);
      expect(walkIntervalMs).toBeLessThanOrEqual(last);
      expect(walkIntervalMs).toBeGreaterThanOrEqual(20);
      last = walkIntervalMs;
    }
    expect(last).toBe(20);
  });

  test("asked for from afar when memory would not last", () => {
    const analysis = new Analysis();
    analysis.sample(0, 0.9);
    // 4 GiB a second of what is left of 10 GiB.
    expect(analysis.sample(1000, 0.5).walkIntervalMs).toBeGreaterThan(0);
  });
});

describe("standing orders", () => {
  /** The order that a walk near the line gives. */
  function order(
    policy: Policy,
    columns: Parameters<typeof frame>[2] = {},
    processes = [HOG],
  ): StepOutput["standing"] {
    const analysis = new Analysis(policy);
    analysis.sample(0, 0.15, columns);
    return analysis.walk(1, ...processes).standing;
  }

  test("the best candidate, its first signal, and the line", () => {
    expect(order(builtIn)).toMatchObject({
      candidate: { pid: HOG.pid },
      signal: SIGTERM,
      immediate: true,
      lineBytes: 0.05 * TOTAL_BYTES,
    });
  });

  test("only those that need no time, no command, no swap and no leave are carried out unasked", () => {
    const ladder = builtIn.memory.critical?.ladder ?? [];
    const command = { action: "command", command: "true", deadlineMs: 100 } as const;
    const plentyOfSwap = { swapTotalBytes: GiB, swapFreeBytes: GiB };
    const littleSwap = { swapTotalBytes: GiB, swapFreeBytes: 0.01 * GiB };
    expect(order(withCritical({ forMs: 1 }))?.immediate).toBe(false);
    expect(order(withCritical({ ladder: [command, ...ladder] }))).toMatchObject({
      signal: 0,
      immediate: false,
    });
    expect(order(withCritical({ ladder: [{ action: "log" }] }))?.immediate).toBe(false);
    expect(order(withCritical({}, true))?.immediate).toBe(false);
    expect(order(builtIn, plentyOfSwap)?.immediate).toBe(false);
    expect(order(builtIn, littleSwap)?.immediate).toBe(true);
    expect(order(withMemory({ critical: null }))).toBeUndefined();
    expect(order(builtIn, {}, [])).toBeUndefined();
  });

  test("a group is not the sentinel's to end", () => {
    const group = Array.from({ length: 200 }, (_, i) => ({
      pid: 5000 + i,
      processGroup: 5000,
      session: 5000,
      ppid: i === 0 ? 1 : 5000,
      anonBytes: 0.03 * GiB,
      residentBytes: 0.03 * GiB,
      // After the first walk.
      startTicks: 10_150,
    }));
    const standing = order(builtIn, {}, group);
    expect(standing?.candidate).toMatchObject({ kind: "process-group", id: 5000 });
    expect(standing?.immediate).toBe(false);
  });

  test("not while an action is in flight; after it an empty one takes its place", () => {
    const analysis = ready();
    const made = only(analysis.sample(100, 0.04));
    expect(analysis.walk(110, HOG).standing).toBeUndefined();
    expect(analysis.end(200, made, "ended").standing).toBeDefined();
    const calm = ready(builtIn, []);
    expect(calm.state.standing).toBeNull();
  });

  test("carried out by the sentinel, it becomes the decision that the analysis would have made, once", () => {
    const analysis = ready();
    const given = analysis.state.standing;
    const made = acceptStanding(analysis.state, given?.number ?? 0, 123, builtIn);
    expect(made).toMatchObject({
      id: given?.id,
      number: given?.number,
      ahead: true,
      level: "critical",
      verdict: "end",
      victim: { pid: HOG.pid },
      numbers: { availableBytes: 123 },
    });
    expect(acceptStanding(analysis.state, given?.number ?? 0, 123, builtIn)).toBeNull();
    none(analysis.sample(100, 0.04));
    expect(analysis.state.inFlight).toBe(given?.id);
  });

  test("one that was replaced in the meantime is still known; an unknown one is not taken", () => {
    const analysis = ready();
    const given = analysis.state.standing;
    analysis.walk(50, SECOND);
    expect(analysis.state.standing?.number).not.toBe(given?.number);
    expect(acceptStanding(analysis.state, 9999, 1, builtIn)).toBeNull();
    expect(acceptStanding(analysis.state, given?.number ?? 0, 1, builtIn)?.victim?.pid).toBe(HOG.pid);
  });
});
