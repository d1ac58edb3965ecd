import type { Walk } from "../../core/memory/decision.ts";
import type { MemoryState } from "../../core/memory/state.ts";
import type { Message } from "../../core/messages.ts";
import { amountBytes, type Policy } from "../../core/policy/policy.ts";
import type { ResourceStatus } from "../../core/resources/report.ts";
import { RingReader } from "../../core/ring/reader.ts";
import { Mem } from "../../core/samples.ts";
import type { VmAction } from "../../core/vm/action.ts";
import { VM_COLUMNS, Vm } from "../../core/vm/columns.ts";
import { VmRanking } from "../../core/vm/rank.ts";
import { VmState } from "../../core/vm/state.ts";
import {
  decide,
  freezeForCpu,
  holdsFrom,
  takeCpuPressure,
  takeMemory,
  takeReport,
} from "../../core/vm/step.ts";
import { monotonicUs } from "../common/clock.ts";
import type { WorkerContext } from "../common/worker.ts";
import type { ResourceAnalysis, VmFirst } from "./resource-analysis.ts";

/** Names come by letter, rows by shared memory: a row may be here first, and waits so long for its name. */
const NAMES_WAIT_US = 1_000_000;

/** Virtual machines: they come before processes, for memory and for the processors. */
export class VmAnalysis implements ResourceAnalysis, VmFirst {
  readonly walkIntervalMs = 0;
  readonly #context: WorkerContext;
  readonly #reader: RingReader;
  readonly #row = new Float64Array(VM_COLUMNS.length);
  readonly #state: VmState;
  #policy: Policy;
  #ranking: VmRanking;
  /** The row is of a machine that has not been named yet. */
  #rowWaits = false;

  constructor(context: WorkerContext) {
    const { start } = context;
    this.#context = context;
    this.#policy = start.policy;
    this.#reader = new RingReader(start.resourceRings.vm);
    this.#state = new VmState(`${start.idPrefix}-${start.epoch}`, monotonicUs());
    this.#ranking = new VmRanking(start.policy.vm);
  }

  turn(nowUs: number): void {
    const state = this.#state;
    while (this.#rowWaits || this.#reader.next(this.#row)) {
      const timeUs = this.#row[Vm.timeUs] as number;
      this.#rowWaits = state.machines.takeRow(this.#row) === null && nowUs - timeUs < NAMES_WAIT_US;
      if (this.#rowWaits) break;
      state.lastLookUs = Math.max(state.lastLookUs, timeUs);
    }
    if (!this.#policy.vm.enabled) return;
    const action = decide(state, this.#ranking, this.#policy, nowUs);
    if (action !== null) this.#send(action);
  }

  take(message: Message): boolean {
    if (message.type === "names" && message.resource === "vm") {
      this.#state.machines.takeNames(message.appeared, message.gone);
      this.#state.isKnown = true;
      return true;
    }
    if (message.type === "resource-report" && message.report.resource === "vm") {
      takeReport(this.#state, message.report, monotonicUs());
      return true;
    }
    return false;
  }

  takePolicy(policy: Policy): void {
    this.#policy = policy;
    this.#ranking = new VmRanking(policy.vm);
  }

  takeWalk(_walk: Walk): void {}

  /** As memory's last sample and step left it: machines are hibernated, and started again, by it. */
  takeMemory(memory: MemoryState): void {
    const { frame } = memory;
    const { vm, memory: levels } = this.#policy;
    if (!vm.enabled || frame === null) return;
    const recover = (levels.warning ?? levels.critical)?.recover;
    const view = {
      atUs: frame[Mem.timeUs] as number,
      level: memory.levels.worst,
      busy: memory.inFlight !== null,
      availableBytes: frame[Mem.availableBytes] as number,
      reserveBytes: recover === undefined ? 0 : amountBytes(recover, frame[Mem.totalBytes] as number),
    };
    takeMemory(this.#state, view, this.#policy);
  }

  /** From which level of memory on processes wait for machines; null: they do not. */
  holdsFrom(nowUs: number): "warning" | "critical" | null {
    return holdsFrom(this.#state, this.#ranking, this.#policy, nowUs);
  }

  freezeForCpu(nowUs: number, why: string): "begun" | "under-way" | "none" {
    const answer = freezeForCpu(this.#state, this.#ranking, this.#policy, nowUs, why);
    if (typeof answer === "string") return answer;
    this.#send(answer);
    return "begun";
  }

  setCpuPressure(on: boolean, nowUs: number): void {
    // Who uses the processors is to be known by now, not by the last look.
    if (on && !this.#state.cpuPressure && this.#policy.vm.enabled)
      this.#context.send("vm", { type: "prepare", resource: "vm" });
    takeCpuPressure(this.#state, on, nowUs);
  }

  status(): readonly ResourceStatus[] {
    if (!this.#policy.vm.enabled) return [];
    return [...this.#state.machines.all].map((machine) => ({
      resource: "vm",
      subject: machine.name,
      level: "none",
      numbers: {
        memoryBytes: machine.memoryBytes,
        residentBytes: machine.residentBytes,
        processorShare: machine.cores,
        state: machine.state,
      },
      timeToExhaustionMs: null,
      lastAction: this.#state.lastActions.get(machine.id) ?? null,
    }));
  }

  #send(action: VmAction): void {
    this.#context.send("vm", { type: "resource-act", action });
  }
}
