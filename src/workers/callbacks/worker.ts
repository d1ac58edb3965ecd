import { WorkerContext } from "../common/worker.ts";
import { Lane } from "../lane/lane.ts";
import { CallbacksWork } from "./callbacks.ts";

const context = WorkerContext.current();
new Lane(context, new CallbacksWork(context, new URL("./module-thread.js", import.meta.url))).run();
