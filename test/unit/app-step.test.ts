/** Levels of applications: what begins and ends, and what is done about it, once each. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AppAction } from "../../src/core/app/action.ts";
import { callbackName } from "../../src/core/app/callbacks.ts";
import {
  figuresOf,
  type HostFigures,
  levelAt,
  partsOfSubject,
  rankOf,
  subjectOf,
  useOf,
} from "../../src/core/app/levels.ts";
import { AppLines } from "../../src/core/app/lines.ts";
import { App, APP_COLUMNS } from "../../src/core/app/columns.ts";
import { AppState } from "../../src/core/app/state.ts";
import {
  statusOf,
  takeCallbacks,
  takeNames,
  takeReport,
  takeRow,
  takeSample,
} from "../../src/core/app/step.ts";
import type {
  ApplicationPolicy,
  ApplicationsPolicy,
  AppLevel,
  MeasurePolicy,
} from "../../src/core/policy/applications.ts";
import type { ResourceReport } from "../../src/core/resources/report.ts";
import type { NamedThing } from "../../src/core/resources/resource.ts";
import { Mem } from "../../src/core/samples.ts";
import { fuzzSettings } from "../support/fuzz.ts";
import { frame, TOTAL_BYTES } from "../support/memory-frames.ts";

const GiB = 2 ** 30;
const S = 1e6;

const measure: MeasurePolicy = {
  basis: "available",
  warningShare: 0.9,
  criticalShare: 0.95,
  hysteresisShare: 0.02,
  actsInModes: [0, 1, 2],
  ladders: {
    info: [],
    warning: [{ action: "dump", command: "dump", count: 3, spacingMs: 1000, deadlineMs: 1000 }],
    critical: [{ action: "signal", signal: "SIGUSR1", deadlineMs: 1000 }],
  },
};

const nso: ApplicationPolicy = {
  name: "nso",
  intervalMs: 1000,
  groups: [{ name: "vm", cmdline: "beam", descendants: false, member: null }],
  main: "vm",
  physical: measure,
  allocated: { ...measure, actsInModes: [2] },
  dumpDirectory: "/dumps",
  dumpLimitBytes: GiB,
};

const policyOf = (
  application: Partial<ApplicationPolicy> = {},
  more: Partial<ApplicationsPolicy> = {},
): ApplicationsPolicy => ({
  enabled: true,
  applications: [{ ...nso, ...application }],
  callbacksPath: null,
  callbackDeadlineMs: 1000,
  exitWithApplication: false,
  monitorLogPath: null,
  ...more,
});

const figures = (timeUs: number, physical: number, allocated = 0.1): HostFigures => ({
  timeUs,
  totalBytes: 100 * GiB,
  availableBytes: (1 - physical) * 100 * GiB,
  freeBytes: ((1 - physical) * 100 * GiB) / 2,
  committedBytes: allocated * 200 * GiB,
  commitLimitBytes: 200 * GiB,
});

const main = (number: number, pid: number, about: Record<string, string> = {}): NamedThing => ({
  number,
  name: "nso/vm",
  about: {
    application: "nso",
    group: "vm",
    member: "",
    pid: String(pid),
    startTicks: String(pid * 10),
    role: "main",
    ...about,
  },
});

const reportOf = (action: AppAction): ResourceReport => ({
  ...action,
  verb: "dump",
  target: null,
  victims: [],
  outcome: "done",
  before: {},
  after: {},
  steps: [],
  candidates: [],
  wallMs: 1,
  tookMs: 1,
});

function started(policy = policyOf(), again = false): AppState {
  const state = new AppState(policy, false, "t", again);
  takeNames(state, [main(1, 100)], []);
  return state;
}

/** What a step did, in short: levels, then actions. */
function told(output: ReturnType<typeof takeSample>): string[] {
  return [
    ...output.changes.map(({ subject, level, change }) => `${subject} ${level} ${change}`),
    ...output.actions.map(({ subject, level, kind }) => `${kind} ${subject} ${level}`),
  ];
}

