/** So many things are remembered to have been said; of more the oldest are forgotten, and may be said again. */
const REMEMBERED = 1024;

/** Keeps from saying the same again and again: once in a while is enough. */
export class Quiet {
  readonly #quietMs: number;
  readonly #saidMs = new Map<string, number>();

  constructor(quietMs: number) {
    this.#quietMs = quietMs;
  }

  /** @returns whether it may be said now; then it counts as said */
  may(what: readonly (string | null)[], nowMs: number): boolean {
    const key = JSON.stringify(what);
    const saidMs = this.#saidMs.get(key);
    // Also when the wall clock was set back: better said twice than not for hours.
    if (saidMs !== undefined && Math.abs(nowMs - saidMs) < this.#quietMs) return false;
    this.#saidMs.delete(key);
    this.#saidMs.set(key, nowMs);
    if (this.#saidMs.size > REMEMBERED) this.#saidMs.delete(this.#saidMs.keys().next().value as string);
    return true;
  }
}
