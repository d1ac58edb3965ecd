import { APP_COLUMNS } from "../../core/app/columns.ts";
import { figuresOf } from "../../core/app/levels.ts";
import { AppState, type CallbackKey } from "../../core/app/state.ts";
import { statusOf, takeCallbacks, takeNames, takeReport, takeRow, takeSample } from "../../core/app/step.ts";
import type { AppAction } from "../../core/app/action.ts";
import type { Message } from "../../core/messages.ts";
import type { Policy } from "../../core/policy/policy.ts";
import type { ResourceStatus } from "../../core/resources/report.ts";
import { RingReader } from "../../core/ring/reader.ts";
import { HeldFile } from "../common/held-file.ts";
import type { WorkerContext } from "../common/worker.ts";
import type { ResourceAnalysis } from "./resource-analysis.ts";

const ZERO = "0".charCodeAt(0);

/** The analysis's part for applications: their levels by the samples of the host's memory, and what is to be done, by whom. */
export class AppAnalysis implements ResourceAnalysis {
  readonly walkIntervalMs = 0;
  readonly #context: WorkerContext;
  readonly #rows: RingReader;
  readonly #row = new Float64Array(APP_COLUMNS.length);
  readonly #state: AppState;
  /** vm.overcommit_memory (proc_sys_vm(5)): a digit. */
  readonly #mode: HeldFile | null;
  #enabled: boolean;

  constructor(context: WorkerContext) {
    const { policy, idPrefix, epoch, resourceRings, roots } = context.start;
    this.#context = context;
    this.#rows = new RingReader(resourceRings.app);
    this.#state = new AppState(policy.app, policy.dryRun, `${idPrefix}-${epoch}`, epoch > 1);
    this.#mode = HeldFile.tryOpen(`${roots.proc}/sys/vm/overcommit_memory`, 16);
    this.#enabled = isOn(policy);
  }

  turn(): void {
    while (this.#rows.next(this.#row)) takeRow(this.#state, this.#row);
  }

  /** A sample of the host's memory was taken: columns {@link ../../core/samples.Mem}. */
  takeMemory(frame: Float64Array): void {
    if (!this.#enabled) return;
    const { changes, actions } = takeSample(this.#state, figuresOf(frame), this.#overcommitMode());
    // Orders before words: a signal is to be in time.
    this.#give(actions);
    for (const change of changes) this.#context.send("recorder", { type: "resource-level", change });
  }

  take(message: Message): boolean {
    if (message.type === "callbacks") {
      const has = message.has.map(({ measure, level }): CallbackKey => `${measure} ${level}`);
      this.#give(takeCallbacks(this.#state, new Set(has)));
      return true;
    }
    if (message.type === "names" && message.resource === "app") {
      this.#give(takeNames(this.#state, message.appeared, message.gone));
      return true;
    }
    if (message.type !== "resource-report" || message.report.resource !== "app") return false;
    this.#give(takeReport(this.#state, message.report));
    return true;
  }

  takePolicy(policy: Policy): void {
    this.#state.adopt(policy.app, policy.dryRun);
    this.#enabled = isOn(policy);
  }

  takeWalk(): void {}

  status(): readonly ResourceStatus[] {
    return this.#enabled ? statusOf(this.#state) : [];
  }

  #give(actions: readonly AppAction[]): void {
    for (const action of actions) {
      const to = action.kind === "callback" ? "callbacks" : "app-lane";
      this.#context.send(to, { type: "resource-act", action });
    }
  }

  #overcommitMode(): number | null {
    if (this.#mode === null || this.#mode.read() < 1) return null;
    const mode = (this.#mode.bytes[0] as number) - ZERO;
    return mode >= 0 && mode <= 2 ? mode : null;
  }
}

/** In a scope of one cgroup samples are the cgroup's: nothing of the host can be judged by them. */
function isOn(policy: Policy): boolean {
  return policy.app.enabled && policy.scope === "host";
}
