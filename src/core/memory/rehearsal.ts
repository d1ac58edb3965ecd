import type { Policy } from "../policy/policy.ts";
import { MEMORY_COLUMNS, Mem } from "../samples.ts";
import type { MutableProcessRow } from "./decision.ts";
import { MemoryState } from "./state.ts";
import { step } from "./step.ts";
import { emptyRow } from "./walk-from-ring.ts";

/** Crises played, and what the little host in them is like. */
const PLAYS = 12;
const SAMPLES = 24;
const PROCESSES = 200;
const TOTAL_BYTES = 2 ** 30;
const TICKS_PER_SECOND = 100;

/**
 * Plays crises on a host that does not exist, from calm to the end of its hog, so that the code which decides is
 * compiled before it is needed: cold, the first decision takes tens of milliseconds, and there may be no second.
 * Nothing comes of it: the state is thrown away.
 */
export function rehearse(policy: Policy): void {
  for (let play = 0; play < PLAYS; play++) {
    const state = new MemoryState({ ticksPerSecond: TICKS_PER_SECOND, ownPid: 2, idPrefix: "rehearsal" });
    const frame = new Float64Array(MEMORY_COLUMNS.length);
    const rows = crowd(play);
    for (let at = 1; at <= SAMPLES; at++) {
      const timeUs = 1e6 + at * 10_000;
      const usedShare = at / SAMPLES;
      fillFrame(frame, timeUs, TOTAL_BYTES * (1 - usedShare));
      (rows[0] as MutableProcessRow).anonBytes = TOTAL_BYTES * usedShare * 0.8;
      const walk = {
        rows,
        beganUs: timeUs - 2000,
        endedUs: timeUs - 1000,
        nowTicks: 10_000 + at,
        leftOut: 0,
      };
      step(state, { frame: null, walk, end: null }, policy);
      const { decisions } = step(state, { frame, walk: null, end: null }, policy);
      for (const { id, verdict } of decisions) {
        if (verdict !== "end") continue;
        const end = { id, outcome: "ended", victim: null, atUs: timeUs } as const;
        step(state, { frame: null, walk: null, end }, policy);
      }
    }
  }
}

function fillFrame(frame: Float64Array, timeUs: number, availableBytes: number): void {
  frame.fill(0);
  frame[Mem.timeUs] = timeUs;
  frame[Mem.totalBytes] = TOTAL_BYTES;
  frame[Mem.availableBytes] = availableBytes;
  frame[Mem.anonBytes] = TOTAL_BYTES - availableBytes;
}

/** A hog and many others, of several sessions and groups. */
function crowd(play: number): MutableProcessRow[] {
  return Array.from({ length: PROCESSES }, (_, i) => ({
    ...emptyRow(),
    pid: 1000 + i,
    startTicks: 5000 + i,
    ppid: i % 7 === 0 ? 1 : 1000 + Math.floor(i / 2),
    processGroup: 1000 + (i % 40),
    session: 1000 + (i % 20),
    residentBytes: (1 + ((i * 37 + play) % 50)) * 2 ** 16,
    anonBytes: i % 3 === 0 ? (1 + (i % 50)) * 2 ** 16 : null,
    swapBytes: i % 3 === 0 ? 0 : null,
    oomScoreAdj: i % 3 === 0 ? 0 : null,
    forked: i % 5 === 0,
  }));
}
