import type { Walk } from "../memory/decision.ts";
import type { CpuPolicy } from "../policy/resources.ts";
import type { ResourceChange, ResourceReport } from "../resources/report.ts";
import type { Figures } from "../resources/resource.ts";
import { type CulpritRanking, rankCulprits } from "./choose.ts";
import { LoadMeter, type Load } from "./meter.ts";
import type { AskMachines, CpuInput, CpuOrder, CpuOutput, CpuState, CpuTerms } from "./state.ts";

const US_PER_MS = 1000;
/** Of the window, so much must have been seen before anything is judged: a guard that has just begun knows little. */
const KNOWN_SHARE = 0.25;
/** A walk that is older than so many intervals is no ground to act on. */
const STALE_INTERVALS = 3;
/** The same standstill is not looked at again before this. */
const QUIET_US = 60_000_000;

/**
 * One step: live, replay and tests call this. Pure but for `state`, which it advances, and `ask`.
 *
 * The level begins when the average has been at `busyShare` in `inARow` samples in a row, and ends below `recoverShare`.
 * While it stands and the last samples themselves were at it (an average remembers load that has gone), virtual
 * machines are asked, then whoever creates the load. After each action the counting begins anew.
 */
export function step(state: CpuState, input: CpuInput, terms: CpuTerms, ask: AskMachines): CpuOutput {
  switch (input.what) {
    case "core":
      state.meter.core(input.frame);
      return NOTHING;
    case "walk":
      takeWalk(state, input.walk, terms.cpu);
      return NOTHING;
    case "report":
      takeReport(state, input.report);
      return NOTHING;
    case "all": {
      const load = state.meter.all(input.frame, terms.cpu);
      if (load === null) return NOTHING;
      state.load = load;
      return judge(state, load, terms, ask);
    }
  }
}

const NOTHING: CpuOutput = { changes: [], orders: [], nobody: null };

/**
 * How often processes are to be walked: each interval while the average is as far below the line as the line is above
 * where the level ends, or nearer; so that a calm host is not walked, and a history is there when the level begins. 0: not.
 */
export function wantedWalkMs({ level, inFlight, load }: CpuState, cpu: CpuPolicy): number {
  if (!cpu.enabled || load === null) return 0;
  const nearShare = cpu.recoverShare - (cpu.busyShare - cpu.recoverShare);
  return level || inFlight !== null || load.averageShare >= nearShare ? cpu.intervalMs : 0;
}

/** What is done when the policy no longer asks for this resource: what was imposed is taken back. */
export function abandon(state: CpuState, nowUs: number): CpuOutput {
  const { load } = state;
  const changes: ResourceChange[] =
    state.level && load !== null ? [levelChange("ended", nowUs, load, null)] : [];
  const orders = undo(state, nowUs, "the policy no longer asks for the processors to be guarded", {});
  state.level = false;
  state.inARow = 0;
  state.load = null;
  state.meter = new LoadMeter();
  state.loads.forget();
  return { changes, orders, nobody: null };
}

export function figuresOf(load: Load, cpu: CpuPolicy | null): Figures {
  return {
    busyShare: round(load.busyShare),
    averageShare: round(load.averageShare),
    ...(cpu === null ? {} : { lineShare: cpu.busyShare, recoverShare: cpu.recoverShare }),
    coreMaxShare: round(load.coreMaxShare),
    cores: load.cores,
    running: load.running,
    averageRunning: round(load.averageRunning),
    blocked: load.blocked,
    stallShare: Number.isFinite(load.stallShare) ? round(load.stallShare) : null,
  };
}

function judge(state: CpuState, load: Load, terms: CpuTerms, ask: AskMachines): CpuOutput {
  const { cpu } = terms;
  const known = load.samples >= Math.max(cpu.inARow, Math.ceil(cpu.window * KNOWN_SHARE));
  state.inARow = known && load.averageShare >= cpu.busyShare ? state.inARow + 1 : 0;
  const changes: ResourceChange[] = [];
  const orders: CpuOrder[] = inherited(state, load, cpu);
  if (!state.level && state.inARow >= cpu.inARow) {
    state.level = true;
    changes.push(levelChange("began", load.timeUs, load, cpu));
  } else if (known && load.averageShare < cpu.recoverShare && (state.level || state.mayHold)) {
    if (state.level) changes.push(levelChange("ended", load.timeUs, load, cpu));
    const why = `the processors' average use fell below ${percent(cpu.recoverShare)}`;
    orders.push(...undo(state, load.timeUs, why, figuresOf(load, cpu)));
    state.level = false;
    state.settled.clear();
    state.quietUntilUs = Number.NEGATIVE_INFINITY;
  }
  if (!isDue(state, load, cpu)) return { changes, orders, nobody: null };
  const why = reasonOf(load, cpu);
  if (ask(load.timeUs, why) !== "none") {
    state.inARow = 0;
    return { changes, orders, nobody: null };
  }
  // A machine may have come since; of processes, what was said lately is not said again.
  if (load.timeUs < state.quietUntilUs) return { changes, orders, nobody: null };
  const ranking = rank(state, load, terms);
  if (ranking === null) return { changes, orders, nobody: null };
  const order = orderOf(state, load, cpu, ranking, why);
  if (order !== null) orders.push(order);
  return { changes, orders, nobody: order === null ? ranking.excluded : null };
}

