import type { CpuAction } from "../../../core/cpu/action.ts";
import type { ResourceReport } from "../../../core/resources/report.ts";
import { WorkerContext } from "../../common/worker.ts";
import { Lane, type LaneWork } from "../lane.ts";

class CpuLane implements LaneWork<CpuAction> {
  readonly holds = false;

  async act(_action: CpuAction): Promise<ResourceReport> {
    throw new Error("not built yet");
  }

  takePolicy(): void {}

  close(): void {}
}

new Lane(WorkerContext.current(), new CpuLane()).run();
