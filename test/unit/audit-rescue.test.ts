/** Rescues on record: the line with the calibration tool's own object in it, the sentence, and the sentence read back. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decisionLine, levelLine } from "../../src/core/audit/line.ts";
import {
  recommendationLine,
  recommendationSentence,
  rescueLine,
  rescueSentence,
  returnLine,
  returnSentence,
} from "../../src/core/audit/rescue.ts";
import { lineSentence } from "../../src/core/audit/reread.ts";
import { decisionSentence, levelSentence } from "../../src/core/audit/sentence.ts";
import type { Decision, LevelChange, Verdict } from "../../src/core/memory/decision.ts";
import type { ActionReport, ProcessIdentity } from "../../src/core/messages.ts";
import type { RescueOutcome, RescueReport, ReturnReport } from "../../src/core/rescue/report.ts";
import { rankVictims } from "../../src/core/victim/rank.ts";
import { ask, database, MiB, row, rows } from "../support/victim-host.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

const WALL_MS = Date.UTC(2026, 10, 20, 9, 0, 0, 250);

function rescue(changes: Partial<RescueReport> = {}): RescueReport {
  return {
    id: "b-1-7",
    number: 3,
    path: "/a",
    inode: 77,
    trigger: "oom",
    outcome: "raised",
    refusal: null,
    step: 2,
    addedBytes: 64 * MiB,
    limitBeforeBytes: 100 * MiB,
    limitAfterBytes: 164 * MiB,
    usageBytes: 100 * MiB,
    donors: [
      {
        number: 4,
        path: "/b c",
        reducedBytes: 64 * MiB,
        limitBeforeBytes: 400 * MiB,
        limitAfterBytes: 336 * MiB,
      },
    ],
    paused: true,
    growthBytesPerSecond: 200 * MiB,
    wokenUs: 1000,
    raisedUs: 1412,
    wallMs: WALL_MS,
    ...changes,
  };
}

function returned(changes: Partial<ReturnReport> = {}): ReturnReport {
  return {
    number: 3,
    path: "/a",
    why: "unneeded",
    outcome: "returned",
    refusal: null,
    returnedBytes: 64 * MiB,
    limitAfterBytes: 100 * MiB,
    donors: [{ number: 4, path: "/b", returnedBytes: 64 * MiB, limitAfterBytes: 400 * MiB }],
    timeUs: 5,
    wallMs: WALL_MS,
    ...changes,
  };
}

/** As it comes out of the log again. */
const reread = (line: Readonly<Record<string, unknown>>): string =>
  lineSentence(JSON.parse(JSON.stringify(line)) as Record<string, unknown>);

describe("the line of a rescue", () => {
  test("holds the calibration tool's object exactly, and what it stands on", () => {
    const line = rescueLine(rescue());
    const { oom_cgroup, added_memory, adjusted_cgroups } = line;
    expect({ oom_cgroup, added_memory, adjusted_cgroups }).toStrictEqual({
      oom_cgroup: "/a",
      added_memory: 64 * MiB,
      adjusted_cgroups: [{ name: "/b c", reduced_memory: 64 * MiB }],
    });
    expect(line).toMatchObject({
      event: "rescue",
      time: "2026-11-20T09:00:00.250Z",
      outcome: "raised",
      wokenToRaisedUs: 412,
      donors: [{ path: "/b c", limitBeforeBytes: 400 * MiB, limitAfterBytes: 336 * MiB }],
    });
  });

  test("has null for what is not known and for no limit, and no time where nothing was raised", () => {
    const nothing = rescue({
      outcome: "no-plan",
      usageBytes: Number.NaN,
      limitBeforeBytes: Number.POSITIVE_INFINITY,
      donors: [],
    });
    const line = rescueLine(nothing);
    expect(line).toMatchObject({ usageBytes: null, limitBeforeBytes: null, wokenToRaisedUs: null });
    expect(JSON.parse(JSON.stringify(line))).toEqual(line);
  });
});

describe("the sentence", () => {
  test.each<[RescueOutcome, Partial<RescueReport>, string]>([
    [
      "raised",
      {},
      "given 64.0 MiB (64.0 MiB of /b c) while it waited, limit now 164 MiB, after 412 µs (id b-1-7)",
    ],
    [
      "raised",
      { donors: [], paused: false },
      "given 64.0 MiB (free memory), limit now 164 MiB, after 412 µs",
    ],
    ["dry-run", { donors: [] }, "would be given 64.0 MiB (free memory), limit now 164 MiB"],
    ["no-plan", {}, "nobody has memory to give, its pause was ended"],
    ["cap", { paused: false }, "it has had all that the policy lends (id"],
    ["refused", { refusal: "EBUSY /x" }, "not permitted to give 64.0 MiB: EBUSY /x, its pause was ended"],
  ])("of a rescue that is %s", (outcome, changes, words) => {
    const report = rescue({ outcome, ...changes });
    const sentence = rescueSentence(report);
    expect(sentence).toContain("rescue of /a: met its limit of 100 MiB, 100 MiB in use, growing 200 MiB/s; ");
    expect(sentence).toContain(words);
    expect(reread(rescueLine(report))).toBe(sentence);
  });

  test("of what goes back, or does not", () => {
    expect(returnSentence(returned())).toBe("return from /a (not needed any more): 64.0 MiB, 64.0 MiB to /b");
    expect(returnSentence(returned({ outcome: "waits" }))).toContain("uses too much");
    expect(returnSentence(returned({ outcome: "refused", refusal: "EPERM /y" }))).toContain(
      "refused, EPERM /y",
    );
    for (const why of ["unneeded", "donor-needs", "receiver-gone", "limit-changed", "policy"] as const) {
      const report = returned({ why, limitAfterBytes: Number.NaN });
      expect(reread(returnLine(report))).toBe(returnSentence(report));
    }
  });

  test("of a recommendation", () => {
    const made = { path: "/a", limitBytes: 100 * MiB, recommendedBytes: 200 * MiB, why: "rescued often" };
    const words = "recommendation for /a: a limit of 200 MiB instead of 100 MiB: rescued often";
    expect(recommendationSentence(made)).toBe(words);
    expect(reread(recommendationLine(made, WALL_MS))).toBe(words);
    const unlimited = { ...made, limitBytes: null };
    expect(reread(recommendationLine(unlimited, WALL_MS))).toBe(recommendationSentence(unlimited));
  });

  test("never shows what is not known as a number", () => {
    const unknown = Number.NaN;
    for (const outcome of ["raised", "no-plan", "cap", "refused", "dry-run"] as const) {
      const report = rescue({
        outcome,
        usageBytes: unknown,
        limitBeforeBytes: unknown,
        limitAfterBytes: unknown,
      });
      const blind = { ...report, growthBytesPerSecond: unknown, raisedUs: unknown };
      expect(rescueSentence(blind)).not.toMatch(/NaN|null|undefined|Infinity/);
    }
  });
});

