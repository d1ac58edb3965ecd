import type { Message } from "../../core/messages.ts";
import type { Walk } from "../../core/memory/decision.ts";
import type { Policy } from "../../core/policy/policy.ts";
import { monotonicUs } from "../common/clock.ts";
import type { WorkerContext } from "../common/worker.ts";
import { AppAnalysis } from "./app.ts";
import { CpuAnalysis } from "./cpu.ts";
import { DiskAnalysis } from "./disk.ts";
import { IoAnalysis } from "./io.ts";
import { NetAnalysis } from "./net.ts";
import type { ResourceAnalysis } from "./resource-analysis.ts";
import { VmAnalysis } from "./vm.ts";

/** The analysis's part for what is guarded besides memory. */
export class Resources {
  readonly vm: VmAnalysis;
  readonly #app: AppAnalysis;
  readonly #context: WorkerContext;
  readonly #parts: readonly ResourceAnalysis[];

  constructor(context: WorkerContext) {
    this.#context = context;
    this.vm = new VmAnalysis(context);
    this.#app = new AppAnalysis(context);
    this.#parts = [
      new CpuAnalysis(context, this.vm),
      new DiskAnalysis(context),
      new IoAnalysis(context),
      new NetAnalysis(context),
      this.vm,
      this.#app,
    ];
  }

  turn(): void {
    const nowUs = monotonicUs();
    for (const part of this.#parts) part.turn(nowUs);
  }

  /** @returns whether the message was theirs */
  take(message: Message): boolean {
    if (message.type === "ask-resources") {
      const resources = this.#parts.flatMap((part) => part.status());
      this.#context.send("coordinator", { type: "resource-status", id: message.id, resources });
      return true;
    }
    let taken = false;
    for (const part of this.#parts) taken = part.take(message) || taken;
    // Of a resource that the policy no longer asks for, something may still come.
    return taken || message.type === "names" || message.type === "resource-report";
  }

  takePolicy(policy: Policy): void {
    for (const part of this.#parts) part.takePolicy(policy);
  }

  /** A sample of the host's memory was taken. */
  takeMemory(frame: Float64Array): void {
    this.#app.takeMemory(frame);
  }

  takeWalk(walk: Walk): void {
    for (const part of this.#parts) part.takeWalk(walk);
  }

  /** The shortest that one of them wishes; 0: none does. */
  get walkIntervalMs(): number {
    let shortest = Number.POSITIVE_INFINITY;
    for (const { walkIntervalMs } of this.#parts) {
      if (walkIntervalMs > 0) shortest = Math.min(shortest, walkIntervalMs);
    }
    return shortest === Number.POSITIVE_INFINITY ? 0 : shortest;
  }
}
