import type { LevelName, Policy } from "../policy/policy.ts";
import type { ResourceReport } from "../resources/report.ts";
import type { VmAction, VmVerb } from "./action.ts";
import { type Machine, usedBytes } from "./machines.ts";
import { describeMachine, isRefused, type VmRanking } from "./rank.ts";
import type { MemoryView, VmState } from "./state.ts";

const US_PER_MS = 1000;
/** What a machine refused is not tried on it again for so long; what a dry run said is not said again. */
const REFUSED_US = 300_000_000;
/** After an action's deadline its report is waited for so much longer. */
const REPORT_SLACK_US = 30_000_000;
/** At the start nobody is ended for so long when it is not known yet whether there are machines. */
const FIRST_LOOK_US = 5_000_000;
/** Mildest first. */
const LEVEL_ORDER: readonly LevelName[] = ["warning", "thrashing", "critical"];

/** Whether `level` is at least as bad as `from`. */
export function isAtLeast(level: LevelName | null, from: LevelName): boolean {
  return level !== null && LEVEL_ORDER.indexOf(level) >= LEVEL_ORDER.indexOf(from);
}

/** Takes in how memory stands: once a sample of it, after memory's own step. */
export function takeMemory(state: VmState, view: MemoryView, policy: Policy): void {
  state.memory = view;
  const { hibernateAt } = policy.vm;
  if (hibernateAt === null || !isAtLeast(view.level, hibernateAt)) {
    state.pressedSinceUs = Number.NaN;
    state.heldSinceUs = Number.NaN;
  } else if (Number.isNaN(state.pressedSinceUs)) {
    state.pressedSinceUs = view.atUs;
    state.heldSinceUs = view.atUs;
  }
  if (view.level !== null) state.memoryCalmSinceUs = Number.NaN;
  else if (Number.isNaN(state.memoryCalmSinceUs)) state.memoryCalmSinceUs = view.atUs;
}

export function takeCpuPressure(state: VmState, on: boolean, nowUs: number): void {
  if (state.cpuPressure && !on) state.cpuCalmSinceUs = nowUs;
  state.cpuPressure = on;
}

/** Takes the end of an action in. */
export function takeReport(state: VmState, report: ResourceReport, nowUs: number): void {
  if (state.inFlight?.id !== report.id) return;
  const { verb, machineId } = state.inFlight;
  const { outcome, wallMs, target } = report;
  state.inFlight = null;
  state.lastReportUs = nowUs;
  const done = outcome === "done" || outcome === "released";
  state.lastActions.set(machineId, { verb: report.verb, target, outcome, wallMs });
  if (!done) refuse(state, machineId, verb, nowUs);
  // Each one that goes gives the next as long again.
  if (done && (verb === "hibernate" || verb === "destroy")) state.heldSinceUs = nowUs;
  // What was started takes its memory bit by bit: the next is to find the host as it is then.
  if (done && verb === "start") state.memoryCalmSinceUs = nowUs;
}

function refuse(state: VmState, machineId: string, verb: VmVerb, nowUs: number): void {
  const machine = state.machines.byId(machineId);
  if (machine !== null) machine.refused[verb] = nowUs + REFUSED_US;
}

/**
 * From which level of memory on processes wait, because machines come first: while one is being hibernated or could be.
 * Never for longer than one hibernation may take. Null: they need not wait.
 */
export function holdsFrom(
  state: VmState,
  ranking: VmRanking,
  policy: Policy,
  nowUs: number,
): "warning" | "critical" | null {
  const { enabled, hibernateAt, deadlineMs, destroy } = policy.vm;
  if (!enabled || hibernateAt === null || policy.dryRun) return null;
  // Not a comparison the other way round: unknown is not over.
  if (nowUs - state.heldSinceUs > deadlineMs * US_PER_MS) return null;
  const verb = state.inFlight?.verb;
  if (verb === "hibernate" || verb === "destroy") return hibernateAt;
  const isKnown = state.isKnown && state.machines.allSeen;
  if (!isKnown && !(nowUs - state.pressedSinceUs > FIRST_LOOK_US)) return hibernateAt;
  // What the last one brought back is not seen yet.
  if (isUnseen(state)) return hibernateAt;
  if (ranking.toHibernate(state.machines.all, nowUs).length > 0) return hibernateAt;
  return destroy && ranking.toDestroy(state.machines.all, nowUs).length > 0 ? "critical" : null;
}

function isUnseen(state: VmState): boolean {
  return !Number.isNaN(state.pressedSinceUs) && (state.memory?.atUs ?? 0) <= state.lastReportUs;
}

