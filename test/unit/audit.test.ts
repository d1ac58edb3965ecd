/** What goes on record: the line of JSON and the sentence, for each thing that can be decided. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decisionLine, levelLine } from "../../src/core/audit/line.ts";
import { decisionSentence, levelSentence } from "../../src/core/audit/sentence.ts";
import type { Decision, LevelChange, Numbers } from "../../src/core/memory/decision.ts";
import type { ActionOutcome } from "../../src/core/memory/state.ts";
import type { ActionReport, ProcessIdentity } from "../../src/core/messages.ts";
import { rankVictims } from "../../src/core/victim/rank.ts";
import { ask, database, GiB, MiB, row, rows } from "../support/victim-host.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

const WALL_MS = Date.UTC(2026, 10, 20, 9, 0, 0, 250);

const NUMBERS: Numbers = {
  totalBytes: 16 * GiB,
  availableBytes: 0.5 * GiB,
  lineBytes: 0.8 * GiB,
  recoverBytes: GiB,
  swapTotalBytes: 0,
  swapFreeBytes: 0,
  fillBytesPerSecond: 500 * MiB,
  timeToExhaustionMs: 1024,
  pagesPerSecond: 0,
  stallShare: 0,
  sharedBytes: 64 * MiB,
  hugePagesBytes: 0,
  kernelBytes: 512 * MiB,
  anonBytes: 14 * GiB,
};

const leak = row(300, { anonBytes: 2 * GiB, grownBytes: GiB, ageSeconds: 60 });
const ranking = rankVictims(ask([leak, database]));

function decision(changes: Partial<Decision> = {}): Decision {
  return {
    id: "b-1-7",
    number: 7,
    level: "critical",
    atUs: 5e6,
    verdict: "end",
    numbers: NUMBERS,
    shortfallBytes: 512 * MiB,
    rungs: [{ action: "log" }, { action: "sigterm", deadlineMs: 2000 }],
    victim: ranking.candidates[0] ?? null,
    candidates: ranking.candidates,
    sparing: null,
    excluded: ranking.excluded,
    dryRun: false,
    ahead: false,
    ...changes,
  };
}

function report(outcome: ActionOutcome, changes: Partial<ActionReport> = {}): ActionReport {
  return {
    id: "b-1-7",
    outcome,
    steps: [
      { what: "log", afterMs: 0, tookMs: 0, result: "recorded" },
      { what: "SIGTERM", afterMs: 0.4, tookMs: 0.1, result: "sent" },
    ],
    availableBeforeBytes: 0.5 * GiB,
    availableAfterBytes: 2.5 * GiB,
    crossingToSignalUs: 480,
    signalToEndUs: 90_000,
    ...changes,
  };
}

const identityOf = (pid: number, startTicks: number): ProcessIdentity | null =>
  pid === leak.pid && startTicks === leak.startTicks
    ? { pid, startTicks, name: "a) R 1 (b", commandLine: "leak --fast", uid: 1000, cgroup: "/user" }
    : null;

describe("the line", () => {
  test("of an action: numbers, victims, candidates and what came of it", () => {
    const line = decisionLine(decision(), WALL_MS, report("ended"), identityOf);
    expect(line).toMatchObject({
      event: "decision",
      id: "b-1-7",
      time: "2026-11-20T09:00:00.250Z",
      level: "critical",
      verdict: "end",
      outcome: "ended",
      victims: [{ pid: 300, startTicks: leak.startTicks, name: "a) R 1 (b" }],
      broughtBackBytes: 2 * GiB,
      crossingToSignalUs: 480,
    });
    const [first, second] = line["candidates"] as Record<string, unknown>[];
    expect(first).toMatchObject({ pid: 300, commandLine: "leak --fast", cgroup: "/user" });
    // Who is not known has no name, and is there all the same.
    expect(second).toMatchObject({ pid: database.pid, name: null, commandLine: null, uid: null });
    expect(line).not.toHaveProperty("sparing");
  });

  test("is JSON that says the same, whatever a process calls itself", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (name, commandLine) => {
        const known = (pid: number, startTicks: number): ProcessIdentity => {
          return { pid, startTicks, name, commandLine, uid: 1, cgroup: null };
        };
        const line = decisionLine(decision(), WALL_MS, report("ended"), known);
        const text = JSON.stringify(line);
        expect(text).not.toContain("\n");
        expect(JSON.parse(text)).toEqual(line);
      }),
    );
  });

  test("without an outcome the verdict stands for it, and nothing is said of what came", () => {
    const spare = { why: "held-elsewhere", holder: "shared", heldBytes: 9 * GiB } as const;
    const line = decisionLine(
      decision({ verdict: "spare", victim: null, sparing: spare }),
      WALL_MS,
      null,
      identityOf,
    );
    expect(line).toMatchObject({ outcome: "spare", victims: [], sparing: spare });
    expect(line).not.toHaveProperty("steps");
    const unknown = report("ended", { availableAfterBytes: null });
    expect(decisionLine(decision(), WALL_MS, unknown, identityOf)["broughtBackBytes"]).toBeNull();
  });

  test("a group has its number, how many it has, and the first five by name", () => {
    const crowd = rows(5000, 40, () => {
      return {
        processGroup: 5000,
        session: 5000,
        anonBytes: 100 * MiB,
        grownBytes: 100 * MiB,
        ageSeconds: 30,
      };
    });
    const { candidates } = rankVictims(ask(crowd));
    const made = decision({ victim: candidates[0] ?? null, candidates });
    const line = decisionLine(made, WALL_MS, report("ended"), identityOf);
    const [group] = line["candidates"] as Record<string, unknown>[];
    expect(group).toMatchObject({ id: 5000, memberCount: 40 });
    expect(group?.["kind"]).not.toBe("process");
    expect(group?.["members"]).toHaveLength(5);
    expect(line["victims"]).toHaveLength(40);
    expect(decisionSentence(made, report("ended"), identityOf)).toContain("5000 of 40 processes");
  });

  test("of a level", () => {
    const change: LevelChange = { level: "warning", change: "began", atUs: 1, numbers: NUMBERS };
    expect(levelLine(change, WALL_MS)).toEqual({
      event: "level",
      time: "2026-11-20T09:00:00.250Z",
      resource: "memory",
      level: "warning",
      change: "began",
      numbers: NUMBERS,
    });
    expect(levelSentence(change)).toBe("memory warning began: 512 MiB of 16.0 GiB available");
  });
});

describe("the sentence", () => {
  const say = (changes: Partial<Decision>, made: ActionReport | null): string =>
    decisionSentence(decision(changes), made, identityOf);

  test.each<[ActionOutcome, string]>([
    ["ended", "ended pid 300"],
    ["recovered", "recovered, let be pid 300"],
    ["stuck", "could not end pid 300"],
    ["gone", "gone already: pid 300"],
    ["refused", "not permitted to end pid 300"],
  ])("of an action that is %s", (outcome, words) => {
    const sentence = say({}, report(outcome));
    expect(sentence).toContain("critical: 512 MiB available, line 819 MiB, exhausted in 1024 ms; ");
    expect(sentence).toContain(`${words} (a) R 1 (b): grew 1.00 GiB, would bring back 2.00 GiB, score`);
    expect(sentence).toContain(`next pid ${database.pid} with `);
    expect(sentence).toContain("SIGTERM sent, available 512 MiB -> 2.50 GiB (id b-1-7)");
    expect(sentence).not.toContain("recorded");
  });

  test("of what is about to be, would be, or is not done", () => {
    expect(say({}, null)).toContain("; ending pid 300");
    expect(say({ dryRun: true }, report("dry-run"))).toContain("; would end pid 300");
    expect(say({ verdict: "nobody", victim: null }, null)).toContain("; nobody may be ended (id b-1-7)");
    expect(say({ verdict: "notify", victim: null }, null)).toContain("; noted (id b-1-7)");
    for (const [holder, words] of [
      ["shared", "shared memory (tmpfs)"],
      ["huge-pages", "huge pages"],
      ["kernel", "the kernel"],
    ] as const) {
      const sparing = { why: "held-elsewhere", holder, heldBytes: 9 * GiB } as const;
      expect(say({ verdict: "spare", victim: null, sparing }, null)).toContain(
        `9.00 GiB are held by ${words}`,
      );
    }
  });

  test("never shows what is not known as a number", () => {
    const absent = Object.fromEntries(Object.keys(NUMBERS).map((key) => [key, null])) as unknown as Numbers;
    const numbers = { ...absent, fillBytesPerSecond: 0, pagesPerSecond: 0, stallShare: 0 };
    for (const sentence of [
      say({ numbers }, report("ended", { availableBeforeBytes: null })),
      levelSentence({ level: "critical", change: "ended", atUs: 1, numbers }),
    ]) {
      expect(sentence).not.toMatch(/NaN|null|undefined/);
    }
  });
});
