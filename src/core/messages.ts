import type { CgroupIdentity } from "./cgroups/columns.ts";
import type { ActionEnd, ActionOutcome } from "./memory/state.ts";
import type { Decision, LevelChange } from "./memory/decision.ts";
import type { Policy } from "./policy/policy.ts";
import type { Switch } from "./policy/switches.ts";
import type { CgroupFigures } from "./rescue/figures.ts";
import type {
  LeaseReturn,
  OutstandingLimit,
  Recommendation,
  RescueReport,
  ReturnReport,
} from "./rescue/report.ts";
import type { AppLevel, AppMeasure } from "./policy/applications.ts";
import type { ResourceAction } from "./resources/action.ts";
import type { ResourceChange, ResourceReport, ResourceStatus } from "./resources/report.ts";
import type { NamedThing, Resource } from "./resources/resource.ts";
import type { WorkerName } from "./shared/board.ts";

/**
 * Everything that threads say to each other, other than by shared memory. All goes by way of the coordinator, which
 * knows which life of a worker is the present one. An unknown message is a broken program.
 */

/** Where a thread's message is to go. */
export interface Envelope {
  readonly to: WorkerName | "coordinator";
  readonly message: Message;
}

export type Message =
  | { readonly type: "policy"; readonly policy: Policy }
  | { readonly type: "stop" }
  /** To the action lane: climb this decision's ladder. */
  | { readonly type: "act"; readonly decision: Decision }
  /** To the analysis: it is over. */
  | { readonly type: "end"; readonly end: ActionEnd }
  | { readonly type: "level"; readonly change: LevelChange }
  | { readonly type: "decision"; readonly decision: Decision; readonly wallMs: number }
  | { readonly type: "outcome"; readonly report: ActionReport }
  | { readonly type: "identities"; readonly identities: readonly ProcessIdentity[] }
  | { readonly type: "event"; readonly event: GuardEvent }
  /** From the cgroup sampler, to whoever reads its rings: what the numbers in them mean from now on. */
  | {
      readonly type: "cgroups";
      readonly appeared: readonly CgroupIdentity[];
      readonly gone: readonly number[];
    }
  /** From the rescue thread: what it did. */
  | { readonly type: "rescue"; readonly report: RescueReport }
  /** To the rescue thread: give back what was lent, as far as it is said. */
  | { readonly type: "return"; readonly returns: readonly LeaseReturn[] }
  /** From the rescue thread: what became of it. */
  | { readonly type: "returned"; readonly report: ReturnReport }
  /** To the rescue thread: an analysis has just begun. */
  | { readonly type: "ask-outstanding" }
  /** From the rescue thread, to an analysis that has just begun: what is lent, as the journal has it. */
  | { readonly type: "outstanding"; readonly limits: readonly OutstandingLimit[] }
  /** To the coordinator: have the kernel tell an event of these usages (v1 thresholds), which takes it 20 ms each. */
  | {
      readonly type: "thresholds";
      readonly cgroup: string;
      /** The cgroup's directory. */
      readonly directory: string;
      readonly descriptor: number;
      readonly thresholdsBytes: readonly number[];
    }
  /** To the analysis: tell what is known of the cgroups; and its answer. */
  | { readonly type: "ask-cgroups"; readonly id: number }
  | { readonly type: "cgroup-figures"; readonly id: number; readonly figures: readonly CgroupFigures[] }
  /** From a sampler, to whoever reads its ring: what the numbers in it mean from now on. */
  | {
      readonly type: "names";
      readonly resource: Resource;
      /** CLOCK_MONOTONIC: rows from then on bear the numbers so; when it is left out, when the letter comes. */
      readonly atUs?: number;
      readonly appeared: readonly NamedThing[];
      readonly gone: readonly number[];
    }
  /** To the recorder: a level of a resource began or ended. */
  | { readonly type: "resource-level"; readonly change: ResourceChange }
  /** To a lane: do this; or: something may come soon. */
  | { readonly type: "resource-act"; readonly action: ResourceAction }
  | { readonly type: "prepare"; readonly resource: Resource }
  /** From a lane, to the analysis and the recorder: what came of it. */
  | { readonly type: "resource-report"; readonly report: ResourceReport }
  /** From the callbacks' thread, to the analysis: for which levels the user's module has a function. */
  | {
      readonly type: "callbacks";
      readonly has: readonly { readonly measure: AppMeasure; readonly level: AppLevel }[];
    }
  /** To the coordinator: the guard is to end. */
  | { readonly type: "leave"; readonly reason: string }
  /** From a lane, to the coordinator: there has been nothing to do for long. */
  | { readonly type: "retire"; readonly worker: WorkerName }
  /** To the analysis: how do the resources stand; and its answer. */
  | { readonly type: "ask-resources"; readonly id: number }
  | { readonly type: "resource-status"; readonly id: number; readonly resources: readonly ResourceStatus[] }
  /** To the recorder: a limit that would suit a cgroup better. */
  | { readonly type: "recommendation"; readonly recommendation: Recommendation }
  /** To the coordinator: a line for the log, or figures for the summary. */
  | { readonly type: "log"; readonly severity: "info" | "warn" | "error"; readonly text: string }
  | { readonly type: "latency"; readonly name: string; readonly us: number };

/** Who a process is, for the record; names as the kernel has them, bytes that are no UTF-8 replaced. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: number;
  readonly name: string;
  readonly commandLine: string | null;
  readonly uid: number | null;
  readonly cgroup: string | null;
}

/** One thing done for an action, when, and how long it took. */
export interface ActionStep {
  readonly what: string;
  /** After the decision (or, when the sentinel was first, after it woke). */
  readonly afterMs: number;
  readonly tookMs: number;
  readonly result: string;
}

export interface ActionReport {
  readonly id: string;
  readonly outcome: ActionOutcome;
  readonly steps: readonly ActionStep[];
  readonly availableBeforeBytes: number | null;
  readonly availableAfterBytes: number | null;
  /** From the sample that showed the line crossed (or the kernel's notice of it) to the return of the first signal. */
  readonly crossingToSignalUs: number | null;
  /** From the first signal to the victim's end. */
  readonly signalToEndUs: number | null;
}

/** What happens to the guard itself, for the audit log. */
export type GuardEvent =
  | {
      readonly event: "started";
      readonly version: string;
      readonly pid: number;
      readonly policy: string;
      readonly scope: string;
      readonly dryRun: boolean;
    }
  | { readonly event: "stopped"; readonly reason: string; readonly uptimeMs: number }
  | { readonly event: "policy-reloaded"; readonly policy: string }
  | { readonly event: "policy-refused"; readonly errors: readonly string[] }
  | {
      readonly event: "gap";
      readonly worker: WorkerName;
      readonly why: string;
      readonly silentMs: number;
      readonly restartedAfterMs: number;
    }
  /** The kernel's OOM killer ended somebody for a cgroup's limit, by the kernel log. */
  | {
      readonly event: "oom-kill";
      readonly cgroup: string;
      readonly processCgroup: string;
      readonly pid: number;
      readonly name: string;
    }
  /** The kernel command line switches off what the policy would guard (core/policy/switches.ts). */
  | {
      readonly event: "switched-off";
      readonly words: readonly string[];
      readonly switchedOff: readonly Switch[];
      readonly unknown: readonly string[];
    }
  | { readonly event: "limited"; readonly what: string; readonly why: string }
  | { readonly event: "line-lost"; readonly lines: number; readonly why: string };
