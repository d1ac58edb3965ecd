/**
 * How fast available memory goes down, and so how long it lasts. Two decaying averages of the slope: a quick one that
 * sees a burst within a few samples, a slow one that a single quiet sample does not fool. The larger counts.
 */

const QUICK_US = 20_000;
const SLOW_US = 1_000_000;
/** Slower than this is noise: 4 KiB a second. */
const LEAST_BYTES_PER_US = 4096 / 1e6;

export class FillRate {
  #timeUs = Number.NaN;
  #availableBytes = Number.NaN;
  #quick = 0;
  #slow = 0;

  /** Takes the next sample; times must not go back. Absent figures are passed over. */
  update(timeUs: number, availableBytes: number): void {
    if (Number.isNaN(timeUs) || Number.isNaN(availableBytes)) return;
    const elapsedUs = timeUs - this.#timeUs;
    if (elapsedUs <= 0) return;
    // NaN, so neither, at the first sample.
    if (elapsedUs > 0) {
      const slope = (this.#availableBytes - availableBytes) / elapsedUs;
      this.#quick += (slope - this.#quick) * (1 - Math.exp(-elapsedUs / QUICK_US));
      this.#slow += (slope - this.#slow) * (1 - Math.exp(-elapsedUs / SLOW_US));
    }
    this.#timeUs = timeUs;
    this.#availableBytes = availableBytes;
  }

  /** Bytes a microsecond (which is MB a second); 0 when memory is not going down. */
  get bytesPerUs(): number {
    const rate = Math.max(this.#quick, this.#slow);
    return rate > LEAST_BYTES_PER_US ? rate : 0;
  }

  /** Microseconds until `bytes` more are used, Infinity when they are not being used. */
  timeToUseUs(bytes: number): number {
    const rate = this.bytesPerUs;
    return rate === 0 ? Number.POSITIVE_INFINITY : Math.max(0, bytes) / rate;
  }
}
