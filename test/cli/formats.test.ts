/** docs/formats.md against what the guard really writes and prints: nothing may occur that is not documented. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { decisionLine } from "../../src/core/audit/line.ts";
import { recommendationLine, rescueLine, returnLine } from "../../src/core/audit/rescue.ts";
import { actionLine, resourceLevelLine } from "../../src/core/audit/resource.ts";
import type { Decision } from "../../src/core/memory/decision.ts";
import type { RescueReport, ReturnReport } from "../../src/core/rescue/report.ts";
import type { ResourceChange, ResourceReport } from "../../src/core/resources/report.ts";
import { RESOURCES } from "../../src/core/resources/resource.ts";
import { RESOURCE_COLUMNS } from "../../src/core/resources/tables.ts";
import { MEMORY_COLUMNS, PROCESS_COLUMNS } from "../../src/core/samples.ts";
import { rankVictims } from "../../src/core/victim/rank.ts";
import { TestCgroup } from "../support/cgroup.ts";
import { BIN, GuardProcess } from "../support/guard.ts";
import { memoryCgroups, need, root } from "../support/needs.ts";
import {
  MADE_FROM_MS,
  MADE_FROM_US,
  MADE_HOST,
  makeRecording,
  nsoProcesses,
} from "../support/report-dataset.ts";
import { ask, MiB, rows } from "../support/victim-host.ts";

const TEXT = readFileSync(new URL("../../docs/formats.md", import.meta.url), "utf8");

interface Row {
  readonly field: string;
  readonly type: string;
}

/** The rows of the table under a heading, up to the next heading. */
function tableUnder(heading: string): Row[] {
  const section = TEXT.split(/^#+ /m).find((each) => each.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`docs/formats.md has no heading "${heading}"`);
  return [...section.matchAll(/^\| `([^`]+)` \| ([^|]+?) \|/gm)].map(([, field, type]) => {
    return { field: field as string, type: type as string };
  });
}

function typeOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
}

/** All paths in a value with their types: `a.b[].c`. */
function pathsOf(value: unknown, at = ""): Row[] {
  const own = at === "" ? [] : [{ field: at, type: typeOf(value) }];
  if (Array.isArray(value)) return [...own, ...value.flatMap((each) => pathsOf(each, `${at}[]`))];
  if (typeof value !== "object" || value === null) return own;
  const parts = Object.entries(value).flatMap(([key, each]) =>
    pathsOf(each, at === "" ? key : `${at}.${key}`),
  );
  return [...own, ...parts];
}

/** Whether a documented field stands for a path; `*` is any name. */
function standsFor(field: string, path: string): boolean {
  const pattern = field
    .split("*")
    .map((part) => part.replace(/[.[\]]/g, "\\$&"))
    .join("[^.]+");
  return new RegExp(`^${pattern}$`).test(path);
}

/** What occurs in a value and is not documented, or not as of that type. */
function undocumented(value: unknown, table: readonly Row[]): string[] {
  return pathsOf(value)
    .filter(({ field, type }) => {
      // Elements of arrays, and objects that are there for their parts.
      if (
        field.endsWith("[]") ||
        (type === "object" && table.some((row) => row.field.startsWith(`${field}.`)))
      )
        return false;
      if (type === "object" && table.some((row) => standsFor(row.field.replace(/\.[^.]+$/, ""), field)))
        return false;
      return !table.some((row) => standsFor(row.field, field) && row.type.includes(type));
    })
    .map(({ field, type }) => `${field}: ${type}`);
}

function undocumentedInLine(line: Record<string, unknown>): string[] {
  const numbers = "numbers" in line ? tableUnder(line["resource"] === "memory" ? "Numbers" : "Figures") : [];
  return undocumented(line, [...tableUnder(`Event \`${String(line["event"])}\``), ...numbers]);
}

