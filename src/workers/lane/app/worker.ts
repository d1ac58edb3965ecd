import { WorkerContext } from "../../common/worker.ts";
import { Lane } from "../lane.ts";
import { AppLane } from "./app-lane.ts";

const context = WorkerContext.current();
const { roots, policy } = context.start;
new Lane(context, new AppLane(roots, policy)).run();