describe("a level", () => {
  test("stands from its line on, exactly at it too: 90 % is a warning and nothing worse", () => {
    expect(levelAt(0.9, "info", measure)).toBe("warning");
    expect(levelAt(0.9, "warning", measure)).toBe("warning");
    expect(levelAt(0.95, "warning", measure)).toBe("critical");
    expect(levelAt(Number.NaN, "warning", measure)).toBe("warning");
  });

  test("ends only below its line by the hysteresis, and never is lower than its share alone says", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1.5, noNaN: true }),
        fc.constantFrom<AppLevel>("info", "warning", "critical"),
        (share, before) => {
          const level = levelAt(share, before, measure);
          expect(rankOf(level)).toBeGreaterThanOrEqual(rankOf(levelAt(share, "info", measure)));
          // Hysteresis holds a level that stood; it makes none.
          expect(rankOf(level)).toBeLessThanOrEqual(
            Math.max(rankOf(before), rankOf(levelAt(share, "info", measure))),
          );
          // Judged again at the same share, it stays.
          expect(levelAt(share, level, measure)).toBe(level);
          if (before === "critical" && share > 0.931) expect(level).toBe("critical");
        },
      ),
      fuzzSettings(),
    );
  });

  test("physical memory counts page cache only by basis free; huge pages are of MemTotal", () => {
    const sample = frame(0, 0.5, { freeBytes: 0.1 * TOTAL_BYTES, hugePagesBytes: TOTAL_BYTES });
    sample[Mem.committedBytes] = 30;
    sample[Mem.commitLimitBytes] = 40;
    const of = figuresOf(sample);
    expect(useOf("physical", { basis: "available" }, of).share).toBeCloseTo(0.75, 6);
    expect(useOf("physical", { basis: "free" }, of).share).toBeCloseTo(0.95, 6);
    expect(useOf("allocated", measure, of).share).toBe(0.75);
    expect(useOf("allocated", measure, { ...of, commitLimitBytes: 0 }).share).toBeNaN();
  });

  test("subjects are read back", () => {
    expect(partsOfSubject(subjectOf("a.b-c", "allocated"))).toEqual({
      application: "a.b-c",
      measure: "allocated",
    });
    expect(partsOfSubject("host")).toBeNull();
    expect(callbackName("allocated", "critical")).toBe("crit_alloc");
  });
});

