import type { LevelName, Policy, Rung } from "../policy/policy.ts";
import { amountBytes } from "../policy/policy.ts";
import { Mem } from "../samples.ts";
import type { Ranking } from "../victim/candidate.ts";
import { rankVictims } from "../victim/rank.ts";
import { type Decision, firstSignal, GRACE_US, isEnding, type Verdict, type Walk } from "./decision.ts";
import { isUrgent, swapLine, URGENT_SHARE } from "./levels.ts";
import { memoryLines } from "./lines.ts";
import { holdersOf, numbersOf, orNull } from "./numbers.ts";
import type { ActionEnd, HeldFrom, MemoryState, StepInput, StepOutput } from "./state.ts";

/** A ranking older than this is not acted on while a newer one can be had. */
const RANKING_FRESH_US = 500_000;
const WALK_PATIENCE_US = 500_000;
/** The same standstill goes on record again after this. */
const REPEAT_US = 10_000_000;
/** Memory that lasts for less than this does not wait for virtual machines to be hibernated. */
const HOLD_TIME_US = 2_000_000;
/** Never more walks than this, however near exhaustion is. */
const WALK_INTERVAL_MIN_MS = 20;
/** How many of the best candidates go on record. */
const RECORDED_CANDIDATES = 10;
const REMEMBERED_ORDERS = 4;
const US_PER_MS = 1000;

/**
 * One step of the analysis of memory: takes a sample, a walk, or the end of an action, and says what is to be done.
 * The same input gives the same output: it knows no clock but the samples' and touches nothing but `state`, so that
 * the guard, a replay and the tests all call this.
 */
export function step(state: MemoryState, input: StepInput, policy: Policy): StepOutput {
  const output: StepOutput = {
    changes: [],
    decisions: [],
    walkIntervalMs: 0,
    walkNow: false,
    standing: undefined,
  };
  if (input.end !== null) takeEnd(state, input.end);
  if (input.walk !== null) takeWalk(state, input.walk, policy);
  if (input.frame !== null) takeSample(state, input.frame, policy, output);
  if (state.frame === null) return output;
  planWalks(state, policy, output);
  const holdChanged = takeHold(state, state.frame, input.heldFrom ?? null);
  decide(state, policy, output);
  const ended = input.end !== null;
  if (input.walk !== null || ended || holdChanged || output.changes.length > 0)
    planStanding(state, policy, ended, output);
  return output;
}

/** @returns whether it is otherwise than it was */
function takeHold(state: MemoryState, frame: Float64Array, wanted: HeldFrom): boolean {
  const lasts = state.fill.timeToUseUs(frame[Mem.availableBytes] as number) >= HOLD_TIME_US;
  const heldFrom = lasts ? wanted : null;
  const changed = heldFrom !== state.heldFrom;
  state.heldFrom = heldFrom;
  return changed;
}

/** Whether nobody is ended at this level, because virtual machines come first. */
function isHeld({ heldFrom }: MemoryState, level: LevelName): boolean {
  return heldFrom === "warning" || (heldFrom === "critical" && level === "critical");
}

function takeEnd(state: MemoryState, end: ActionEnd): void {
  if (end.victim !== null && (end.outcome === "stuck" || end.outcome === "refused")) {
    state.stuck.add(`${end.victim.pid}:${end.victim.startTicks}`);
  }
  if (end.id !== state.inFlight) return;
  state.inFlight = null;
  state.lastEndUs = end.atUs;
  if (end.outcome === "dry-run") state.quietUntilUs = end.atUs + REPEAT_US;
}