/** What is to be done now, if anything: for memory, or to take back what was done before. One action at a time. */
export function decide(state: VmState, ranking: VmRanking, policy: Policy, nowUs: number): VmAction | null {
  if (state.inFlight !== null) {
    const { untilUs, machineId, verb } = state.inFlight;
    if (nowUs <= untilUs) return null;
    refuse(state, machineId, verb, nowUs);
    state.inFlight = null;
    state.lastReportUs = nowUs;
  }
  if (!policy.vm.enabled) return null;
  const relief = Number.isNaN(state.pressedSinceUs) ? null : relieveMemory(state, ranking, policy, nowUs);
  return relief ?? takeBack(state, policy, nowUs);
}

function relieveMemory(state: VmState, ranking: VmRanking, policy: Policy, nowUs: number): VmAction | null {
  if (state.memory === null || state.memory.busy || isUnseen(state)) return null;
  const level = state.memory.level ?? "";
  const hibernate = ranking.toHibernate(state.machines.all, nowUs);
  if (hibernate.length > 0)
    return act(state, policy, nowUs, "hibernate", hibernate, `memory is at its level "${level}"`);
  if (!policy.vm.destroy || level !== "critical") return null;
  const destroy = ranking.toDestroy(state.machines.all, nowUs);
  return act(state, policy, nowUs, "destroy", destroy, "memory is critical, and it could not be hibernated");
}

/** Frozen machines go on, hibernated ones are started again, when what they were held for has been over for long enough. */
function takeBack(state: VmState, policy: Policy, nowUs: number): VmAction | null {
  const { resumeAfterMs } = policy.vm;
  const calmFor = (sinceUs: number): boolean => nowUs - sinceUs >= resumeAfterMs * US_PER_MS;
  const heldAs = (held: Machine["held"], verb: VmVerb): Machine[] =>
    [...state.machines.all].filter((machine) => machine.held === held && !isRefused(machine, verb, nowUs));
  if (!state.cpuPressure && calmFor(state.cpuCalmSinceUs)) {
    const frozen = heldAs("frozen", "resume");
    if (frozen.length > 0)
      return act(state, policy, nowUs, "resume", frozen, "the load has been over for long enough");
  }
  if (state.memory === null || !calmFor(state.memoryCalmSinceUs)) return null;
  const room = state.memory.availableBytes - state.memory.reserveBytes;
  const fitting = heldAs("hibernated", "start")
    .filter((machine) => heldBytesOf(machine) <= room)
    .sort((a, b) => heldBytesOf(a) - heldBytesOf(b));
  return act(state, policy, nowUs, "start", fitting, "memory has been enough for long enough, also for it");
}

function heldBytesOf(machine: Machine): number {
  return machine.heldBytes ?? usedBytes(machine);
}

/** Suspends the machine that uses most processors, if there is one. See VmFirst. */
export function freezeForCpu(
  state: VmState,
  ranking: VmRanking,
  policy: Policy,
  nowUs: number,
  why: string,
): VmAction | "under-way" | "none" {
  const { enabled, freezeOnCpu } = policy.vm;
  if (!enabled || !freezeOnCpu) return "none";
  // What the last one brought shows in a newer look.
  if (state.inFlight !== null) return "under-way";
  const candidates = ranking.toFreeze(state.machines.all, nowUs);
  if (candidates.length > 0 && state.lastLookUs <= state.lastReportUs) return "under-way";
  return act(state, policy, nowUs, "freeze", candidates, why) ?? "none";
}

function act(
  state: VmState,
  policy: Policy,
  nowUs: number,
  kind: VmVerb,
  candidates: readonly Machine[],
  why: string,
): VmAction | null {
  const [machine, ...others] = candidates;
  if (machine === undefined) return null;
  const id = state.nextId();
  const untilUs = nowUs + policy.vm.deadlineMs * US_PER_MS + REPORT_SLACK_US;
  state.inFlight = { id, verb: kind, machineId: machine.id, untilUs };
  return {
    resource: "vm",
    id,
    kind,
    subject: machine.name,
    machine: { source: machine.source, id: machine.id },
    why: `${why}: ${describeMachine(machine, kind)}`,
    numbers: {
      ...state.figures,
      memoryBytes: machine.memoryBytes,
      residentBytes: machine.residentBytes,
      processorShare: machine.cores,
    },
    atUs: nowUs,
    dryRun: policy.dryRun,
    candidates: others.slice(0, 10).map((other) => describeMachine(other, kind)),
  };
}