describe("a line that is read again says what was said", () => {
  const numbers = {
    totalBytes: 400 * MiB,
    availableBytes: 19 * MiB,
    lineBytes: 20 * MiB,
    timeToExhaustionMs: null,
  } as Decision["numbers"];
  const identityOf = (pid: number, startTicks: number): ProcessIdentity | null =>
    pid === database.pid
      ? null
      : { pid, startTicks, name: `a) ${pid}`, commandLine: null, uid: null, cgroup: null };
  const one = rankVictims(
    ask([row(300, { anonBytes: 2048 * MiB, grownBytes: 1024 * MiB, ageSeconds: 60 }), database]),
  );
  const crowd = rankVictims(
    ask(
      rows(5000, 40, () => {
        const [anonBytes, grownBytes] = [100 * MiB, 100 * MiB];
        return { processGroup: 5000, session: 5000, anonBytes, grownBytes, ageSeconds: 30 };
      }),
    ),
  );

  const decisionOf = (ranking: typeof one, verdict: Verdict, sparing: Decision["sparing"]): Decision => ({
    id: "b-1-7",
    number: 7,
    level: "critical",
    atUs: 5e6,
    verdict,
    numbers,
    shortfallBytes: 1,
    rungs: [],
    victim: verdict === "end" ? (ranking.candidates[0] ?? null) : null,
    candidates: ranking.candidates,
    sparing,
    excluded: {},
    dryRun: false,
    ahead: false,
  });
  const report: ActionReport = {
    id: "b-1-7",
    outcome: "ended",
    steps: [
      { what: "log", afterMs: 0, tookMs: 0, result: "recorded" },
      { what: "SIGTERM", afterMs: 0.4, tookMs: 0.1, result: "sent" },
    ],
    availableBeforeBytes: 19 * MiB,
    availableAfterBytes: 300 * MiB,
    crossingToSignalUs: 480,
    signalToEndUs: 90_000,
  };

  test.each<[string, Decision, ActionReport | null]>([
    ["an end", decisionOf(one, "end", null), report],
    ["an end of a group", decisionOf(crowd, "end", null), report],
    [
      "an end without figures after it",
      decisionOf(one, "end", null),
      { ...report, availableAfterBytes: null },
    ],
    ["nobody", decisionOf(one, "nobody", null), null],
    ["no candidate", decisionOf(one, "spare", { why: "no-candidate" }), null],
    [
      "memory held elsewhere",
      decisionOf(one, "spare", { why: "held-elsewhere", holder: "shared", heldBytes: 5 * MiB }),
      null,
    ],
    ["a notice", decisionOf(one, "notify", null), { ...report, outcome: "noted" }],
  ])("of %s", (_, decision, made) => {
    const line = decisionLine(decision, WALL_MS, made, identityOf);
    expect(reread(line)).toBe(decisionSentence(decision, made, identityOf));
  });

  test("of a level", () => {
    const change: LevelChange = { level: "warning", change: "began", atUs: 1, numbers };
    expect(reread(levelLine(change, WALL_MS))).toBe(levelSentence(change));
  });
});

test("any object at all has a sentence, and what is not known is shown as it is", () => {
  expect(lineSentence({ event: "new", time: "2026-11-20T09:00:00Z", x: [1] })).toBe('new: {"x":[1]}');
  expect(lineSentence({ event: "rescue", time: "now", oom_cgroup: 5 })).toBe('rescue: {"oom_cgroup":5}');
  const lines = [
    rescueLine(rescue()),
    returnLine(returned()),
    { event: "started", version: "1", pid: 1, policy: "p", scope: "host", dryRun: true },
    { event: "gap", worker: "a", why: "b", silentMs: 1, restartedAfterMs: 2 },
  ];
  const garbled = fc
    .tuple(
      fc.constantFrom(...lines),
      fc.dictionary(fc.constantFrom(...lines.flatMap(Object.keys)), fc.jsonValue()),
    )
    .map(([line, changes]) => ({ ...line, ...changes }));
  fc.assert(
    fc.property(fc.oneof(garbled, fc.dictionary(fc.string(), fc.jsonValue())), (line) => {
      expect(lineSentence(line)).not.toBe("");
    }),
  );
});
