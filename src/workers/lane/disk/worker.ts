import { WorkerContext } from "../../common/worker.ts";
import { Lane } from "../lane.ts";
import { DiskLane } from "./disk-lane.ts";

const context = WorkerContext.current();
new Lane(context, new DiskLane(context)).run();
