import type { DiskAction } from "../../../core/disk/action.ts";
import type { ResourceReport } from "../../../core/resources/report.ts";
import { WorkerContext } from "../../common/worker.ts";
import { Lane, type LaneWork } from "../lane.ts";

class DiskLane implements LaneWork<DiskAction> {
  readonly holds = false;

  async act(_action: DiskAction): Promise<ResourceReport> {
    throw new Error("not built yet");
  }

  takePolicy(): void {}

  close(): void {}
}

new Lane(WorkerContext.current(), new DiskLane()).run();
