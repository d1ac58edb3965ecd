import { amountBytes, type HeadroomLevel, type LevelName, type Policy } from "../policy/policy.ts";
import { Mem } from "../samples.ts";
import type { FillRate } from "./fill-rate.ts";
import { Level } from "./level.ts";
import type { PressureRates } from "./rates.ts";

/** With swap, a level ends when free swap is over its line by this factor. */
const SWAP_RECOVER_FACTOR = 1.2;
/** Thrashing ends when its rates have fallen to this share of their lines, or memory is back by the inverse. */
const THRASHING_END_SHARE = 0.5;
/** Under stall, a level has to last only this share of its time, and a rung's deadline is this share of it. */
export const URGENT_SHARE = 0.25;

/** The levels of memory, worst last, kept up with every sample. */
export class MemoryLevels {
  readonly warning = new Level();
  readonly critical = new Level();
  readonly thrashing = new Level();
  /** What changed with the last sample. */
  readonly changes: { level: LevelName; change: "began" | "ended" }[] = [];

  update(frame: Float64Array, policy: Policy, fill: FillRate, rates: PressureRates): void {
    this.changes.length = 0;
    const urgent = isUrgent(rates, policy);
    this.#updateHeadroom("warning", policy.memory.warning, frame, fill, urgent);
    this.#updateHeadroom("critical", policy.memory.critical, frame, fill, urgent);
    this.#updateThrashing(frame, policy, rates);
  }

  /** The worst level that stands. */
  get worst(): LevelName | null {
    if (this.critical.stands) return "critical";
    if (this.thrashing.stands) return "thrashing";
    return this.warning.stands ? "warning" : null;
  }

  #updateHeadroom(
    name: "warning" | "critical",
    policy: HeadroomLevel | null,
    frame: Float64Array,
    fill: FillRate,
    urgent: boolean,
  ): void {
    // One that a new policy has switched off ends, if it stood.
    if (policy === null) return this.#update(name, frame[Mem.timeUs] as number, false, true, 0);
    const total = frame[Mem.totalBytes] as number;
    const available = frame[Mem.availableBytes] as number;
    const lineBytes = amountBytes(policy.available, total);
    const swapLineBytes = swapLine(policy, frame);
    const swapFree = frame[Mem.swapFreeBytes] as number;
    const begins = available < lineBytes && (swapLineBytes === null || swapFree < swapLineBytes);
    // What is not known (its cgroup was removed) is no reason to go on acting.
    const ends =
      Number.isNaN(available) ||
      available > amountBytes(policy.recover, total) ||
      (swapLineBytes !== null && swapFree > swapLineBytes * SWAP_RECOVER_FACTOR);
    // A level must not outwait the memory: at most half the time that is left.
    const leftUs = fill.timeToUseUs(available) / 2;
    const forUs = Math.min(policy.forMs * 1000 * (urgent ? URGENT_SHARE : 1), leftUs);
    this.#update(name, frame[Mem.timeUs] as number, begins, ends, forUs);
  }

  #updateThrashing(frame: Float64Array, policy: Policy, rates: PressureRates): void {
    const level = policy.memory.thrashing;
    if (level === null) return this.#update("thrashing", frame[Mem.timeUs] as number, false, true, 0);
    const available = frame[Mem.availableBytes] as number;
    const lineBytes = amountBytes(level.available, frame[Mem.totalBytes] as number);
    const begins =
      available < lineBytes &&
      rates.pagesPerSecond > level.pagesPerSecond &&
      rates.stallShare > level.stallShare;
    const ends =
      Number.isNaN(available) ||
      available > lineBytes / THRASHING_END_SHARE ||
      rates.pagesPerSecond < level.pagesPerSecond * THRASHING_END_SHARE ||
      rates.stallShare < level.stallShare * THRASHING_END_SHARE;
    this.#update("thrashing", frame[Mem.timeUs] as number, begins, ends, level.forMs * 1000);
  }

  #update(name: LevelName, timeUs: number, begins: boolean, ends: boolean, forUs: number): void {
    const change = this[name].update(timeUs, begins, ends, forUs);
    if (change !== null) this.changes.push({ level: name, change });
  }
}

/** Work stalls on memory: times are shorter, though it makes no level by itself. */
export function isUrgent(rates: PressureRates, policy: Policy): boolean {
  return rates.stallShare > policy.memory.urgentStallShare;
}

/** The line on free swap in bytes; null when the level does not look at swap, or there is none. */
export function swapLine(level: HeadroomLevel, frame: Float64Array): number | null {
  const total = frame[Mem.swapTotalBytes] as number;
  return level.swapFree !== null && total > 0 ? amountBytes(level.swapFree, total) : null;
}
