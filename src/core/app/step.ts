import type { AppLevel } from "../policy/applications.ts";
import type { ResourceChange, ResourceReport, ResourceStatus } from "../resources/report.ts";
import type { Figures, NamedThing } from "../resources/resource.ts";
import { formatBytes, formatShare } from "../units.ts";
import type { AppAction } from "./action.ts";
import { App } from "./columns.ts";
import { type HostFigures, levelAt, lineOf, rankOf, subjectOf, useOf } from "./levels.ts";
import { type AppProcess, type AppState, type CallbackKey, type Watch, watchKey } from "./state.ts";

/** What follows from a step: to be sent at once. */
export interface AppOutput {
  readonly changes: readonly ResourceChange[];
  readonly actions: readonly AppAction[];
}

/**
 * Who an application's processes are, and for what the user has functions, is waited for so long: a level that began
 * before is acted on as soon as it is known.
 */
const UNKNOWN_US = 5_000_000;

/** Takes a sample of the host in: levels begin and end, and what is to be done follows. */
export function takeSample(state: AppState, figures: HostFigures, overcommitMode: number | null): AppOutput {
  state.figures = figures;
  state.overcommitMode = overcommitMode;
  if (Number.isNaN(state.firstUs)) state.firstUs = figures.timeUs;
  let changes: ResourceChange[] | null = null;
  for (const watch of state.watches.values()) {
    const before = watch.level;
    watch.use = useOf(watch.measure, watch.policy, figures);
    if (Number.isNaN(watch.use.share)) continue;
    const level = levelAt(watch.use.share, before ?? "info", watch.policy);
    watch.level = level;
    if (before === null && state.again) continue;
    if (level === before) continue;
    (changes ??= []).push(...changesOf(state, watch, before ?? "info", level));
    // Going down, only that it is over is worth a ladder; what was owed for the higher level is not any more.
    const rises = before === null || rankOf(level) > rankOf(before);
    watch.owed = rises || level === "info" ? level : null;
  }
  return { changes: changes ?? [], actions: decide(state) };
}

/** Takes in who the numbers of rows are. */
export function takeNames(
  state: AppState,
  appeared: readonly NamedThing[],
  gone: readonly number[],
): readonly AppAction[] {
  state.announced = true;
  for (const number of gone) state.processes.delete(number);
  for (const { number, about } of appeared) {
    const known = state.processes.get(number);
    const ref = { pid: Number(about["pid"]), startTicks: Number(about["startTicks"]) };
    const same = known?.ref.pid === ref.pid && known.ref.startTicks === ref.startTicks;
    state.processes.set(number, {
      application: about["application"] ?? "",
      group: about["group"] ?? "",
      role: roleOf(about["role"]),
      ref,
      residentBytes: same ? known.residentBytes : Number.NaN,
      allocatedBytes: same ? known.allocatedBytes : Number.NaN,
      seenUs: Math.max(state.rowUs || 0, state.figures?.timeUs ?? 0),
    });
  }
  return decide(state);
}

function roleOf(text: string | undefined): AppProcess["role"] {
  return text === "main" || text === "child" ? text : "member";
}

/** Takes in a row of the sampler's: columns {@link App}. */
export function takeRow(state: AppState, row: Float64Array): void {
  state.rowUs = row[App.timeUs] as number;
  const process = state.processes.get(row[App.process] as number);
  if (process === undefined) return;
  process.residentBytes = row[App.residentBytes] as number;
  process.allocatedBytes = row[App.allocatedBytes] as number;
  process.seenUs = state.rowUs;
}

export function takeCallbacks(state: AppState, has: ReadonlySet<CallbackKey>): readonly AppAction[] {
  state.callbacks = has;
  return decide(state);
}

/** Takes in what came of an action: the next one may follow. */
export function takeReport(state: AppState, report: ResourceReport): readonly AppAction[] {
  const watch = [...state.watches.values()].find(
    ({ application, measure }) => subjectOf(application, measure) === report.subject,
  );
  if (watch === undefined) return [];
  const { verb, target, outcome, wallMs } = report;
  watch.lastAction = { verb, target, outcome, wallMs };
  if (watch.inFlight?.id === report.id) watch.inFlight = null;
  return decide(state);
}

/** What is owed and can be done now: one at a time a measure of an application, and the critical one before any other. */
function decide(state: AppState): readonly AppAction[] {
  let actions: AppAction[] | null = null;
  for (const watch of state.watches.values()) {
    if (watch.owed === null || !isKnown(state)) continue;
    if (watch.inFlight !== null && rankOf(watch.owed) <= rankOf(watch.inFlight.level)) continue;
    const action = actionFor(state, watch, watch.owed);
    watch.owed = null;
    if (action === null) continue;
    watch.inFlight = { id: action.id, level: action.level };
    (actions ??= []).push(action);
  }
  return actions ?? [];
}

function isKnown(state: AppState): boolean {
  const { figures, policy } = state;
  if (figures === null) return false;
  const told = state.announced && (policy.callbacksPath === null || state.callbacks !== null);
  return told || figures.timeUs - state.firstUs > UNKNOWN_US;
}

