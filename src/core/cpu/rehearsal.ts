import type { MutableProcessRow } from "../memory/decision.ts";
import { emptyRow } from "../memory/walk-from-ring.ts";
import { ALL_CORES, CPU_COLUMNS, Cpu } from "./columns.ts";
import { CpuState, type CpuTerms } from "./state.ts";
import { step } from "./step.ts";

/** Crises played, and what the little host in them is like. */
const PLAYS = 8;
const SAMPLES = 12;
const PROCESSES = 200;
const GROUP = 10;
const TICKS_PER_SECOND = 100;
const GUARD = 2;

/**
 * Plays overloads on a host that does not exist, to the choice of who makes them, so that the code which chooses is
 * compiled before it is needed: cold, the first choice takes ten milliseconds of a processor that others use up.
 * Nothing comes of it: the state is thrown away.
 * @returns how many were chosen, one a play
 */
export function rehearse(terms: CpuTerms): number {
  let chosen = 0;
  for (let play = 0; play < PLAYS; play++)
    chosen += playOnce({ ...terms, cpu: { ...terms.cpu, window: 4, inARow: 2 } });
  return chosen;
}

function playOnce(terms: CpuTerms): number {
  const state = new CpuState(
    { ticksPerSecond: TICKS_PER_SECOND, ownPid: GUARD, idPrefix: "rehearsal" },
    false,
  );
  const rows = crowd();
  const frame = new Float64Array(CPU_COLUMNS.length);
  const intervalUs = terms.cpu.intervalMs * 1000;
  let chosen = 0;
  for (let at = 1; at <= SAMPLES; at++) {
    const timeUs = at * intervalUs;
    for (const row of rows) row.cpuTicks += row.pid % 7;
    const walk = { rows, beganUs: timeUs - 1000, endedUs: timeUs - 100, nowTicks: 1000 + at, leftOut: 0 };
    step(state, { what: "walk", walk }, terms, () => "none");
    frame.fill(0);
    frame[Cpu.timeUs] = timeUs;
    frame[Cpu.busyUs] = timeUs;
    frame[Cpu.running] = 3;
    step(state, { what: "core", frame }, terms, () => "none");
    frame[Cpu.core] = ALL_CORES;
    chosen += step(state, { what: "all", frame }, terms, () => "none").orders.length;
  }
  return chosen;
}

/** Groups of ten, their leaders children of init. */
function crowd(): MutableProcessRow[] {
  return Array.from({ length: PROCESSES }, (_, i) => {
    const pid = i + 1;
    const leader = pid - (pid % GROUP) || 1;
    const ppid = pid === 1 ? 0 : pid === leader ? 1 : leader;
    return { ...emptyRow(), pid, ppid, startTicks: i, processGroup: leader, session: leader };
  });
}
