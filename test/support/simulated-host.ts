/**
 * A host in miniature: processes that grow, swap, die when signalled, and give their memory back late; the samplers'
 * frames and walks of it; and an action lane that climbs the ladder of a decision. It drives the guard's own step().
 */
import type { Decision, MutableProcessRow, Walk } from "../../src/core/memory/decision.ts";
import { isEnding, signalOf } from "../../src/core/memory/decision.ts";
import type { ActionEnd, ActionOutcome, StepInput, StepOutput } from "../../src/core/memory/state.ts";
import { MemoryState } from "../../src/core/memory/state.ts";
import { step } from "../../src/core/memory/step.ts";
import type { Policy } from "../../src/core/policy/policy.ts";
import { MEMORY_COLUMNS, Mem } from "../../src/core/samples.ts";

const MiB = 2 ** 20;
const HZ = 100;
const BOOT_US = 1e9;
const CALM_SHARE = 0.3;
const CALM_MS = 100;
export const OWN_PID = 500;

export interface SimulatedProcess {
  readonly pid: number;
  readonly startBytes: number;
  readonly growthBytesPerSecond: number;
  /** When it begins to grow. */
  readonly growsFromMs: number;
  readonly never: boolean;
  readonly oomScoreAdj: number;
  readonly preference: number;
  /** It heeds SIGTERM; otherwise only SIGKILL ends it. */
  readonly heedsTerm: boolean;
  /** From the signal to its end, when all of its memory comes back; Infinity: it hangs in the kernel. */
  readonly dyingMs: number;
}

export interface HostSpec {
  readonly totalBytes: number;
  readonly swapBytes: number;
  readonly kernelBytes: number;
  readonly sampleMs: number;
  readonly processes: readonly SimulatedProcess[];
}

interface Living {
  readonly spec: SimulatedProcess;
  readonly startTicks: number;
  residentBytes: number;
  swappedBytes: number;
  diesAtUs: number;
}

interface Action {
  readonly decision: Decision;
  readonly victims: readonly number[];
  rung: number;
  deadlineUs: number;
  signalled: boolean;
}

/** One call of step(), with what it was given and what it said. */
export interface Played {
  readonly input: StepInput;
  readonly output: StepOutput;
}

export class SimulatedHost {
  readonly spec: HostSpec;
  readonly policy: Policy;
  readonly state = new MemoryState({ ticksPerSecond: HZ, ownPid: OWN_PID, idPrefix: "sim" });
  readonly played: Played[] = [];
  readonly ended: number[] = [];
  readonly decisions: Decision[] = [];
  /** How often memory was used up: the kernel's OOM killer would have come. */
  exhausted = 0;
  #living: Living[];
  #action: Action | null = null;
  #nowUs = BOOT_US;
  #elapsedMs = 0;
  #nextWalkUs = 0;
  #swappedOutPages = 0;
  #fullStallUs = 0;