test("the examples hold to their own tables, one at least an event", () => {
  const examples = [...TEXT.matchAll(/^```json\n(.*)\n```$/gm)].map(([, json]) => {
    return JSON.parse(json as string) as Record<string, unknown>;
  });
  for (const line of examples) expect(undocumentedInLine(line)).toEqual([]);
  const headings = [...TEXT.matchAll(/^### Event `(.+)`$/gm)].map(([, event]) => event);
  expect(new Set(examples.map((line) => line["event"]))).toEqual(new Set(headings));
});

test("the check itself finds what is not documented", () => {
  const line = { event: "stopped", time: "", reason: 5, uptimeMs: 1, surprise: { deep: [1] } };
  expect(undocumentedInLine(line)).toEqual(["reason: number", "surprise: object", "surprise.deep: array"]);
});

test("the columns of the rings are documented in their order, with their types", () => {
  const ofColumns = (columns: readonly { name: string; type: string }[]): Row[] =>
    columns.map(({ name, type }) => ({ field: name, type }));
  expect(tableUnder("Memory columns")).toEqual(ofColumns(MEMORY_COLUMNS));
  expect(tableUnder("Process columns")).toEqual(ofColumns(PROCESS_COLUMNS));
});

test("every field of the doctor's JSON is documented", () => {
  const text = execFileSync(process.execPath, [BIN, "doctor", "--json"], { encoding: "utf8" });
  expect(undocumented(JSON.parse(text), tableUnder("Doctor"))).toEqual([]);
});

test("every field of a report's JSON is documented", ({ onTestFinished }) => {
  const home = mkdtempSync(path.join(os.tmpdir(), "plimsoll-formats-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const directory = makeRecording(path.join(home, "made"), {
    looks: 3,
    intervalMs: 1000,
    processes: nsoProcesses(1),
    host: MADE_HOST,
    manifest: { clockChanges: [{ monotonicUs: MADE_FROM_US + 1.5e6, wallMs: MADE_FROM_MS + 1e6 }] },
  });
  const text = execFileSync(process.execPath, [BIN, "report", directory, "--json"], { encoding: "utf8" });
  const report = JSON.parse(text) as {
    readonly marks: readonly object[];
    readonly advice: readonly object[];
  };
  expect([report.marks.length, report.advice.length]).toEqual([1, 1]);
  expect(undocumented(report, tableUnder("Report"))).toEqual([]);
});

test("every field of a group's decision is documented", () => {
  const crowd = rows(5000, 40, () => {
    return { processGroup: 5000, session: 5000, anonBytes: 100 * MiB, grownBytes: 100 * MiB, ageSeconds: 30 };
  });
  const { candidates, excluded } = rankVictims(ask(crowd));
  expect(candidates[0]?.kind).toBe("process-group");
  const decision = { id: "a", level: "critical", verdict: "end", dryRun: false, ahead: false } as const;
  const rest = {
    number: 1,
    atUs: 1,
    shortfallBytes: 1,
    rungs: [],
    sparing: null,
    victim: candidates[0] ?? null,
  };
  const numbers = {} as Decision["numbers"];
  const made: Decision = { ...decision, ...rest, numbers, candidates, excluded };
  const identity = (pid: number, startTicks: number) => ({
    pid,
    startTicks,
    name: "x",
    commandLine: "x",
    uid: 0,
    cgroup: "/",
  });
  expect(undocumentedInLine(decisionLine(made, 0, null, identity))).toEqual([]);
});

test("every field of what is recorded of other resources is documented", () => {
  const report: ResourceReport = {
    id: "a",
    resource: "cpu",
    subject: "host",
    verb: "quarantine",
    target: "pid 1 (a)",
    victims: [{ pid: 1, startTicks: 2 }],
    outcome: "partly",
    why: "busy",
    before: { busyShare: 1, running: null },
    after: { busyShare: null, running: 2 },
    steps: [{ what: "a", afterMs: 1, tookMs: 2, result: "b" }],
    candidates: ["pid 2 (b)"],
    wallMs: 0,
    tookMs: 3,
    dryRun: false,
  };
  const change: ResourceChange = {
    resource: "net",
    subject: "eth0",
    level: "warning",
    change: "began",
    atUs: 1,
    numbers: { sentBytesPerSecond: 1, sentPackets: null },
  };
  const lines = [
    actionLine(report, () => null),
    actionLine({ ...report, target: null }, (pid, startTicks) => {
      return { pid, startTicks, name: "a", commandLine: null, uid: null, cgroup: null };
    }),
    resourceLevelLine(change, 0),
  ];
  for (const line of lines) expect(undocumentedInLine(line)).toEqual([]);
});

test("the tables of a dataset are documented, each column", () => {
  const text = readFileSync(new URL("../../docs/datasets.md", import.meta.url), "utf8");
  for (const resource of RESOURCES) {
    const section = text.split(/^\*\*/m).find((each) => each.startsWith(`${resource}**`)) ?? "";
    const named = [...section.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].flatMap(([, names]) =>
      [...(names as string).matchAll(/`(\w+)`/g)].map(([, name]) => name),
    );
    expect(named, resource).toEqual(RESOURCE_COLUMNS[resource].map(({ name }) => name));
    for (const { name, type } of RESOURCE_COLUMNS[resource])
      if (type !== "uint64")
        expect(section, `${resource}.${name}`).toMatch(new RegExp(`\`${name}\`.*${type}`));
  }
});

test("every field of what is recorded of limits is documented", () => {
  const donor = { number: 2, path: "/b", limitAfterBytes: 4096 };
  const refused = { path: "/a", number: 1, refusal: "EBUSY: /a/memory.max", wallMs: 0 };
  const rescue: RescueReport = {
    ...refused,
    id: "a",
    inode: 5,
    trigger: "oom",
    outcome: "refused",
    step: 2,
    addedBytes: 4096,
    limitBeforeBytes: 4096,
    limitAfterBytes: Number.POSITIVE_INFINITY,
    usageBytes: Number.NaN,
    donors: [{ ...donor, reducedBytes: 4096, limitBeforeBytes: Number.POSITIVE_INFINITY }],
    paused: false,
    growthBytesPerSecond: 1,
    wokenUs: 1,
    raisedUs: 2,
  };
  const giveBack: ReturnReport = {
    ...refused,
    why: "policy",
    outcome: "refused",
    returnedBytes: 4096,
    limitAfterBytes: Number.NaN,
    donors: [{ ...donor, returnedBytes: 4096 }],
    timeUs: 1,
  };
  const advice = { path: "/a", limitBytes: null, recommendedBytes: 4096, why: "often" };
  for (const line of [
    rescueLine(rescue),
    rescueLine({ ...rescue, outcome: "raised", refusal: null, usageBytes: 1 }),
    returnLine(giveBack),
    recommendationLine(advice, 0),
  ]) {
    expect(undocumentedInLine(line)).toEqual([]);
  }
});

test("every field that occurs in a real audit log, and in a real status, is documented", async (context) => {
  need(context, root, memoryCgroups);
  const cgroup = TestCgroup.memory(context, 400);
  const guard = await GuardProcess.start(context, {
    scope: cgroup.scope,
    policy: '[memory.warning]\nladder = [{ action = "command", run = "true", deadline = "1s" }]\n',
    env: { PLIMSOLL_ALLOW_FAULTS: "1" },
  });
  await guard.ask({ ask: "fault", worker: "processes", kind: "throw" });
  await guard.recorded("a gap", ({ event }) => event === "gap");
  const hog = await cgroup.start(context, "grow", ["--from", "20", "--to", "1000", "--rate", "200"]);
  hog.go();
  await guard.decision("ended");
  await guard.decision("noted");
  const status = JSON.parse(
    execFileSync(process.execPath, [BIN, "status", "--json", "--scope", cgroup.scope], {
      encoding: "utf8",
      env: { ...process.env, PLIMSOLL_RUN_DIR: path.join(guard.home, "run") },
    }),
  ) as Record<string, unknown>;
  guard.writePolicy("");
  guard.child.kill("SIGHUP");
  await guard.recorded("the new policy", ({ event }) => event === "policy-reloaded");
  guard.writePolicy("nonsense = 1");
  guard.child.kill("SIGHUP");
  await guard.recorded("the refusal", ({ event }) => event === "policy-refused");
  expect((await guard.stop()).code).toBe(0);
  const lines = guard.audit();
  const events = new Set(lines.map(({ event }) => event as string));
  for (const event of ["started", "stopped", "level", "decision", "gap", "policy-reloaded", "policy-refused"])
    expect(events).toContain(event);
  for (const line of lines) expect(undocumentedInLine(line)).toEqual([]);
  expect(undocumented(status, tableUnder("Status"))).toEqual([]);
  expect(status["lastAction"]).not.toBeNull();
  const [memory] = status["resources"] as { resource: string; lastAction: object | null }[];
  expect(memory).toMatchObject({ resource: "memory", subject: cgroup.scope });
  expect(memory?.lastAction).not.toBeNull();
});
