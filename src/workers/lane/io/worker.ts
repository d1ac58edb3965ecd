import { setTimeout as pause } from "node:timers/promises";
import type { IoAction } from "../../../core/io/action.ts";
import type { Policy } from "../../../core/policy/policy.ts";
import type { ResourceReport } from "../../../core/resources/report.ts";
import { overNow } from "../../common/clock.ts";
import { WorkerContext } from "../../common/worker.ts";
import { commandVariables, LaneCommands } from "../commands.ts";
import { Lane, type LaneWork } from "../lane.ts";
import { Levers } from "../levers.ts";
import { StepLog } from "./step-log.ts";
import { type Done, Throttling } from "./throttling.ts";

const COMMAND_LOOK_MS = 20;
/** timeout(1) ends a command at its deadline; this long after it nobody waits for it any more. */
const COMMAND_PATIENCE_MS = 2000;

/** The lane of I/O: throttles cgroups, lets them go again, runs commands. */
class IoLane implements LaneWork<IoAction> {
  readonly #context: WorkerContext;
  readonly #levers: Levers;
  readonly #throttling: Throttling;
  #policy: Policy;

  constructor(context: WorkerContext) {
    const { policy, roots } = context.start;
    this.#context = context;
    this.#policy = policy;
    this.#levers = Levers.of(context, "io");
    this.#throttling = new Throttling(roots, this.#levers, () => this.#policy.io);
  }

  get holds(): boolean {
    return this.#levers.held().length > 0;
  }

  async act(action: IoAction): Promise<ResourceReport> {
    const log = new StepLog(action.atUs);
    let done: Done;
    try {
      done = await this.#do(action, log);
    } catch (error) {
      log.add(action.kind, (error as Error).message);
      done = { outcome: "failed", before: action.numbers, after: {} };
    }
    const { id, resource, subject, why, kind, dryRun } = action;
    return {
      ...done,
      id,
      resource,
      subject,
      verb: kind === "release-all" ? "release" : kind,
      target: "cgroup" in action ? action.cgroup : kind === "command" ? action.command : null,
      victims: [],
      why,
      steps: log.steps,
      candidates: kind === "throttle" ? action.candidates : [],
      ...overNow(action.atUs),
      dryRun,
    };
  }

  takePolicy(policy: Policy): void {
    this.#policy = policy;
  }

  async close(): Promise<void> {
    await this.#levers.undoAll();
  }

  #do(action: IoAction, log: StepLog): Promise<Done> {
    switch (action.kind) {
      case "throttle":
        return this.#throttling.throttle(action, log);
      case "release":
        return this.#throttling.release(action, log);
      case "release-all":
        return this.#throttling.releaseAll(log);
      case "command":
        return this.#run(action, log);
    }
  }

  async #run(action: Extract<IoAction, { kind: "command" }>, log: StepLog): Promise<Done> {
    const { id, command, deadlineMs, dryRun, numbers: before } = action;
    if (dryRun) {
      log.add(`would run: ${command}`, "dry run");
      return { outcome: "dry-run", before, after: before };
    }
    const variables = commandVariables(this.#context.start.roots.proc, action, null);
    const commands = new LaneCommands(variables);
    const refusal = commands.start(id, { action: "command", command, deadlineMs });
    let result = refusal;
    const untilMs = Date.now() + deadlineMs + COMMAND_PATIENCE_MS;
    while (result === null && Date.now() < untilMs) {
      await pause(COMMAND_LOOK_MS);
      result = commands.result(id);
    }
    log.add(`run: ${command}`, result ?? "not finished in time, goes on beside");
    return { outcome: result === "exit 0" ? "done" : "failed", before, after: before };
  }
}

const context = WorkerContext.current();
new Lane(context, new IoLane(context)).run();