function takeWalk(state: MemoryState, walk: Walk, policy: Policy): void {
  const { ticksPerSecond } = state.surroundings;
  const usPerTick = 1e6 / ticksPerSecond;
  state.growth.beginWalk();
  for (const row of walk.rows) {
    const bytes = (row.anonBytes ?? row.residentBytes) + (row.swapBytes ?? 0) + (row.ownSharedBytes ?? 0);
    const startedUs = walk.endedUs - (walk.nowTicks - row.startTicks) * usPerTick;
    const forkedFrom = row.forked ? row.ppid : 0;
    row.grownBytes = state.growth.grown(row.pid, row.startTicks, startedUs, forkedFrom, bytes, walk.endedUs);
  }
  state.growth.endWalk(walk.endedUs);
  state.walk = walk;
  state.ranking = null;
  if (state.frame !== null && nearLine(state, policy)) rank(state, policy);
}

function takeSample(state: MemoryState, frame: Float64Array, policy: Policy, output: StepOutput): void {
  state.frame = frame;
  const timeUs = frame[Mem.timeUs] as number;
  state.fill.update(timeUs, frame[Mem.availableBytes] as number);
  state.rates.update(frame);
  state.levels.update(frame, policy, state.fill, state.rates);
  for (const { level, change } of state.levels.changes) {
    output.changes.push({ level, change, atUs: timeUs, numbers: numbersFor(state, frame, policy, level) });
    if (change === "began") {
      // A new level is news, whatever standstill was on record before.
      state.quietUntilUs = Number.NEGATIVE_INFINITY;
      notify(state, policy, level, output);
    }
  }
}

/** A level whose ladder ends nobody: its commands are for the moment it begins. That it began is on record anyway. */
function notify(state: MemoryState, policy: Policy, level: LevelName, output: StepOutput): void {
  const rungs = ladderOf(policy, level);
  if (rungs.some(isEnding) || !rungs.some((rung) => rung.action === "command")) return;
  output.decisions.push(decision(state, policy, level, "notify", null, 0));
}

function nearLine(state: MemoryState, policy: Policy): boolean {
  const frame = state.frame as Float64Array;
  const available = frame[Mem.availableBytes] as number;
  const lines = memoryLines(policy, frame[Mem.totalBytes] as number);
  if (available < lines.walkBytes || state.levels.worst !== null) return true;
  return state.fill.timeToUseUs(available) < policy.memory.walkHorizonMs * US_PER_MS;
}

/** How often processes are walked: as the policy says near a line, sooner when the line will be reached sooner. */
function planWalks(state: MemoryState, policy: Policy, output: StepOutput): void {
  if (!nearLine(state, policy)) return;
  const frame = state.frame as Float64Array;
  const lines = memoryLines(policy, frame[Mem.totalBytes] as number);
  const distance = (frame[Mem.availableBytes] as number) - Math.max(0, lines.criticalBytes);
  const inTimeMs = state.fill.timeToUseUs(distance) / US_PER_MS / 4;
  output.walkIntervalMs = Math.min(policy.memory.walkIntervalMs, Math.max(WALK_INTERVAL_MIN_MS, inTimeMs));
}

function rank(state: MemoryState, policy: Policy): void {
  const frame = state.frame as Float64Array;
  const walk = state.walk as Walk;
  const holders = holdersOf(frame);
  state.rankedShortfallBytes = shortfallBytes(state, policy);
  state.ranking = rankVictims({
    processes: walk.rows,
    holders,
    shortfallBytes: state.rankedShortfallBytes,
    nowTicks: walk.nowTicks,
    ticksPerSecond: state.surroundings.ticksPerSecond,
    unit: policy.victim.unit,
    minimumBytes: policy.victim.minimumBytes,
    ownPid: state.surroundings.ownPid,
    stuck: state.stuck,
  });
}

/** What must come back until the worst level with an end to it is over; ahead of time, what it will be at the line. */
function shortfallBytes(state: MemoryState, policy: Policy): number {
  const frame = state.frame as Float64Array;
  const total = frame[Mem.totalBytes] as number;
  const level = actingLevel(state, policy) ?? "critical";
  const { beginBytes, recoverBytes } = bounds(policy, level, total);
  const available = Math.min(frame[Mem.availableBytes] as number, beginBytes);
  return Math.max(0, Math.round(recoverBytes - available));
}

