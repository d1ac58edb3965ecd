import type { CpuCandidate } from "../../src/core/cpu/choose.ts";
import { ALL_CORES, CPU_COLUMNS, Cpu } from "../../src/core/cpu/columns.ts";
import { type AskMachines, CpuState, type CpuOrder, type CpuTerms } from "../../src/core/cpu/state.ts";
import { step, wantedWalkMs } from "../../src/core/cpu/step.ts";
import type { MutableProcessRow, Walk } from "../../src/core/memory/decision.ts";
import { emptyRow } from "../../src/core/memory/walk-from-ring.ts";
import type { CpuPolicy } from "../../src/core/policy/resources.ts";
import type { ResourceChange, ResourceOutcome, ResourceReport } from "../../src/core/resources/report.ts";

const HZ = 100;
const SECOND_US = 1e6;
/** The guard, which nobody may touch. */
export const GUARD = 50;

export const CPU_POLICY: CpuPolicy = {
  enabled: true,
  intervalMs: 1000,
  busyShare: 0.9,
  recoverShare: 0.8,
  window: 60,
  inARow: 5,
  ladder: [{ action: "log" }, { action: "sigkill", deadlineMs: 1000 }],
  fairUse: null,
};

/** What a process does each second: processors it uses itself, and its children that live for less than that. */
export interface Doing {
  readonly cores?: number;
  readonly reapedCores?: number;
}

interface Member extends Doing {
  readonly row: MutableProcessRow;
}

/** A host in which time passes by the second, with processes that use so and so much, guarded by the real step. */
export class CpuHost {
  readonly state: CpuState;
  readonly changes: ResourceChange[] = [];
  readonly orders: CpuOrder[] = [];
  readonly nobody: Readonly<Record<string, number>>[] = [];
  readonly asked: string[] = [];
  readonly cores: number;
  terms: CpuTerms;
  machines: ReturnType<AskMachines> = "none";
  /** Tasks that could run; as many as there are processors in use where not said. */
  running: number | null = null;
  /** The order of the rows in a walk. */
  arrange: (rows: MutableProcessRow[]) => MutableProcessRow[] = (rows) => rows;
  readonly #members = new Map<number, Member>();
  #timeUs = 1000 * SECOND_US;
  #busyUs = 0;
  #idleUs = 0;

  constructor(cores: number, policy: Partial<CpuPolicy> = {}, unit: CpuTerms["victim"]["unit"] = "auto") {
    this.cores = cores;
    this.terms = {
      cpu: { ...CPU_POLICY, ...policy },
      victim: { unit, prefer: [], avoid: [], never: [], minimumBytes: 0 },
      dryRun: false,
    };
    this.state = new CpuState({ ticksPerSecond: HZ, ownPid: GUARD, idPrefix: "test" }, false);
    this.add(1, {}, { ppid: 0 });
    this.add(GUARD);
  }

  get nowTicks(): number {
    return (this.#timeUs / SECOND_US) * HZ;
  }

  get timeUs(): number {
    return this.#timeUs;
  }

  add(pid: number, doing: Doing = {}, fields: Partial<MutableProcessRow> = {}): void {
    const row = {
      ...emptyRow(),
      pid,
      startTicks: this.nowTicks,
      ppid: 1,
      processGroup: pid,
      session: pid,
      ...fields,
    };
    this.#members.set(pid, { ...doing, row });
  }

  /** Its time goes to its parent, as wait(2) does it. */
  end(pid: number): void {
    const member = this.#members.get(pid);
    this.#members.delete(pid);
    const parent = this.#members.get(member?.row.ppid ?? 0);
    if (member !== undefined && parent !== undefined)
      parent.row.childTicks += member.row.cpuTicks + member.row.childTicks;
  }

  has(pid: number): boolean {
    return this.#members.has(pid);
  }

  /** So many seconds pass. @param load share of the host in use besides the processes */
  pass(seconds: number, besides = 0): void {
    for (let i = 0; i < seconds; i++) this.#second(besides);
  }

  /** The ladder that was ordered last has come to its end. */
  report(outcome: ResourceOutcome, id?: string): void {
    const order = this.orders.at(-1);
    const report: ResourceReport = {
      id: id ?? order?.id ?? "",
      resource: "cpu",
      subject: "host",
      verb: "ladder",
      target: null,
      victims: [],
      outcome,
      why: "",
      before: {},
      after: {},
      steps: [],
      candidates: [],
      wallMs: 0,
      tookMs: 0,
      dryRun: outcome === "dry-run",
    };
    step(this.state, { what: "report", report }, this.terms, () => "none");
  }

  /** Whom the ladders were for, in order. */
  get culprits(): CpuCandidate[] {
    return this.orders.flatMap((order) => (order.kind === "ladder" ? [order.culprit] : []));
  }

  get walkIntervalMs(): number {
    return wantedWalkMs(this.state, this.terms.cpu);
  }

  /** Walks over the processes, as the sampler would if somebody asked for it. */
  walk(): void {
    const rows = [...this.#members.values()].map(({ row }) => ({ ...row }));
    const walk: Walk = {
      rows: this.arrange(rows),
      beganUs: this.#timeUs - 2000,
      endedUs: this.#timeUs,
      nowTicks: this.nowTicks,
      leftOut: 0,
    };
    step(this.state, { what: "walk", walk }, this.terms, () => "none");
  }

  #second(besides: number): void {
    this.#timeUs += SECOND_US;
    let used = besides * this.cores;
    for (const { row, cores = 0, reapedCores = 0 } of this.#members.values()) {
      row.cpuTicks += cores * HZ;
      row.childTicks += reapedCores * HZ;
      used += cores + reapedCores;
    }
    const busy = Math.min(used, this.cores);
    this.#busyUs += busy * SECOND_US;
    this.#idleUs += (this.cores - busy) * SECOND_US;
    if (this.walkIntervalMs > 0) this.walk();
    this.#sample(Math.ceil(used));
  }

  #sample(used: number): void {
    const frame = new Float64Array(CPU_COLUMNS.length).fill(Number.NaN);
    frame[Cpu.timeUs] = this.#timeUs;
    frame[Cpu.ioWaitUs] = 0;
    for (let core = 0; core < this.cores; core++) {
      frame[Cpu.core] = core;
      frame[Cpu.busyUs] = this.#busyUs / this.cores;
      frame[Cpu.idleUs] = this.#idleUs / this.cores;
      this.#step("core", frame);
    }
    frame[Cpu.core] = ALL_CORES;
    frame[Cpu.busyUs] = this.#busyUs;
    frame[Cpu.idleUs] = this.#idleUs;
    frame[Cpu.running] = this.running ?? used;
    frame[Cpu.blocked] = 0;
    frame[Cpu.someStallUs] = 0;
    this.#step("all", frame);
  }

  #step(what: "core" | "all", frame: Float64Array): void {
    const output = step(this.state, { what, frame }, this.terms, (_, why) => {
      this.asked.push(why);
      return this.machines;
    });
    this.changes.push(...output.changes);
    this.orders.push(...output.orders);
    if (output.nobody !== null) this.nobody.push(output.nobody);
  }
}
