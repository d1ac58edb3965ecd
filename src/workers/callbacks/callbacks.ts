import fs from "node:fs";
import type { AppAction } from "../../core/app/action.ts";
import { type CallbackName, callbackName, type CallbackSample } from "../../core/app/callbacks.ts";
import { APP_LEVELS, APP_MEASURES } from "../../core/policy/applications.ts";
import type { Message } from "../../core/messages.ts";
import type { Policy } from "../../core/policy/policy.ts";
import type { ResourceReport } from "../../core/resources/report.ts";
import { monotonicUs, overNow } from "../common/clock.ts";
import type { WorkerContext } from "../common/worker.ts";
import type { LaneWork } from "../lane/lane.ts";
import { HostLook, hostFigures, pickHostFigures } from "../lane/app/measure.ts";
import { type CallEnd, ModuleRunner } from "./module-runner.ts";

const EVERY_LEVEL = APP_MEASURES.flatMap((measure) => APP_LEVELS.map((level) => ({ measure, level })));

/** A busy machine may take its time to read what the module imports. */
const LOAD_LIMIT_MS = 20_000;

/** Calls the functions of the user's module, where it has them, instead of climbing ladders. */
export class CallbacksWork implements LaneWork<AppAction> {
  /** Whoever has told what there is must be there when it is asked for. */
  readonly holds = true;
  readonly #context: WorkerContext;
  readonly #threadUrl: URL;
  readonly #look: HostLook;
  #policy: Policy;
  #runner: ModuleRunner | null = null;
  #names: readonly CallbackName[] | null = null;
  /** The module's file as it was when it was loaded. */
  #loadedStamp = "";

  /** @param threadUrl the built file of ./module-thread.ts */
  constructor(context: WorkerContext, threadUrl: URL) {
    this.#context = context;
    this.#threadUrl = threadUrl;
    this.#policy = context.start.policy;
    this.#look = new HostLook(context.start.roots.proc);
    this.#open();
  }

  /** With a policy, a changed module is loaded anew; and what there is is told again: whoever hears it may have begun anew. */
  takePolicy(policy: Policy): void {
    const before = this.#policy.app;
    this.#policy = policy;
    const { callbacksPath, callbackDeadlineMs } = policy.app;
    const same = before.callbacksPath === callbacksPath && before.callbackDeadlineMs === callbackDeadlineMs;
    if (same && stampOf(callbacksPath) === this.#loadedStamp) return this.#tell();
    this.#runner?.close();
    this.#runner = null;
    this.#names = null;
    this.#open();
  }

  async act(action: AppAction): Promise<ResourceReport> {
    const beganUs = monotonicUs();
    const name = callbackName(action.measure, action.level);
    const end = await this.#call(action, name);
    const { id, resource, subject, why, dryRun, application, measure } = action;
    const policy = this.#policy.app.applications.find((each) => each.name === application)?.[measure];
    const known = policy !== null && policy !== undefined && !dryRun;
    return {
      id,
      resource,
      subject,
      verb: "callback",
      target: name,
      victims: [],
      outcome: dryRun ? "dry-run" : end.ok ? "done" : "failed",
      why,
      before: pickHostFigures(action.numbers),
      after: known ? hostFigures(measure, policy, this.#look.now()) : {},
      steps: [
        {
          what: name,
          afterMs: Math.round(beganUs - action.atUs) / 1000,
          tookMs: Math.round(monotonicUs() - beganUs) / 1000,
          result: end.text,
        },
      ],
      candidates: [],
      ...overNow(action.atUs),
      dryRun,
    };
  }

  close(): void {
    this.#runner?.close();
  }

  #call(action: AppAction, name: CallbackName): Promise<CallEnd> {
    if (action.dryRun) return Promise.resolve({ ok: true, text: "dry run" });
    if (this.#runner === null) return Promise.resolve({ ok: false, text: "there is no module" });
    const { id, application, measure, level, main, overcommitMode, why } = action;
    const policy = this.#policy.app;
    const dumpDirectory = policy.applications.find((each) => each.name === application)?.dumpDirectory ?? "";
    const deadlineMs = policy.callbackDeadlineMs;
    const context = { application, measure, level, id, why, dumpDirectory, deadlineMs };
    const sample = sampleOf(action);
    return this.#runner.call({ id, name, pid: main?.pid ?? null, overcommitMode, sample, context });
  }

  #open(): void {
    const { callbacksPath, callbackDeadlineMs } = this.#policy.app;
    this.#loadedStamp = stampOf(callbacksPath);
    const refusal = callbacksPath === null ? null : refusalOf(callbacksPath);
    if (callbacksPath === null || refusal !== null) {
      if (refusal !== null) this.#trouble("the callbacks' module is not loaded", refusal);
      return this.#takeNames([]);
    }
    this.#runner = new ModuleRunner(this.#threadUrl, callbacksPath, {
      callDeadlineMs: callbackDeadlineMs,
      loadLimitMs: Math.max(callbackDeadlineMs, LOAD_LIMIT_MS),
      loaded: (names) => this.#takeNames(names),
      trouble: (what, why) => this.#trouble(what, `${callbacksPath}: ${why}`),
      log: (severity, text) => this.#context.log(severity, text),
    });
  }

  #takeNames(names: readonly CallbackName[]): void {
    this.#names = names;
    this.#tell();
  }

  #tell(): void {
    if (this.#names === null) return;
    const names = new Set(this.#names);
    const has = EVERY_LEVEL.filter(({ measure, level }) => names.has(callbackName(measure, level)));
    this.#context.send("analysis", { type: "callbacks", has } satisfies Message);
  }

  #trouble(what: string, why: string): void {
    this.#context.send("recorder", { type: "event", event: { event: "limited", what, why } });
    this.#context.log("warn", `${what}: ${why}`);
  }
}

/** By which a changed file is told. */
function stampOf(modulePath: string | null): string {
  const stat = modulePath === null ? undefined : fs.statSync(modulePath, { throwIfNoEntry: false });
  return stat === undefined ? "" : `${stat.ino}:${stat.size}:${stat.mtimeMs}`;
}

/** What it does is done as the guard: it must be as well kept as the guard's own files. */
function refusalOf(modulePath: string): string | null {
  const stat = fs.statSync(modulePath, { throwIfNoEntry: false });
  if (stat === undefined) return `expected a module at ${modulePath}, found nothing`;
  if (!stat.isFile()) return `expected ${modulePath} to be a file, found something else`;
  const ours = [0, process.geteuid?.() ?? 0].includes(stat.uid) && (stat.mode & 0o022) === 0;
  const found = `uid ${stat.uid}, mode ${(stat.mode & 0o7777).toString(8)}`;
  return ours
    ? null
    : `expected ${modulePath} to be of root's or the guard's user, written by nobody else; found ${found}; chown and chmod it`;
}

function sampleOf({ numbers, atUs }: AppAction): CallbackSample {
  const of = (name: string): number | null => numbers[name] ?? null;
  return {
    timeMs: Date.now() - (monotonicUs() - atUs) / 1000,
    usedShare: of("usedShare"),
    lineShare: of("lineShare"),
    totalBytes: of("totalBytes"),
    availableBytes: of("availableBytes"),
    freeBytes: of("freeBytes"),
    committedBytes: of("committedBytes"),
    commitLimitBytes: of("commitLimitBytes"),
    residentBytes: of("residentBytes"),
    allocatedBytes: of("allocatedBytes"),
  };
}