/** Where a level begins and where it ends, in bytes available. */
function bounds(
  policy: Policy,
  level: LevelName,
  total: number,
): { beginBytes: number; recoverBytes: number } {
  if (level === "thrashing") {
    const beginBytes = policy.memory.thrashing ? amountBytes(policy.memory.thrashing.available, total) : 0;
    return { beginBytes, recoverBytes: beginBytes };
  }
  const headroom = policy.memory[level];
  if (headroom === null) return { beginBytes: 0, recoverBytes: 0 };
  return {
    beginBytes: amountBytes(headroom.available, total),
    recoverBytes: amountBytes(headroom.recover, total),
  };
}

function ladderOf(policy: Policy, level: LevelName): readonly Rung[] {
  return policy.memory[level]?.ladder ?? [];
}

/**
 * A ladder as there is time for it: under stall the deadlines are shorter; where the memory left does not last for the
 * grace that SIGTERM means, the ladder begins with SIGKILL.
 * @param availableBytes at its beginning
 */
function ladderInTime(
  state: MemoryState,
  policy: Policy,
  level: LevelName,
  availableBytes: number,
): readonly Rung[] {
  const rungs = ladderOf(policy, level);
  const tooLate = state.fill.timeToUseUs(availableBytes) / 2 < GRACE_US;
  const kill = rungs.findIndex((rung) => rung.action === "sigkill");
  const left = tooLate && kill >= 0 ? rungs.filter((rung, i) => rung.action === "log" || i >= kill) : rungs;
  if (!isUrgent(state.rates, policy)) return left;
  return left.map((rung) =>
    "deadlineMs" in rung ? { ...rung, deadlineMs: rung.deadlineMs * URGENT_SHARE } : rung,
  );
}

/** The worst level that stands and whose ladder has an end to it. */
function actingLevel(state: MemoryState, policy: Policy): LevelName | null {
  for (const level of ["critical", "thrashing", "warning"] as const) {
    if (state.levels[level].stands && ladderOf(policy, level).some(isEnding)) return level;
  }
  return null;
}

function decide(state: MemoryState, policy: Policy, output: StepOutput): void {
  const frame = state.frame as Float64Array;
  const level = actingLevel(state, policy);
  const nowUs = frame[Mem.timeUs] as number;
  // One action in flight; and after it, nothing before a sample has seen what it brought back.
  if (level === null || state.inFlight !== null || nowUs <= state.lastEndUs || nowUs < state.quietUntilUs)
    return;
  if (isHeld(state, level)) return;
  if (!walkServes(state, nowUs)) {
    output.walkNow = true;
    return;
  }
  state.walkWantedUs = Number.NaN;
  // Near the line each walk has been ranked as it came.
  if (state.ranking === null) rank(state, policy);
  const ranking = state.ranking as Ranking | null;
  if (ranking === null) return;
  const verdict = verdictOn(ranking);
  const made = decision(state, policy, level, verdict, ranking, shortfallBytes(state, policy));
  output.decisions.push(made);
  if (verdict === "end") state.inFlight = made.id;
  else state.quietUntilUs = nowUs + REPEAT_US;
}

/**
 * Whether the last walk may be decided on: it began after the last action ended, and it is fresh. On a host that
 * thrashes a fresh one may not be had; then, after some patience, an older one serves.
 */
function walkServes(state: MemoryState, nowUs: number): boolean {
  const { walk } = state;
  if (walk !== null && walk.beganUs >= state.lastEndUs && nowUs - walk.endedUs <= RANKING_FRESH_US)
    return true;
  if (Number.isNaN(state.walkWantedUs)) state.walkWantedUs = nowUs;
  const available = state.frame?.[Mem.availableBytes] as number;
  // Waiting for a better answer must not take the time that there is to act on the one there is.
  const hasTime = state.fill.timeToUseUs(available) > WALK_PATIENCE_US;
  const patient = hasTime && nowUs - state.walkWantedUs < WALK_PATIENCE_US;
  return walk !== null && walk.beganUs >= state.lastEndUs && !patient;
}

