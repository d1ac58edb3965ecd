import fs from "node:fs";
import path from "node:path";
import { compilePatterns } from "../../core/cgroups/pattern.ts";
import type { CpuAction } from "../../core/cpu/action.ts";
import type { CpuCandidate } from "../../core/cpu/choose.ts";
import { ALL_CORES, CPU_COLUMNS, Cpu } from "../../core/cpu/columns.ts";
import { FairUse } from "../../core/cpu/fair-use.ts";
import { type CpuInput, type CpuOrder, CpuState } from "../../core/cpu/state.ts";
import { abandon, figuresOf, step, wantedWalkMs } from "../../core/cpu/step.ts";
import { rehearse } from "../../core/cpu/rehearsal.ts";
import { candidateWords } from "../../core/cpu/words.ts";
import type { Message } from "../../core/messages.ts";
import type { Walk } from "../../core/memory/decision.ts";
import type { Policy } from "../../core/policy/policy.ts";
import type { ResourceReport, ResourceStatus } from "../../core/resources/report.ts";
import { RingReader } from "../../core/ring/reader.ts";
import { monotonicUs } from "../common/clock.ts";
import type { WorkerContext } from "../common/worker.ts";
import { FairUseReader } from "./fair-use-reader.ts";
import type { ResourceAnalysis, VmFirst } from "./resource-analysis.ts";

/** Processors: their load, who makes it, and who uses more than a fair share for long. */
export class CpuAnalysis implements ResourceAnalysis {
  readonly #context: WorkerContext;
  readonly #vm: VmFirst;
  readonly #rows: RingReader;
  readonly #frame = new Float64Array(CPU_COLUMNS.length);
  readonly #state: CpuState;
  readonly #fairUse: FairUse;
  #fairUseReader: FairUseReader | null = null;
  #policy: Policy;
  #prepared = false;
  #lastAction: ResourceStatus["lastAction"] = null;
  /** Of cgroups in fair use, by their path. */
  readonly #lastOfCgroup = new Map<string, NonNullable<ResourceStatus["lastAction"]>>();

  constructor(context: WorkerContext, vm: VmFirst) {
    const { start } = context;
    const again = start.epoch > 1;
    this.#context = context;
    this.#vm = vm;
    this.#policy = start.policy;
    this.#rows = new RingReader(start.resourceRings.cpu);
    const surroundings = {
      ticksPerSecond: start.units.ticksPerSecond,
      ownPid: process.pid,
      idPrefix: `${start.idPrefix}-${start.epoch}`,
    };
    this.#state = new CpuState(surroundings, again && start.policy.cpu.enabled);
    this.#fairUse = new FairUse(again);
    this.#setFairUse();
    if (start.policy.cpu.enabled) rehearse(start.policy);
  }

