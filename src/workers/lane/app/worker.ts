import { WorkerContext } from "../../common/worker.ts";

WorkerContext.current().ready();
