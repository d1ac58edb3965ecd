import fs from "node:fs";
import type { AppAction } from "../../../core/app/action.ts";
import { lineOf, rankOf, useOf } from "../../../core/app/levels.ts";
import type { AppLevel, MeasurePolicy } from "../../../core/policy/applications.ts";
import type { Policy } from "../../../core/policy/policy.ts";
import type { ProcessRef, ResourceReport } from "../../../core/resources/report.ts";
import { overNow } from "../../common/clock.ts";
import type { HostRoots } from "../../common/roots.ts";
import { readProcessStat } from "../../common/target.ts";
import { Stat } from "../../../core/parse/process-stat.ts";
import { commandVariables } from "../commands.ts";
import type { LaneWork } from "../lane.ts";
import { AppLadder, type AppLadderResult } from "./ladder.ts";
import { HostLook, hostFigures, pickHostFigures } from "./measure.ts";
import { AppTarget } from "./target.ts";

/** How often what leads to a signal is run for practice, so that it is compiled when it is needed. */
const REHEARSALS = 200;
/** On a slow processor it is cut short: a thread that is busy for longer seems to hang. */
const REHEARSAL_LIMIT_MS = 100;

/** A ladder that is being climbed. */
interface Climbing {
  readonly level: AppLevel;
  readonly stop: AbortController;
  readonly over: Promise<unknown>;
}

/** What is done for applications: ladders, one at a time for each measure of each application. */
export class AppLane implements LaneWork<AppAction> {
  readonly #roots: HostRoots;
  readonly #climbing = new Map<string, Climbing>();
  readonly #look: HostLook;
  #policy: Policy;

  constructor(roots: HostRoots, policy: Policy) {
    this.#roots = roots;
    this.#policy = policy;
    this.#look = new HostLook(roots.proc);
  }

  /** A signal has to be in time: the thread stays as long as there is somebody who may get one. */
  get holds(): boolean {
    return this.#policy.app.enabled || this.#climbing.size > 0;
  }

  takePolicy(policy: Policy): void {
    this.#policy = policy;
  }

  prepare(): void {
    const { proc } = this.#roots;
    const own = { pid: process.pid, startTicks: readProcessStat(proc, process.pid)?.[Stat.startTicks] ?? 0 };
    const deadlineMs = performance.now() + REHEARSAL_LIMIT_MS;
    for (let i = 0; i < REHEARSALS && performance.now() < deadlineMs; i++) {
      const target = new AppTarget(proc, own);
      target.probe();
      target.close();
      this.#look.now();
    }
  }

  async act(action: AppAction): Promise<ResourceReport> {
    const application = this.#policy.app.applications.find(({ name }) => name === action.application);
    const measure = application?.[action.measure] ?? null;
    const { main } = action;
    if (application === undefined || measure === null || main === null)
      return reportOf(action, NOTHING, {}, {});
    const before = pickHostFigures(action.numbers);
    const stop = new AbortController();
    const ladder = new AppLadder({
      action,
      main,
      procRoot: this.#roots.proc,
      variables: this.#variables(action, main),
      dumping: {
        directory: application.dumpDirectory,
        limitBytes: application.dumpLimitBytes,
        owners: ownersOf(this.#roots.proc, main.pid),
      },
      levelStands: () => this.#stands(action, measure),
      signal: stop.signal,
    });
    // Begun before anything else is stopped: a signal that is due is not delayed by what a lower level does.
    const climbed = ladder.climb();
    this.#stopLower(action);
    const climbing = { level: action.level, stop, over: climbed };
    this.#climbing.set(action.subject, climbing);
    try {
      const result = await climbed;
      const after = action.dryRun ? {} : hostFigures(action.measure, measure, this.#look.now());
      return reportOf(action, result, before, after);
    } finally {
      if (this.#climbing.get(action.subject) === climbing) this.#climbing.delete(action.subject);
    }
  }

  /** What is under way is called off, and goes on record. */
  async close(): Promise<void> {
    const all = [...this.#climbing.values()];
    for (const { stop } of all) stop.abort("the guard ends");
    await Promise.allSettled(all.map(({ over }) => over));
    // Their reports are made after them.
    await new Promise((resolve) => setImmediate(resolve));
  }

  #stopLower(action: AppAction): void {
    const climbing = this.#climbing.get(action.subject);
    if (climbing !== undefined && rankOf(climbing.level) < rankOf(action.level))
      climbing.stop.abort(`the ${action.level} level has begun`);
  }

  #stands({ level, measure }: AppAction, policy: MeasurePolicy): boolean {
    const line = lineOf(level, policy);
    if (line === null) return true;
    const { share } = useOf(measure, policy, this.#look.now());
    return Number.isNaN(share) || share > line - policy.hysteresisShare;
  }

  #variables(action: AppAction, main: ProcessRef): Record<string, string> {
    return {
      ...commandVariables(this.#roots.proc, action, null),
      PLIMSOLL_PID: String(main.pid),
      PLIMSOLL_APPLICATION: action.application,
      PLIMSOLL_LEVEL: action.level,
      PLIMSOLL_MEASURE: action.measure,
    };
  }
}

const NOTHING: AppLadderResult = { verb: "note", outcome: "gone", victims: [], steps: [] };

/** Whose process it is: it may write its dumps itself. */
function ownersOf(procRoot: string, pid: number): number[] {
  try {
    return [fs.statSync(`${procRoot}/${pid}`).uid];
  } catch {
    return [];
  }
}

function reportOf(
  action: AppAction,
  { verb, outcome, victims, steps }: AppLadderResult,
  before: ResourceReport["before"],
  after: ResourceReport["after"],
): ResourceReport {
  const { id, resource, subject, why, dryRun, application, main } = action;
  const target = main === null ? application : `${application} (pid ${main.pid})`;
  return {
    id,
    resource,
    subject,
    verb,
    target,
    victims,
    outcome,
    why,
    before,
    after,
    steps,
    candidates: [],
    ...overNow(action.atUs),
    dryRun,
  };
}