  constructor(spec: HostSpec, policy: Policy) {
    this.spec = spec;
    this.policy = policy;
    this.#living = spec.processes.map((process, i) => ({
      spec: process,
      startTicks: 1000 + i,
      residentBytes: process.startBytes,
      swappedBytes: 0,
      diesAtUs: Number.POSITIVE_INFINITY,
    }));
  }

  get availableBytes(): number {
    const used = this.#living.reduce((sum, { residentBytes }) => sum + residentBytes, this.spec.kernelBytes);
    return Math.max(0, this.spec.totalBytes - used);
  }

  get inFlight(): boolean {
    return this.#action !== null;
  }

  isAlive(pid: number): boolean {
    return this.#living.some(({ spec }) => spec.pid === pid);
  }

  /** Lets so much time go by. */
  run(durationMs: number): void {
    for (const endUs = this.#nowUs + durationMs * 1000; this.#nowUs < endUs; ) {
      // Seldom while there is room, as the guard does.
      this.#elapsedMs =
        this.availableBytes > this.spec.totalBytes * CALM_SHARE ? CALM_MS : this.spec.sampleMs;
      this.#nowUs += this.#elapsedMs * 1000;
      this.#live();
      this.#act();
      const output = this.#step({ frame: this.#frame(), walk: null, end: null });
      const dueUs = output.walkIntervalMs > 0 ? output.walkIntervalMs * 1000 : 60e6;
      if (output.walkNow || this.#nowUs >= this.#nextWalkUs) {
        this.#nextWalkUs = this.#nowUs + dueUs;
        this.#step({ frame: null, walk: this.#walk(), end: null });
      }
      this.#nextWalkUs = Math.min(this.#nextWalkUs, this.#nowUs + dueUs);
    }
  }

  #step(input: StepInput): StepOutput {
    const output = step(this.state, input, this.policy);
    this.played.push({ input, output });
    for (const decision of output.decisions) {
      this.decisions.push(decision);
      if (decision.verdict !== "end") continue;
      if (this.#action !== null) throw new Error("two actions in flight");
      const victims = decision.victim?.members.map(({ pid }) => pid) ?? [];
      this.#action = { decision, victims, rung: -1, deadlineUs: this.#nowUs, signalled: false };
      this.#act();
    }
    return output;
  }

  #live(): void {
    const seconds = this.#elapsedMs / 1000;
    for (const each of this.#living) {
      const dying = each.diesAtUs !== Number.POSITIVE_INFINITY;
      if (dying || this.#nowUs < BOOT_US + each.spec.growsFromMs * 1000) continue;
      const wanted = each.spec.growthBytesPerSecond * seconds;
      each.residentBytes += Math.min(
        wanted,
        this.availableBytes + this.#swapOut(wanted - this.availableBytes),
      );
    }
    if (this.availableBytes < this.spec.totalBytes * 0.001) this.exhausted++;
    if (this.availableBytes < this.spec.totalBytes * 0.05) this.#fullStallUs += this.#elapsedMs * 300;
    for (const each of this.#living) {
      if (each.diesAtUs <= this.#nowUs) this.ended.push(each.spec.pid);
    }
    this.#living = this.#living.filter(({ diesAtUs }) => diesAtUs > this.#nowUs);
    this.#swapOut(this.spec.totalBytes * 0.08 - this.availableBytes);
  }

  /** Moves memory of the largest to swap. @returns how much could be moved */
  #swapOut(wantedBytes: number): number {
    const largest = this.#living.toSorted((a, b) => b.residentBytes - a.residentBytes)[0];
    const bytes = Math.min(wantedBytes, this.#swapFreeBytes, largest?.residentBytes ?? 0);
    if (largest === undefined || !(bytes > 0)) return 0;
    largest.residentBytes -= bytes;
    largest.swappedBytes += bytes;
    this.#swappedOutPages += Math.ceil(bytes / 4096);
    return bytes;
  }

  get #swapFreeBytes(): number {
    return this.spec.swapBytes - this.#living.reduce((sum, { swappedBytes }) => sum + swappedBytes, 0);
  }

  /** The action lane: climbs while the victims live, and reports the end. */
  #act(): void {
    const action = this.#action;
    if (action === null) return;
    const left = this.#living.filter(({ spec }) => action.victims.includes(spec.pid));
    if (left.length === 0) return this.#end(action, action.signalled ? "ended" : "gone");
    if (this.#nowUs < action.deadlineUs) return;
    for (;;) {
      const rung = action.decision.rungs[++action.rung];
      if (rung === undefined) return this.#end(action, "stuck");
      if (action.signalled && this.state.levels.worst === null) return this.#end(action, "recovered");
      if (!isEnding(rung)) continue;
      if (action.decision.dryRun) return this.#end(action, "dry-run");
      for (const each of left) {
        if (signalOf(rung) === 9 || each.spec.heedsTerm)
          each.diesAtUs = Math.min(each.diesAtUs, this.#nowUs + each.spec.dyingMs * 1000);
      }
      action.signalled = true;
      action.deadlineUs = this.#nowUs + (rung.action === "log" ? 0 : rung.deadlineMs * 1000);
      return;
    }
  }

  #end(action: Action, outcome: ActionOutcome): void {
    this.#action = null;
    const { decision } = action;
    const victim = decision.victim && { pid: decision.victim.pid, startTicks: decision.victim.startTicks };
    const end: ActionEnd = { id: decision.id, outcome, victim, atUs: this.#nowUs };
    this.#step({ frame: null, walk: null, end });
  }

  #frame(): Float64Array {
    const frame = new Float64Array(MEMORY_COLUMNS.length).fill(Number.NaN);
    frame[Mem.timeUs] = this.#nowUs;
    frame[Mem.totalBytes] = this.spec.totalBytes;
    frame[Mem.availableBytes] = this.availableBytes;
    frame[Mem.freeBytes] = this.availableBytes;
    frame[Mem.anonBytes] = this.spec.totalBytes - this.spec.kernelBytes - this.availableBytes;
    frame[Mem.sharedBytes] = 16 * MiB;
    frame[Mem.hugePagesBytes] = 0;
    frame[Mem.slabUnreclaimableBytes] = this.spec.kernelBytes;
    frame[Mem.swapTotalBytes] = this.spec.swapBytes;
    frame[Mem.swapFreeBytes] = this.#swapFreeBytes;
    frame[Mem.swappedInPages] = 0;
    frame[Mem.swappedOutPages] = this.#swappedOutPages;
    frame[Mem.fullStallUs] = this.#fullStallUs;
    return frame;
  }

  #walk(): Walk {
    const own = this.#row(OWN_PID, 900, { anonBytes: 60 * MiB, residentBytes: 60 * MiB });
    const rows = this.#living.map(({ spec, startTicks, residentBytes, swappedBytes }) =>
      this.#row(spec.pid, startTicks, {
        residentBytes,
        anonBytes: residentBytes,
        swapBytes: swappedBytes,
        oomScoreAdj: spec.oomScoreAdj,
        preference: spec.preference,
        never: spec.never,
      }),
    );
    const nowTicks = (this.#nowUs / 1e6) * HZ;
    return {
      rows: [this.#row(1, 0, { ppid: 0 }), own, ...rows],
      beganUs: this.#nowUs,
      endedUs: this.#nowUs + 100,
      nowTicks,
      leftOut: 0,
    };
  }

  #row(pid: number, startTicks: number, fields: Partial<MutableProcessRow>): MutableProcessRow {
    return {
      pid,
      startTicks,
      ppid: 1,
      processGroup: pid,
      session: pid,
      uid: 1000,
      kernelThread: false,
      zombie: false,
      residentBytes: 0,
      anonBytes: 0,
      swapBytes: 0,
      ownSharedBytes: 0,
      oomScoreAdj: 0,
      cgroupId: null,
      cgroupAsOne: false,
      preference: 0,
      never: false,
      grownBytes: 0,
      cpuTicks: 0,
      childTicks: 0,
      forked: false,
      ...fields,
    };
  }
}