describe("steps", () => {
  test("each level is told and acted on once, however often it is seen, and both measures stand at once", () => {
    const state = started();
    expect(told(takeSample(state, figures(1 * S, 0.5), 2))).toEqual([]);
    expect(told(takeSample(state, figures(2 * S, 0.91, 0.96), 2))).toEqual([
      "nso physical warning began",
      "nso allocated warning began",
      "nso allocated critical began",
      "ladder nso physical warning",
      "ladder nso allocated critical",
    ]);
    expect(told(takeSample(state, figures(3 * S, 0.92, 0.97), 2))).toEqual([]);
    expect(statusOf(state).map(({ subject, level }) => `${subject} ${level}`)).toEqual([
      "nso physical warning",
      "nso allocated critical",
    ]);
    // Down to the warning: that is no new warning.
    expect(told(takeSample(state, figures(4 * S, 0.5, 0.92), 2))).toEqual([
      "nso physical warning ended",
      "nso allocated critical ended",
    ]);
  });

  test("the critical level does not wait for what is under way for the warning; the same level does", () => {
    const state = started();
    const warning = takeSample(state, figures(1 * S, 0.91), 0).actions[0] as AppAction;
    expect(warning.level).toBe("warning");
    const critical = takeSample(state, figures(2 * S, 0.96), 0).actions[0] as AppAction;
    expect(critical).toMatchObject({ level: "critical", main: { pid: 100, startTicks: 1000 } });
    takeSample(state, figures(3 * S, 0.5), 0);
    expect(takeSample(state, figures(4 * S, 0.96), 0).actions).toEqual([]);
    // The warning's report comes late, and is not the one that is waited for.
    expect(takeReport(state, reportOf(warning))).toEqual([]);
    expect(takeReport(state, reportOf(critical))).toMatchObject([{ level: "critical" }]);
  });

  test("what is owed for a level that is over by the time it could be done is not done", () => {
    const state = started();
    const [critical] = takeSample(state, figures(1 * S, 0.96), 0).actions;
    takeSample(state, figures(2 * S, 0.5), 0);
    takeSample(state, figures(3 * S, 0.96), 0);
    takeSample(state, figures(4 * S, 0.5), 0);
    expect(takeReport(state, reportOf(critical as AppAction))).toEqual([]);
  });

  test.each([0, 1, null])("in overcommit mode %s promises of memory are only told", (mode) => {
    const state = started();
    expect(told(takeSample(state, figures(1 * S, 0.5, 0.99), mode))).toEqual([
      "nso allocated warning began",
      "nso allocated critical began",
    ]);
  });

  test("an application that does not run is told of; the user's function is called all the same", () => {
    const idle = new AppState(policyOf(), false, "t", false);
    takeNames(idle, [], []);
    expect(told(takeSample(idle, figures(1 * S, 0.99), 0)).at(-1)).toBe("nso physical critical began");
    const called = new AppState(policyOf({}, { callbacksPath: "/m.mjs" }), false, "t", false);
    takeNames(called, [], []);
    takeCallbacks(called, new Set(["physical critical", "physical info"]));
    const { actions } = takeSample(called, figures(1 * S, 0.99), 0);
    expect(actions).toMatchObject([{ kind: "callback", level: "critical", main: null, overcommitMode: 0 }]);
  });

  test("what begins before it is known who the processes are is done when it is known, or after five seconds", () => {
    const state = new AppState(policyOf({}, { callbacksPath: "/m.mjs" }), false, "t", false);
    expect(takeSample(state, figures(1 * S, 0.96), 0).actions).toEqual([]);
    expect(takeNames(state, [main(1, 100)], [])).toEqual([]);
    expect(takeCallbacks(state, new Set())).toMatchObject([{ kind: "ladder", level: "critical" }]);
    const alone = new AppState(policyOf({}, { callbacksPath: "/m.mjs" }), false, "t", false);
    takeNames(alone, [main(1, 100)], []);
    expect(takeSample(alone, figures(1 * S, 0.96), 0).actions).toEqual([]);
    expect(takeSample(alone, figures(7 * S, 0.96), 0).actions).toMatchObject([{ kind: "ladder" }]);
  });

  test("info is said at the beginning and when a level is over, to whoever has a function or a ladder for it", () => {
    const state = new AppState(policyOf({}, { callbacksPath: "/m.mjs" }), false, "t", false);
    takeNames(state, [main(1, 100)], []);
    takeCallbacks(state, new Set(["physical info", "allocated info"]));
    const first = takeSample(state, figures(1 * S, 0.5), 2);
    expect(told(first)).toEqual(["callback nso physical info", "callback nso allocated info"]);
    for (const action of first.actions) takeReport(state, reportOf(action));
    const warned = takeSample(state, figures(2 * S, 0.91), 2);
    expect(told(warned)).toEqual(["nso physical warning began", "ladder nso physical warning"]);
    // Over, but its dumps are still being taken: info comes after them.
    expect(told(takeSample(state, figures(3 * S, 0.5), 2))).toEqual(["nso physical warning ended"]);
    const after = takeReport(state, reportOf(warned.actions[0] as AppAction));
    expect(after).toMatchObject([{ kind: "callback", level: "info", measure: "physical" }]);
  });

  test("a new life of the thread does not begin anew what stands already", () => {
    const state = started(policyOf(), true);
    expect(told(takeSample(state, figures(1 * S, 0.96), 0))).toEqual([]);
    expect(told(takeSample(state, figures(2 * S, 0.5), 0))).toEqual([
      "nso physical critical ended",
      "nso physical warning ended",
    ]);
  });

  test("the main one of several is signalled, its children never; rows tell what all of them take", () => {
    const state = new AppState(policyOf(), false, "t", false);
    const others = [main(2, 90, { role: "member" }), main(3, 80, { role: "child" })];
    takeNames(state, [...others, main(1, 100)], []);
    const row = new Float64Array(APP_COLUMNS.length);
    for (const number of [1, 2, 3]) {
      row[App.timeUs] = S;
      row[App.process] = number;
      row[App.residentBytes] = 10;
      row[App.allocatedBytes] = 20;
      takeRow(state, row);
    }
    const [action] = takeSample(state, figures(2 * S, 0.96), 0).actions;
    expect(action?.main?.pid).toBe(100);
    expect(action?.why).toContain("of 2 that match");
    expect(action?.numbers).toMatchObject({ residentBytes: 30, allocatedBytes: 60, usedShare: 0.96 });
    takeNames(state, [], [1]);
    expect(statusOf(state)[0]?.numbers).toMatchObject({ pid: 90, processes: 2 });
  });

  test("one that an earlier life of the sampler announced, and rows are no longer about, is not signalled", () => {
    const state = started();
    takeNames(state, [main(1001, 200)], []);
    const row = new Float64Array(APP_COLUMNS.length).fill(1);
    row[App.timeUs] = 60 * S;
    row[App.process] = 1001;
    takeRow(state, row);
    const [action] = takeSample(state, figures(61 * S, 0.96), 0).actions;
    expect(action?.main?.pid).toBe(200);
  });

  test("any run of samples: told levels nest and alternate, and never more than one ladder of a measure is under way", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double({ min: 0.8, max: 1, noNaN: true }), fc.boolean()), { maxLength: 60 }),
        (run) => {
          const state = started();
          const stands = new Set<string>();
          let open: AppAction | null = null;
          run.forEach(([share, answers], i) => {
            const { changes, actions } = takeSample(state, figures(i * S, share), 0);
            for (const { level, change } of changes) {
              expect(stands.has(level)).toBe(change === "ended");
              if (change === "began") stands.add(level);
              else stands.delete(level);
            }
            expect(stands.has("critical") && !stands.has("warning")).toBe(false);
            for (const action of actions) {
              if (open !== null) expect([open.level, action.level]).toEqual(["warning", "critical"]);
              open = action;
            }
            if (answers && open !== null) {
              const next: readonly AppAction[] = takeReport(state, reportOf(open));
              open = next[0] ?? null;
            }
          });
        },
      ),
      fuzzSettings(),
    );
  });
});

describe("lines", () => {
  test("tell how far it is to the next one, and that one was crossed, each way once", () => {
    const lines = new AppLines(policyOf({ allocated: null }));
    expect(lines.take(frame(0, 0.5))).toBe(false);
    expect(lines.distanceBytes).toBeCloseTo(0.4 * TOTAL_BYTES, -1);
    expect(lines.take(frame(1, 0.08))).toBe(true);
    expect(lines.take(frame(2, 0.08))).toBe(false);
    expect(lines.distanceBytes).toBeCloseTo(0.03 * TOTAL_BYTES, -1);
    expect(lines.take(frame(3, 0.01))).toBe(true);
    expect(lines.distanceBytes).toBe(Number.POSITIVE_INFINITY);
    expect(lines.take(frame(4, 0.5))).toBe(true);
  });

  test("of nobody there are none", () => {
    const lines = new AppLines(policyOf({}, { enabled: false }));
    expect(lines.take(frame(0, 0))).toBe(false);
    expect(lines.distanceBytes).toBe(Number.POSITIVE_INFINITY);
  });
});
