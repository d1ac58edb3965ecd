/**
 * When an interface that was put down for a duplicate is tried again: after `retestMs` it goes up, and is listened to; if
 * nothing is heard, it stays so, otherwise it goes down again, for twice as long.
 */

/** Listened to for so long before it counts as well. */
export const PROBATION_MS = 5000;
const DOUBLINGS_MAX = 10;

export interface Trial {
  readonly phase: "down" | "probation";
  /** When the phase is over. */
  readonly dueMs: number;
  /** How often it was put down. */
  readonly times: number;
}

/** It was put down now; `before`: what was known of it, null when it never was. */
export function putDown(before: Trial | null, retestMs: number, nowMs: number): Trial {
  const times = (before?.times ?? 0) + 1;
  const waitMs = retestMs * 2 ** Math.min(times - 1, DOUBLINGS_MAX);
  return { phase: "down", dueMs: nowMs + waitMs, times };
}

/** It was put up again now, to be listened to. */
export function onProbation(trial: Trial, nowMs: number): Trial {
  return { ...trial, phase: "probation", dueMs: nowMs + PROBATION_MS };
}
