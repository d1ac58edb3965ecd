/**
 * Smallest and largest of what came lately: exact, over the last seven to eight epochs of the clock. What an extreme of
 * a decaying statistic is: a sample older than that weighs less than a hundredth of a new one.
 */

const EPOCHS = 8;

export class RecentExtremes {
  readonly #epochUs: number;
  readonly #least = new Float64Array(EPOCHS).fill(Number.POSITIVE_INFINITY);
  readonly #most = new Float64Array(EPOCHS).fill(Number.NEGATIVE_INFINITY);
  #epoch = Number.NaN;
  /** Of all epochs; renewed when one is forgotten. */
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  /** @param epochUs above 0 */
  constructor(epochUs: number) {
    this.#epochUs = epochUs;
  }

  /** NaN before the first value. */
  get min(): number {
    return this.#min === Number.POSITIVE_INFINITY ? Number.NaN : this.#min;
  }

  /** NaN before the first value. */
  get max(): number {
    return this.#max === Number.NEGATIVE_INFINITY ? Number.NaN : this.#max;
  }

  /** Takes a value. Times must not go back. */
  add(timeUs: number, value: number): void {
    const epoch = Math.floor(timeUs / this.#epochUs);
    if (epoch !== this.#epoch) this.#begin(epoch);
    const at = epoch % EPOCHS;
    if (value < (this.#least[at] as number)) this.#least[at] = value;
    if (value > (this.#most[at] as number)) this.#most[at] = value;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
  }

  #begin(epoch: number): void {
    const passed = Number.isNaN(this.#epoch) ? 0 : Math.min(EPOCHS, epoch - this.#epoch);
    for (let i = 0; i < passed; i++) {
      this.#least[(epoch - i) % EPOCHS] = Number.POSITIVE_INFINITY;
      this.#most[(epoch - i) % EPOCHS] = Number.NEGATIVE_INFINITY;
    }
    this.#epoch = epoch;
    this.#min = Math.min(...this.#least);
    this.#max = Math.max(...this.#most);
  }
}
