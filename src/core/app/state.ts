import {
  APP_MEASURES,
  type ApplicationPolicy,
  type ApplicationsPolicy,
  type AppLevel,
  type AppMeasure,
  type MeasurePolicy,
} from "../policy/applications.ts";
import type { ProcessRef, ResourceStatus } from "../resources/report.ts";
import type { HostFigures, Use } from "./levels.ts";

/** One measure of one application: its level, and what is done about it. */
export interface Watch {
  readonly application: string;
  readonly measure: AppMeasure;
  policy: MeasurePolicy;
  /** Null before the first sample. */
  level: AppLevel | null;
  use: Use | null;
  /** A level that has begun, about which something is still to be done. */
  owed: AppLevel | null;
  inFlight: { readonly id: string; readonly level: AppLevel } | null;
  lastAction: ResourceStatus["lastAction"];
}

/** A process that belongs to an application, with its latest figures. NaN: not known. */
export interface AppProcess {
  readonly application: string;
  readonly group: string;
  /** `main`: the one that is signalled. `child`: a subprocess, or a fork, of another of its group. */
  readonly role: "main" | "member" | "child";
  readonly ref: ProcessRef;
  residentBytes: number;
  allocatedBytes: number;
  /** When it was last heard of. */
  seenUs: number;
}

/** Who acts for a level: the ladder of the policy, or a function of the user's. */
export type CallbackKey = `${AppMeasure} ${AppLevel}`;

/** What the analysis remembers of applications from step to step. */
export class AppState {
  policy: ApplicationsPolicy;
  dryRun: boolean;
  readonly watches = new Map<string, Watch>();
  /** By the numbers that the sampler of applications gave them. */
  readonly processes = new Map<number, AppProcess>();
  /** For which levels the user's module has a function; null: it has not said. */
  callbacks: ReadonlySet<CallbackKey> | null = null;
  /** The sampler of applications has said whom it found. */
  announced = false;
  figures: HostFigures | null = null;
  /** When the latest row of the sampler's was taken. */
  rowUs = Number.NaN;
  firstUs = Number.NaN;
  /** 0, 1 or 2: vm.overcommit_memory; null: not known. */
  overcommitMode: number | null = null;
  /** An earlier life of the thread has judged before: what stands already is not begun again. */
  readonly again: boolean;
  readonly #idPrefix: string;
  #count = 0;

  /** @param idPrefix of the ids of actions, unique over restarts */
  constructor(policy: ApplicationsPolicy, dryRun: boolean, idPrefix: string, again: boolean) {
    this.policy = policy;
    this.dryRun = dryRun;
    this.again = again;
    this.#idPrefix = idPrefix;
    this.adopt(policy, dryRun);
  }

  /** Takes a policy over: who is still in it goes on as it stands. */
  adopt(policy: ApplicationsPolicy, dryRun: boolean): void {
    if (policy.callbacksPath !== this.policy.callbacksPath) this.callbacks = null;
    this.policy = policy;
    this.dryRun = dryRun;
    const wanted = new Map<string, Watch>();
    for (const application of policy.enabled ? policy.applications : [])
      for (const measure of APP_MEASURES) this.#adoptMeasure(application, measure, wanted);
    this.watches.clear();
    for (const [key, watch] of wanted) this.watches.set(key, watch);
  }

  #adoptMeasure(application: ApplicationPolicy, measure: AppMeasure, wanted: Map<string, Watch>): void {
    const policy = application[measure];
    if (policy === null) return;
    const key = watchKey(application.name, measure);
    const known = this.watches.get(key);
    if (known !== undefined) known.policy = policy;
    wanted.set(key, known ?? newWatch(application.name, measure, policy));
  }

  nextId(): string {
    return `${this.#idPrefix}-a${++this.#count}`;
  }
}

export function watchKey(application: string, measure: AppMeasure): string {
  return `${application} ${measure}`;
}

function newWatch(application: string, measure: AppMeasure, policy: MeasurePolicy): Watch {
  return {
    application,
    measure,
    policy,
    level: null,
    use: null,
    owed: null,
    inFlight: null,
    lastAction: null,
  };
}
