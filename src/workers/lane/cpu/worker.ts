import { WorkerContext } from "../../common/worker.ts";
import { Lane } from "../lane.ts";
import { Levers } from "../levers.ts";
import { CpuLane } from "./lane.ts";

const context = WorkerContext.current();
const { roots, policy, units } = context.start;
const lane = new CpuLane({
  roots,
  policy,
  ticksPerSecond: units.ticksPerSecond,
  ladders: Levers.of(context, "cpu"),
  fairUse: Levers.of(context, "fairuse"),
});
new Lane(context, lane).run();