/** The level stands, by what has been since the last action, and nothing is under way. */
function isDue(state: CpuState, load: Load, cpu: CpuPolicy): boolean {
  return (
    state.level &&
    state.inARow >= cpu.inARow &&
    load.recentShare >= cpu.busyShare &&
    state.inFlight === null &&
    !state.laneTaken
  );
}

/** @returns null while what is known of the processes is too little, or too old: it is waited for */
function rank(state: CpuState, load: Load, { cpu, victim }: CpuTerms): CulpritRanking | null {
  const { walk, loads } = state;
  const intervalUs = cpu.intervalMs * US_PER_MS;
  if (walk === null || load.timeUs - walk.endedUs > STALE_INTERVALS * intervalUs) return null;
  if (loads.historyUs < cpu.inARow * intervalUs) return null;
  const settled = new Set([...state.settled, ...state.stuck]);
  return rankCulprits({
    processes: walk.rows,
    useOf: (row) => loads.of(row),
    departedOfGroup: (group) => loads.departedOfGroup(group),
    cores: load.cores,
    running: load.averageRunning,
    excessCores: Math.max(0, load.averageShare - cpu.recoverShare) * load.cores,
    unit: victim.unit,
    ownPid: state.surroundings.ownPid,
    settled,
  });
}

function orderOf(
  state: CpuState,
  load: Load,
  cpu: CpuPolicy,
  { candidates }: CulpritRanking,
  why: string,
): CpuOrder | null {
  const [culprit, ...others] = candidates;
  state.inARow = 0;
  if (culprit === undefined) {
    state.quietUntilUs = load.timeUs + QUIET_US;
    return null;
  }
  const id = state.nextId();
  state.inFlight = id;
  state.culprit = culprit;
  state.mayHold = true;
  const numbers = { ...figuresOf(load, cpu), culpritCores: round(culprit.cores) };
  return { kind: "ladder", id, atUs: load.timeUs, why, numbers, culprit, others };
}

function undo(state: CpuState, atUs: number, why: string, numbers: Figures): CpuOrder[] {
  if (!state.mayHold) return [];
  state.mayHold = false;
  return [{ kind: "undo", id: state.nextId(), atUs, why, numbers }];
}

/** Whatever an earlier life of this thread began is ended and taken back, before anything new is begun. */
function inherited(state: CpuState, load: Load, cpu: CpuPolicy): CpuOrder[] {
  if (!state.inherits) return [];
  state.inherits = false;
  const id = state.nextId();
  state.inFlight = id;
  const why = "the analysis was begun anew: what was begun before is not known";
  return [{ kind: "undo", id, atUs: load.timeUs, why, numbers: figuresOf(load, cpu) }];
}

function takeWalk(state: CpuState, walk: Walk, cpu: CpuPolicy): void {
  const { ticksPerSecond } = state.surroundings;
  const cores = state.load?.cores ?? Number.POSITIVE_INFINITY;
  const { intervalMs, window } = cpu;
  state.loads.take(walk, { ticksPerSecond, cores, intervalMs, window }, state.settled);
  state.walk = walk;
}

/** The end of what was in flight: another may be chosen when the level still stands by what comes from now on. */
function takeReport(state: CpuState, report: ResourceReport): void {
  if (state.inFlight === null || report.id !== state.inFlight) return;
  const { culprit } = state;
  state.inFlight = null;
  state.culprit = null;
  state.inARow = 0;
  if (culprit === null) return;
  const nowUs = state.load?.timeUs ?? Number.NEGATIVE_INFINITY;
  if (report.outcome === "dry-run" || report.outcome === "noted") {
    state.quietUntilUs = nowUs + QUIET_US;
    return;
  }
  if (report.outcome === "recovered") return;
  const lasting = report.outcome === "stuck" || report.outcome === "refused" || report.outcome === "failed";
  const members = [...report.victims, ...culprit.members];
  for (const { pid, startTicks } of members) {
    state.settled.add(`${pid}:${startTicks}`);
    if (lasting) state.stuck.add(`${pid}:${startTicks}`);
  }
  forgetDead(state);
}

/** Who is gone needs no mark: their number does not grow for ever. */
function forgetDead(state: CpuState): void {
  if (state.walk === null) return;
  const present = new Set(state.walk.rows.map((row) => `${row.pid}:${row.startTicks}`));
  for (const identity of state.stuck) if (!present.has(identity)) state.stuck.delete(identity);
}

function levelChange(
  change: "began" | "ended",
  atUs: number,
  load: Load,
  cpu: CpuPolicy | null,
): ResourceChange {
  const numbers = figuresOf(load, cpu);
  return { resource: "cpu", subject: "host", level: "critical", change, atUs, numbers };
}

function reasonOf(load: Load, cpu: CpuPolicy): string {
  const average = `${percent(load.averageShare)} of ${load.cores} processors in use on average over ${cpu.window} samples`;
  return `${average}, at or above ${percent(cpu.busyShare)} in ${cpu.inARow} in a row`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
