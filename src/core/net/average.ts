import { Net } from "./columns.ts";

const US_PER_S = 1_000_000;
/** Before so many samples an average says nothing. */
const SAMPLES_MIN = 10;
/** Counters of the kernel that are averaged, in the order of {@link RateAverage.rates}. */
const COUNTED = [Net.sentBytes, Net.sentPackets, Net.receivedBytes, Net.receivedPackets] as const;
export const Rate = { sentBytes: 0, sentPackets: 1, receivedBytes: 2, receivedPackets: 3 } as const;

/**
 * Rates of an interface from its counters, averaged over about `window` samples: a new one has the weight
 * 2 / (window + 1). The beginning, where there is nothing to average with, is corrected for.
 */
export class RateAverage {
  /** A second; NaN before the second sample. */
  readonly rates = new Float64Array(COUNTED.length).fill(Number.NaN);
  readonly #sums = new Float64Array(COUNTED.length);
  readonly #before = new Float64Array(COUNTED.length);
  #atUs = Number.NaN;
  /** The weights that are in the sums. */
  #weight = 0;
  #samples = 0;

  /** Enough is known to act on. */
  settled(window: number): boolean {
    return this.#samples >= Math.min(SAMPLES_MIN, window);
  }

  /** Forgets what was, but for the last counters: what comes from now on is another thing. */
  restart(): void {
    this.#sums.fill(0);
    this.#weight = 0;
    this.#samples = 0;
  }

  /** Takes in a row of the ring. Counters that went back begin anew. */
  take(frame: Float64Array, window: number): void {
    const nowUs = frame[Net.timeUs] as number;
    const seconds = (nowUs - this.#atUs) / US_PER_S;
    this.#atUs = nowUs;
    let wentBack = false;
    for (const [i, column] of COUNTED.entries())
      wentBack ||= !((frame[column] as number) >= (this.#before[i] as number));
    const usable = seconds > 0 && !wentBack;
    const share = 2 / (window + 1);
    if (usable) {
      this.#weight = this.#weight * (1 - share) + share;
      this.#samples++;
    }
    for (const [i, column] of COUNTED.entries()) {
      const counter = frame[column] as number;
      if (usable) {
        const rate = (counter - (this.#before[i] as number)) / seconds;
        this.#sums[i] = (this.#sums[i] as number) * (1 - share) + rate * share;
        this.rates[i] = (this.#sums[i] as number) / this.#weight;
      }
      this.#before[i] = Number.isNaN(counter) ? Number.POSITIVE_INFINITY : counter;
    }
  }
}
