import { Space, SPACE_COLUMNS } from "../../core/disk/columns.ts";
import { DiskState } from "../../core/disk/state.ts";
import { decide, statusOf, takeLook, takeNames, takeReport, wantsPrepare } from "../../core/disk/step.ts";
import type { Message } from "../../core/messages.ts";
import type { Policy } from "../../core/policy/policy.ts";
import type { ResourceChange, ResourceStatus } from "../../core/resources/report.ts";
import { RingReader } from "../../core/ring/reader.ts";
import { monotonicUs } from "../common/clock.ts";
import type { WorkerContext } from "../common/worker.ts";
import type { ResourceAnalysis } from "./resource-analysis.ts";

/** The analysis's part for space and inodes: levels, time to full, and what is to be done, by the disk's lane. */
export class DiskAnalysis implements ResourceAnalysis {
  /** It looks for whoever fills a disk by itself, in its lane. */
  readonly walkIntervalMs = 0;
  readonly #context: WorkerContext;
  readonly #looks: RingReader;
  readonly #frame = new Float64Array(SPACE_COLUMNS.length);
  readonly #state: DiskState;

  constructor(context: WorkerContext) {
    const { policy, idPrefix, epoch, resourceRings } = context.start;
    this.#context = context;
    this.#looks = new RingReader(resourceRings.disk);
    this.#state = new DiskState(policy.disk, policy.dryRun, `${idPrefix}-${epoch}`);
  }

  turn(nowUs: number): void {
    while (this.#looks.next(this.#frame)) {
      const { changes, silence } = takeLook(this.#state, this.#frame);
      this.#tell(changes);
      if (silence !== null) this.#tellSilence(silence);
    }
    if (wantsPrepare(this.#state, nowUs))
      this.#context.send("disk-lane", { type: "prepare", resource: "disk" });
    const action = decide(this.#state, nowUs);
    if (action !== null) this.#context.send("disk-lane", { type: "resource-act", action });
  }

  take(message: Message): boolean {
    if (message.type === "names" && message.resource === "disk") {
      this.#tell(takeNames(this.#state, message.appeared, message.gone));
      return true;
    }
    if (message.type !== "resource-report" || message.report.resource !== "disk") return false;
    takeReport(this.#state, message.report, monotonicUs());
    return true;
  }

  takePolicy(policy: Policy): void {
    this.#state.adopt(policy.disk, policy.dryRun);
  }

  takeWalk(): void {}

  status(): readonly ResourceStatus[] {
    return statusOf(this.#state);
  }

  #tell(changes: readonly ResourceChange[]): void {
    for (const change of changes) this.#context.send("recorder", { type: "resource-level", change });
  }

  #tellSilence(silence: "began" | "ended"): void {
    const path = this.#state.mounts.get(this.#frame[Space.mount] as number)?.ref.path ?? "a mount";
    const what = `${path} ${silence === "began" ? "does not answer" : "answers again"}`;
    if (silence === "ended") return this.#context.log("info", what);
    const why =
      "statfs(2) did not come back, or failed: what is free there is not known, and nothing is done about it";
    this.#context.send("recorder", { type: "event", event: { event: "limited", what, why } });
    this.#context.log("warn", `${what}: ${why}`);
  }
}