/** That the memory is held where nobody brings it back says more than that there is nobody to end. */
function verdictOn({ candidates, sparing }: Ranking): Verdict {
  if (sparing?.why === "held-elsewhere") return "spare";
  return candidates.length === 0 || sparing !== null ? "nobody" : "end";
}

/** Puts into words of data what is decided. */
function decision(
  state: MemoryState,
  policy: Policy,
  level: LevelName,
  verdict: Verdict,
  ranking: Ranking | null,
  shortfall: number,
): Decision {
  const frame = state.frame as Float64Array;
  const candidates = ranking?.candidates.slice(0, RECORDED_CANDIDATES) ?? [];
  return {
    ...state.nextId(),
    level,
    atUs: frame[Mem.timeUs] as number,
    verdict,
    numbers: numbersFor(state, frame, policy, level),
    shortfallBytes: shortfall,
    rungs: ladderInTime(state, policy, level, frame[Mem.availableBytes] as number),
    victim: verdict === "end" ? (candidates[0] ?? null) : null,
    candidates,
    sparing: ranking?.sparing ?? null,
    excluded: ranking?.excluded ?? {},
    dryRun: policy.dryRun,
    ahead: false,
  };
}

function numbersFor(state: MemoryState, frame: Float64Array, policy: Policy, level: LevelName) {
  const { beginBytes, recoverBytes } = bounds(policy, level, frame[Mem.totalBytes] as number);
  return numbersOf(frame, state.fill, state.rates, beginBytes, recoverBytes);
}

/** What the sentinel is to do if the kernel says the critical line is crossed, before the next sample does. */
function planStanding(state: MemoryState, policy: Policy, ended: boolean, output: StepOutput): void {
  const frame = state.frame as Float64Array;
  const critical = policy.memory.critical;
  const victim = state.ranking?.candidates[0];
  const ready =
    critical !== null && victim !== undefined && state.ranking?.sparing === null && state.inFlight === null;
  if (!ready) {
    // While an action is in flight its own order stands; after it, an empty one takes its place.
    const leftover = state.standing !== null || ended;
    if (leftover && state.inFlight === null) output.standing = null;
    state.standing = null;
    return;
  }
  const lineBytes = amountBytes(critical.available, frame[Mem.totalBytes] as number);
  const signal = firstSignal(ladderInTime(state, policy, "critical", lineBytes));
  const swapLineBytes = swapLine(critical, frame);
  const swapLow = swapLineBytes === null || (frame[Mem.swapFreeBytes] as number) < swapLineBytes;
  const withoutAsking = critical.forMs === 0 && swapLow && !policy.dryRun && !isHeld(state, "critical");
  state.standing = {
    ...state.nextId(),
    candidate: victim,
    ranking: state.ranking as Ranking,
    signal,
    immediate: signal !== 0 && withoutAsking && victim.kind === "process",
    lineBytes,
    shortfallBytes: state.rankedShortfallBytes,
  };
  state.given.push(state.standing);
  if (state.given.length > REMEMBERED_ORDERS) state.given.shift();
  output.standing = state.standing;
}

/** Takes a decision back that could not be carried out because the sentinel was already carrying out an order. */
export function revoke(state: MemoryState, id: string): void {
  if (state.inFlight === id) state.inFlight = null;
}

/** The sentinel carried out standing order `number`: what the analysis would have decided, had it been asked. */
export function acceptStanding(
  state: MemoryState,
  number: number,
  availableBytes: number,
  policy: Policy,
): Decision | null {
  const standing = state.given.find((order) => order.number === number);
  if (standing === undefined || state.frame === null || state.inFlight !== null) return null;
  const { id } = standing;
  state.inFlight = id;
  state.standing = null;
  const made = decision(state, policy, "critical", "end", standing.ranking, standing.shortfallBytes);
  // What the sentinel saw, not what the last sample did.
  const numbers = { ...made.numbers, availableBytes: orNull(availableBytes) };
  return { ...made, id, number, numbers, ahead: true };
}
