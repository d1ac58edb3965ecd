import type { IoAction } from "../../../core/io/action.ts";
import type { ResourceReport } from "../../../core/resources/report.ts";
import { WorkerContext } from "../../common/worker.ts";
import { Lane, type LaneWork } from "../lane.ts";

class IoLane implements LaneWork<IoAction> {
  readonly holds = false;

  async act(_action: IoAction): Promise<ResourceReport> {
    throw new Error("not built yet");
  }

  takePolicy(): void {}

  close(): void {}
}

new Lane(WorkerContext.current(), new IoLane()).run();