/** Null: there is nothing to do, nobody to do it to, or the kernel's way with promises of memory makes it meaningless. */
function actionFor(state: AppState, watch: Watch, level: AppLevel): AppAction | null {
  const { application, measure, policy } = watch;
  if (!acts(policy.actsInModes, state.overcommitMode)) return null;
  const isCallback = state.callbacks?.has(`${measure} ${level}`) ?? false;
  const [main, ...others] = mainsOf(state, application);
  const rungs = policy.ladders[level];
  if (!isCallback && (rungs.length === 0 || main === undefined)) return null;
  const several =
    others.length === 0 ? "" : `; of ${others.length + 1} that match, pid ${main?.ref.pid} is the main one`;
  return {
    id: state.nextId(),
    resource: "app",
    subject: subjectOf(application, measure),
    kind: isCallback ? "callback" : "ladder",
    application,
    measure,
    level,
    main: main?.ref ?? null,
    overcommitMode: state.overcommitMode,
    rungs,
    why: `${whyOf(watch, level)}${several}`,
    numbers: numbersOf(state, watch, level),
    atUs: state.figures?.timeUs ?? 0,
    dryRun: state.dryRun,
  };
}

/** A mode that is not known may be any. */
function acts(modes: readonly number[], mode: number | null): boolean {
  return mode === null ? [0, 1, 2].every((each) => modes.includes(each)) : modes.includes(mode);
}

/**
 * The processes of an application's main group that are nobody's children there, the one that is signalled first. One that a sampler's earlier life announced, and its
 * present one does not know, may be gone: no row is about it any more.
 */
function mainsOf(state: AppState, name: string): AppProcess[] {
  const policy = state.policy.applications.find((each) => each.name === name);
  const oldestUs = state.rowUs - Math.max(UNKNOWN_US, 5000 * (policy?.intervalMs ?? 0));
  return [...state.processes.values()]
    .filter(({ application, group }) => application === name && group === policy?.main)
    .filter(({ seenUs, role }) => !(seenUs < oldestUs) && role !== "child")
    .sort(
      (a, b) => Number(b.role === "main") - Number(a.role === "main") || a.ref.startTicks - b.ref.startTicks,
    );
}

const IN_USE = { physical: "physical memory in use", allocated: "memory promised (Committed_AS)" } as const;

function whyOf({ measure, use, policy }: Watch, level: AppLevel): string {
  const { usedBytes = Number.NaN, ofBytes = Number.NaN, share = Number.NaN } = use ?? {};
  const line = lineOf(level, policy);
  const limit =
    line === null ? `below ${formatShare(policy.warningShare)}` : `at or above ${formatShare(line)}`;
  return `${IN_USE[measure]}: ${formatBytes(usedBytes)} of ${formatBytes(ofBytes)}, ${formatShare(rounded(share) ?? Number.NaN)}, ${limit}`;
}

function numbersOf(state: AppState, watch: Watch, level: AppLevel): Figures {
  const { figures } = state;
  return {
    usedShare: rounded(watch.use?.share ?? Number.NaN),
    lineShare: lineOf(level, watch.policy),
    totalBytes: orNull(figures?.totalBytes),
    availableBytes: orNull(figures?.availableBytes),
    freeBytes: orNull(figures?.freeBytes),
    committedBytes: orNull(figures?.committedBytes),
    commitLimitBytes: orNull(figures?.commitLimitBytes),
    overcommitMode: state.overcommitMode,
    residentBytes: sumOf(state, watch.application, "residentBytes"),
    allocatedBytes: sumOf(state, watch.application, "allocatedBytes"),
  };
}

/** Over all processes of an application; null when nobody's is known. */
function sumOf(state: AppState, name: string, of: "residentBytes" | "allocatedBytes"): number | null {
  const known = [...state.processes.values()].filter(
    (process) => process.application === name && !Number.isNaN(process[of]),
  );
  return known.length === 0 ? null : known.reduce((sum, process) => sum + process[of], 0);
}

function orNull(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
}

function rounded(share: number): number | null {
  return Number.isNaN(share) ? null : Math.round(share * 1e5) / 1e5;
}

/** Those that lie between: from info to critical the warning begins too, and is over only when it is. */
function changesOf(state: AppState, watch: Watch, from: AppLevel, to: AppLevel): ResourceChange[] {
  const rises = rankOf(to) > rankOf(from);
  const [low, high] = rises ? [rankOf(from), rankOf(to)] : [rankOf(to), rankOf(from)];
  const crossed = (["warning", "critical"] as const).filter(
    (level) => rankOf(level) > low && rankOf(level) <= high,
  );
  return (rises ? crossed : crossed.toReversed()).map((level) => ({
    resource: "app",
    subject: subjectOf(watch.application, watch.measure),
    level,
    change: rises ? "began" : "ended",
    atUs: state.figures?.timeUs ?? 0,
    numbers: numbersOf(state, watch, level),
  }));
}

/** How each application stands, a measure a row. */
export function statusOf(state: AppState): readonly ResourceStatus[] {
  return state.policy.applications.flatMap(({ name }) => statusOfApplication(state, name));
}

function statusOfApplication(state: AppState, name: string): ResourceStatus[] {
  const watches = (["physical", "allocated"] as const).flatMap(
    (measure) => state.watches.get(watchKey(name, measure)) ?? [],
  );
  return watches.map((watch) => ({
    resource: "app",
    subject: subjectOf(name, watch.measure),
    level: watch.level === null || watch.level === "info" ? "none" : watch.level,
    numbers: { ...numbersOf(state, watch, watch.level ?? "info"), ...runningOf(state, name) },
    timeToExhaustionMs: null,
    lastAction: watch.lastAction,
  }));
}

/** Its main process, null when it does not run; and how many belong to it. */
function runningOf(state: AppState, name: string): Figures {
  const [main] = mainsOf(state, name);
  const processes = [...state.processes.values()].filter(({ application }) => application === name).length;
  return { pid: main?.ref.pid ?? null, processes };
}
