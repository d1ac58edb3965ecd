import { WorkerContext } from "../../common/worker.ts";
import { CgroupSampler } from "./sampler.ts";

new CgroupSampler(WorkerContext.current()).run();
