import { parentPort } from "node:worker_threads";
import type { Message } from "../../core/messages.ts";
import type { Policy } from "../../core/policy/policy.ts";
import type { ResourceAction } from "../../core/resources/action.ts";
import type { ResourceReport } from "../../core/resources/report.ts";
import { WorkerContext } from "../common/worker.ts";

/** A lane that has had nothing to do for so long ends; it is started again when there is something. */
const RETIRE_MS = 600_000;
const LOOK_MS = 15_000;

/** What a lane does for its resource. It may take its time: nobody waits for it but its own resource. */
export interface LaneWork<Action extends ResourceAction> {
  /** Does it; at most one at a time is asked for a subject. Never rejects for what may happen: that is in the report. */
  act(action: Action): Promise<ResourceReport>;
  /** Something may come soon. */
  prepare?(): void;
  /** It has imposed something that is to be undone later: it must not end. */
  readonly holds: boolean;
  takePolicy(policy: Policy): void;
  /** Undoes what shall not outlive the guard. */
  close(): void | Promise<void>;
}

/** The loop of a lane's thread: letters in, reports out. */
export class Lane<Action extends ResourceAction> {
  readonly #context: WorkerContext;
  readonly #work: LaneWork<Action>;
  #underWay = 0;
  #idleSinceMs = Date.now();

  constructor(context: WorkerContext, work: LaneWork<Action>) {
    this.#context = context;
    this.#work = work;
  }

  run(): void {
    const port = parentPort;
    if (port === null) throw new Error("a lane is a worker");
    port.on("message", ({ message }: { message: Message }) => {
      if (!this.#context.alive()) process.exit();
      this.#take(message);
      this.#context.tookLetter();
      this.#context.rest();
    });
    setInterval(() => this.#look(), LOOK_MS);
    this.#context.ready();
    this.#context.rest();
  }

  #take(message: Message): void {
    switch (message.type) {
      case "resource-act":
        void this.#act(message.action as Action);
        return;
      case "prepare":
        this.#idleSinceMs = Date.now();
        this.#work.prepare?.();
        return;
      case "policy":
        this.#work.takePolicy(message.policy);
        return;
      case "stop":
        void this.#stop();
        return;
      default:
        throw new Error(`a lane knows no message ${message.type}`);
    }
  }

  async #act(action: Action): Promise<void> {
    this.#underWay++;
    try {
      const report = await this.#work.act(action);
      if (!this.#context.alive()) process.exit();
      this.#context.send("analysis", { type: "resource-report", report });
      this.#context.send("recorder", { type: "resource-report", report });
    } finally {
      this.#underWay--;
      this.#idleSinceMs = Date.now();
      this.#context.rest();
    }
  }

  #look(): void {
    if (!this.#context.alive()) process.exit();
    const idle = this.#underWay === 0 && !this.#work.holds;
    if (idle && Date.now() - this.#idleSinceMs > RETIRE_MS)
      this.#context.send("coordinator", { type: "retire", worker: this.#context.start.name });
    this.#context.rest();
  }

  async #stop(): Promise<void> {
    await this.#work.close();
    process.exit();
  }
}
