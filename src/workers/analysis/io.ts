import { compilePatterns } from "../../core/cgroups/pattern.ts";
import { IO_COLUMNS } from "../../core/io/columns.ts";
import type { Device } from "../../core/io/device.ts";
import { type IoTerms, IoState } from "../../core/io/state.ts";
import { type IoNote, releaseAll, step, takeReport } from "../../core/io/step.ts";
import type { IoAction } from "../../core/io/action.ts";
import type { Message } from "../../core/messages.ts";
import type { Policy } from "../../core/policy/policy.ts";
import type { ResourceReport, ResourceStatus } from "../../core/resources/report.ts";
import { RingReader } from "../../core/ring/reader.ts";
import { diskOf } from "../common/block-device.ts";
import { monotonicUs } from "../common/clock.ts";
import { SYS_ROOT } from "../common/roots.ts";
import type { WorkerContext } from "../common/worker.ts";
import { IoLooker } from "./io-looks.ts";
import type { ResourceAnalysis } from "./resource-analysis.ts";

/** After so long without a device that is near its level, the files of cgroups are let go. */
const REST_US = 60_000_000;

/** The analysis's part for I/O: who saturates which device, and what is done about it. */
export class IoAnalysis implements ResourceAnalysis {
  readonly walkIntervalMs = 0;
  readonly #context: WorkerContext;
  readonly #rows: RingReader;
  readonly #frame = new Float64Array(IO_COLUMNS.length);
  readonly #looker: IoLooker;
  readonly #state: IoState;
  #policy: Policy;
  #nearUs = Number.NEGATIVE_INFINITY;
  #prepared = false;
  #stale = true;

  constructor(context: WorkerContext) {
    const { start } = context;
    this.#context = context;
    this.#policy = start.policy;
    this.#rows = new RingReader(start.resourceRings.io);
    this.#looker = new IoLooker(start.roots, matcherOf(start.policy));
    this.#state = new IoState(this.#terms(start.policy), `${start.idPrefix}-${start.epoch}`);
    // What an analysis before this one has imposed, this one would never take away.
    if (start.epoch > 1 && start.policy.io.enabled) this.#act(releaseAll(this.#state, monotonicUs()));
  }

  turn(nowUs: number): void {
    let fresh = false;
    while (this.#rows.next(this.#frame)) {
      this.#state.row(this.#frame);
      fresh = true;
    }
    if (fresh) this.#look(nowUs);
    if (!fresh && !this.#stale) return;
    this.#stale = false;
    const { changes, notes, action } = step(this.#state, nowUs);
    for (const change of changes) this.#context.send("recorder", { type: "resource-level", change });
    for (const note of notes) this.#note(note, nowUs);
    if (action !== null) this.#act(action);
  }

  take(message: Message): boolean {
    if (message.type === "names" && message.resource === "io") {
      this.#state.names(message.appeared, message.gone);
    } else if (message.type === "resource-report" && message.report.resource === "io") {
      takeReport(this.#state, message.report, monotonicUs());
    } else return false;
    this.#stale = true;
    return true;
  }

  takePolicy(policy: Policy): void {
    this.#policy = policy;
    this.#looker.matches = matcherOf(policy);
    this.#state.adopt(this.#terms(policy));
    this.#stale = true;
  }

  takeWalk(): void {}

  status(): readonly ResourceStatus[] {
    return this.#state.status();
  }

  #terms(policy: Policy): IoTerms {
    const { auditPath } = this.#context.start;
    return {
      policy: policy.io,
      dryRun: policy.dryRun,
      mayThrottle: matcherOf(policy),
      ownCgroup: this.#looker.ownCgroup,
      ownDevice: auditPath === null ? null : diskOf(auditPath, SYS_ROOT),
      nested: this.#looker.hierarchy?.version === 2,
    };
  }

  /** Who does it is only looked at where it may soon matter. */
  #look(nowUs: number): void {
    const devices = this.#state.near;
    if (devices.length === 0) {
      if (nowUs - this.#nearUs > REST_US) this.#looker.rest();
      if (this.#nearUs !== Number.NEGATIVE_INFINITY && nowUs - this.#nearUs > REST_US) {
        this.#nearUs = Number.NEGATIVE_INFINITY;
        this.#prepared = false;
      }
      return;
    }
    this.#nearUs = nowUs;
    const { ladder } = this.#policy.io;
    if (!this.#prepared && ladder.some(({ action }) => action !== "log")) {
      this.#context.send("io-lane", { type: "prepare", resource: "io" });
      this.#prepared = true;
    }
    const mayCount = !this.#policy.dryRun && ladder.some(({ action }) => action === "throttle");
    const counted = devices.filter((device) => !mayCount || !this.#beginsToCount(device));
    for (const [i, look] of this.#looker.look(counted).entries()) {
      const device = counted[i];
      if (device !== undefined) this.#state.look(device, look);
    }
  }

  #beginsToCount({ number, name }: Device): boolean {
    if (!this.#looker.count(number)) return false;
    this.#context.log(
      "info",
      `the kernel counts the I/O of ${name ?? number} by cgroup from now on; nothing is limited`,
    );
    return true;
  }

  #act(action: IoAction): void {
    this.#context.send("io-lane", { type: "resource-act", action });
  }

  /** What is decided without a lane goes on record as what a lane does. */
  #note({ id, subject, verb, why, numbers, candidates }: IoNote, nowUs: number): void {
    const report: ResourceReport = {
      id,
      resource: "io",
      subject,
      verb,
      target: null,
      victims: [],
      outcome: "noted",
      why,
      before: numbers,
      after: numbers,
      steps: [],
      candidates,
      wallMs: Date.now(),
      tookMs: Math.round(monotonicUs() - nowUs) / 1000,
      dryRun: this.#policy.dryRun,
    };
    this.#state.note(report);
    this.#context.send("recorder", { type: "resource-report", report });
  }
}

function matcherOf({ io }: Policy): (cgroup: string) => boolean {
  return compilePatterns(io.cgroups);
}
