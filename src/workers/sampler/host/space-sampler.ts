import type { Policy } from "../../../core/policy/policy.ts";
import type { WorkerContext } from "../../common/worker.ts";
import type { Announce, ResourceSampler } from "./resource-sampler.ts";

export class SpaceSampler implements ResourceSampler {
  readonly intervalMs = Number.POSITIVE_INFINITY;

  constructor(_context: WorkerContext, _announce: Announce) {}

  sample(_nowUs: number): void {}

  takePolicy(_policy: Policy): void {}

  close(): void {}
}