  get walkIntervalMs(): number {
    return wantedWalkMs(this.#state, this.#policy.cpu);
  }

  turn(nowUs: number): void {
    while (this.#rows.next(this.#frame)) {
      if (!this.#policy.cpu.enabled) continue;
      const all = this.#frame[Cpu.core] === ALL_CORES;
      this.#step({ what: all ? "all" : "core", frame: this.#frame });
      if (all) this.#afterTick(this.#frame[Cpu.timeUs] as number);
    }
    if (!this.#policy.cpu.enabled) this.#letGo(nowUs);
  }

  take(message: Message): boolean {
    if (message.type !== "resource-report" || message.report.resource !== "cpu") return false;
    const { report } = message;
    this.#note(report);
    this.#step({ what: "report", report });
    for (const change of this.#fairUse.report(report, monotonicUs()))
      this.#context.send("recorder", { type: "resource-level", change });
    return true;
  }

  takePolicy(policy: Policy): void {
    const before = this.#policy;
    this.#policy = policy;
    if (before.cpu.enabled && !policy.cpu.enabled) {
      const output = abandon(this.#state, monotonicUs());
      for (const change of output.changes) this.#context.send("recorder", { type: "resource-level", change });
      for (const order of output.orders) this.#give(order);
      this.#vm.setCpuPressure(false, monotonicUs());
    }
    this.#setFairUse();
  }

  takeWalk(walk: Walk): void {
    if (this.#policy.cpu.enabled) this.#step({ what: "walk", walk });
  }

  status(): readonly ResourceStatus[] {
    const { cpu } = this.#policy;
    const { load, level } = this.#state;
    if (!cpu.enabled) return [];
    const host: ResourceStatus = {
      resource: "cpu",
      subject: "host",
      level: level ? "critical" : "none",
      numbers: load === null ? {} : figuresOf(load, cpu),
      timeToExhaustionMs: null,
      lastAction: this.#lastAction,
    };
    const cgroups = this.#fairUse.figures().map(({ cgroup, standing, cores }): ResourceStatus => {
      const held = standing === "quarantined" || standing === "tested";
      return {
        resource: "cpu",
        subject: cgroup,
        level: held ? "critical" : standing === "warned" ? "warning" : "none",
        numbers: { cores, shareCores: cpu.fairUse?.cores ?? null },
        timeToExhaustionMs: null,
        lastAction: this.#lastOfCgroup.get(cgroup) ?? null,
      };
    });
    return [host, ...cgroups];
  }

  #step(input: CpuInput): void {
    const state = this.#state;
    state.laneTaken = this.#fairUse.inFlight !== null;
    const output = step(state, input, this.#policy, (nowUs, why) => this.#vm.freezeForCpu(nowUs, why));
    for (const order of output.orders) this.#give(order);
    for (const change of output.changes) this.#context.send("recorder", { type: "resource-level", change });
    if (output.nobody !== null) this.#sayNobody(output.nobody);
  }

  #afterTick(timeUs: number): void {
    this.#vm.setCpuPressure(this.#state.level, timeUs);
    const wanted = this.walkIntervalMs > 0;
    if (wanted && !this.#prepared) this.#context.send("cpu-lane", { type: "prepare", resource: "cpu" });
    this.#prepared = wanted;
    this.#lookAtFairUse(timeUs);
  }

  #lookAtFairUse(nowUs: number): void {
    if (this.#fairUseReader === null) return;
    const { fairUse } = this.#policy.cpu;
    const changes = this.#fairUse.take(this.#fairUseReader.read(nowUs), nowUs, fairUse);
    for (const change of changes) this.#context.send("recorder", { type: "resource-level", change });
    this.#giveFairUse(nowUs);
    this.#forgetOld();
  }

  /** No ticks come any more: whoever is held is let go, one after another. */
  #letGo(nowUs: number): void {
    if (this.#fairUseReader === null) return;
    this.#giveFairUse(nowUs);
    if (this.#fairUse.held.length > 0 || this.#fairUse.inFlight !== null) return;
    this.#fairUseReader.close();
    this.#fairUseReader = null;
  }

  #giveFairUse(nowUs: number): void {
    if (this.#state.inFlight !== null) return;
    const order = this.#fairUse.next(nowUs, this.#policy.cpu.fairUse, () => this.#state.nextId());
    if (order === null) return;
    const { dryRun } = this.#policy;
    const action: CpuAction = { ...order, resource: "cpu", subject: order.cgroup, atUs: nowUs, dryRun };
    this.#context.send("cpu-lane", { type: "resource-act", action });
  }

  /** Fair use begins, changes or ends with the policy; who is held and no longer named is let go. */
  #setFairUse(): void {
    const { cpu } = this.#policy;
    const fairUse = cpu.enabled ? cpu.fairUse : null;
    const held = new Set(this.#fairUse.held);
    if (fairUse === null && held.size === 0) {
      this.#fairUseReader?.close();
      this.#fairUseReader = null;
      return;
    }
    this.#fairUseReader ??= new FairUseReader(this.#context.start.roots.cgroup);
    if (this.#fairUseReader.absent) return this.#sayAbsent();
    const patterns = fairUse?.cgroups ?? [];
    this.#fairUseReader.setPatterns(patterns, held);
    this.#fairUse.leave(compilePatterns(patterns));
  }

  #note({ subject, verb, target, outcome, wallMs }: ResourceReport): void {
    const last = { verb, target, outcome, wallMs };
    if (subject === "host") this.#lastAction = last;
    else this.#lastOfCgroup.set(subject, last);
  }

  #forgetOld(): void {
    const known = new Set(this.#fairUse.figures().map(({ cgroup }) => cgroup));
    for (const cgroup of this.#lastOfCgroup.keys()) if (!known.has(cgroup)) this.#lastOfCgroup.delete(cgroup);
  }

  #give(order: CpuOrder): void {
    const { id, atUs, why, numbers } = order;
    const { dryRun, cpu } = this.#policy;
    const head = { resource: "cpu", id, subject: "host", why, numbers, atUs, dryRun } as const;
    const action: CpuAction =
      order.kind === "undo"
        ? { ...head, kind: "undo" }
        : {
            ...head,
            kind: "ladder",
            culprit: order.culprit,
            target: this.#words(order.culprit),
            candidates: order.others.map((each) => this.#words(each)),
            rungs: cpu.ladder,
          };
    this.#context.send("cpu-lane", { type: "resource-act", action });
  }

  #words(candidate: CpuCandidate): string {
    const file = path.join(this.#context.start.roots.proc, String(candidate.pid), "comm");
    try {
      return candidateWords(candidate, fs.readFileSync(file, "utf8").trimEnd());
    } catch {
      return candidateWords(candidate, null);
    }
  }

  #sayNobody(excluded: Readonly<Record<string, number>>): void {
    const counts = Object.entries(excluded).map(([why, count]) => `${why} ${count}`);
    const why = `nobody who may be acted on uses enough of them; left out: ${counts.join(", ") || "nobody"}`;
    this.#limited("the processors' level stands and nothing is done", why);
  }

  #sayAbsent(): void {
    const { cgroup } = this.#context.start.roots;
    this.#limited("fair use is not guarded", `no cgroup hierarchy with CPU time was found in ${cgroup}`);
  }

  #limited(what: string, why: string): void {
    this.#context.log("warn", `${what}: ${why}`);
    this.#context.send("recorder", { type: "event", event: { event: "limited", what, why } });
  }
}
