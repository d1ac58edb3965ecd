/**
 * How fast what is free goes down, and so how long it lasts: two decaying averages of the slope, a quick one that sees
 * a burst within a few looks, and a slow one that a single quiet look does not fool. The larger counts.
 */

const QUICK_US = 200_000;
const SLOW_US = 10_000_000;

/** Of space in bytes, of inodes in inodes; a microsecond. */
export class Drain {
  readonly #leastPerUs: number;
  #timeUs = Number.NaN;
  #free = Number.NaN;
  #quick = 0;
  #slow = 0;

  /** @param leastPerSecond slower than this is noise */
  constructor(leastPerSecond: number) {
    this.#leastPerUs = leastPerSecond / 1e6;
  }

  /** Takes the next look; what is absent, or no later than the last, is passed over. */
  update(timeUs: number, free: number): void {
    if (Number.isNaN(timeUs) || Number.isNaN(free)) return;
    const elapsedUs = timeUs - this.#timeUs;
    if (elapsedUs <= 0) return;
    // NaN, so neither, at the first look.
    if (elapsedUs > 0) {
      const slope = (this.#free - free) / elapsedUs;
      this.#quick += (slope - this.#quick) * (1 - Math.exp(-elapsedUs / QUICK_US));
      this.#slow += (slope - this.#slow) * (1 - Math.exp(-elapsedUs / SLOW_US));
    }
    this.#timeUs = timeUs;
    this.#free = free;
  }

  /** What is used up a microsecond; 0 when nothing is. */
  get perUs(): number {
    const rate = Math.max(this.#quick, this.#slow);
    return rate > this.#leastPerUs ? rate : 0;
  }

  /** Microseconds until so much more is used; Infinity when nothing is being used up. */
  timeToUseUs(amount: number): number {
    const rate = this.perUs;
    return rate === 0 ? Number.POSITIVE_INFINITY : Math.max(0, amount) / rate;
  }
}

/** Slower than this is noise, a second. */
export const LEAST_BYTES = 4096;
export const LEAST_INODES = 1;
