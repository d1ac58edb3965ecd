/** The average that a process's memory is compared with forgets half of the past in this time. */
const HALF_LIFE_US = 30_000_000;

interface History {
  startTicks: number;
  averageBytes: number;
  timeUs: number;
  walk: number;
}

/**
 * Who is growing: for each process the present amount less its decayed average. A steady leak of r bytes a second
 * comes to about 43 s times r, a burst to its whole height; both fade when the growing stops.
 * Memory is bounded by the number of processes: who was not in a walk is forgotten.
 */
export class GrowthTracker {
  readonly #histories = new Map<number, History>();
  #walk = 0;
  #lastWalkUs = Number.NaN;
  #elapsedUs = Number.NaN;
  #weight = 0;

  /** To be called before the processes of a walk are. */
  beginWalk(): void {
    this.#walk++;
  }

  /**
   * @param startedUs when the process started, on the walk's clock: what began after the last walk grew from nothing
   * @param forkedFrom pid of the parent whose memory it began with, 0 when it began with none of that
   * @returns bytes grown, at least 0
   */
  grown(
    pid: number,
    startTicks: number,
    startedUs: number,
    forkedFrom: number,
    bytes: number,
    timeUs: number,
  ): number {
    let history = this.#histories.get(pid);
    if (history === undefined || history.startTicks !== startTicks) {
      // Without an earlier walk nothing can be said about what was there already.
      const inherited = forkedFrom > 0 ? (this.#histories.get(forkedFrom)?.averageBytes ?? 0) : 0;
      const averageBytes = startedUs > this.#lastWalkUs ? Math.min(bytes, inherited) : bytes;
      history = { startTicks, averageBytes, timeUs, walk: this.#walk };
      this.#histories.set(pid, history);
      return bytes - averageBytes;
    }
    const weight = this.#weightOf(timeUs - history.timeUs);
    const grown = Math.max(0, bytes - history.averageBytes);
    history.averageBytes += (bytes - history.averageBytes) * weight;
    history.timeUs = timeUs;
    history.walk = this.#walk;
    return grown;
  }

  /** How much of the past is forgotten in that time. In one walk it is the same for nearly all. */
  #weightOf(elapsedUs: number): number {
    if (elapsedUs !== this.#elapsedUs) {
      this.#elapsedUs = elapsedUs;
      this.#weight = 1 - 2 ** (-elapsedUs / HALF_LIFE_US);
    }
    return this.#weight;
  }

  endWalk(timeUs: number): void {
    this.#lastWalkUs = timeUs;
    for (const [pid, history] of this.#histories) {
      if (history.walk !== this.#walk) this.#histories.delete(pid);
    }
  }

  get size(): number {
    return this.#histories.size;
  }
}
