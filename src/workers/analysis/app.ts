import type { Message } from "../../core/messages.ts";
import type { Walk } from "../../core/memory/decision.ts";
import type { Policy } from "../../core/policy/policy.ts";
import type { ResourceStatus } from "../../core/resources/report.ts";
import type { WorkerContext } from "../common/worker.ts";
import type { ResourceAnalysis } from "./resource-analysis.ts";

export class AppAnalysis implements ResourceAnalysis {
  readonly walkIntervalMs = 0;

  constructor(_context: WorkerContext) {}

  turn(_nowUs: number): void {}

  /** A sample of the host's memory was taken: columns {@link ../../core/samples.Mem}. */
  takeMemory(_frame: Float64Array): void {}

  take(_message: Message): boolean {
    return false;
  }

  takePolicy(_policy: Policy): void {}

  takeWalk(_walk: Walk): void {}

  status(): readonly ResourceStatus[] {
    return [];
  }
}
