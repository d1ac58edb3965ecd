import type { NetAction } from "../../../core/net/action.ts";
import type { ResourceReport } from "../../../core/resources/report.ts";
import { WorkerContext } from "../../common/worker.ts";
import { Lane, type LaneWork } from "../lane.ts";

class NetLane implements LaneWork<NetAction> {
  readonly holds = false;

  async act(_action: NetAction): Promise<ResourceReport> {
    throw new Error("not built yet");
  }

  takePolicy(): void {}

  close(): void {}
}

new Lane(WorkerContext.current(), new NetLane()).run();
