/** What is to be read at a tick. */
export const Look = { none: 0, usage: 1, details: 2 } as const;
export type Look = (typeof Look)[keyof typeof Look];

/** When the cgroups of one group are looked at: usage each time, details each n-th time, the first among them. */
export class Rate {
  readonly intervalUs: number;
  readonly #statEvery: number;
  #dueUs = Number.NEGATIVE_INFINITY;
  #looks = 0;

  constructor(intervalUs: number, statEvery: number) {
    this.intervalUs = intervalUs;
    this.#statEvery = statEvery;
  }

  /** Between two looks at the details. */
  get detailIntervalUs(): number {
    return this.intervalUs * this.#statEvery;
  }

  /**
   * What is due at a tick.
   * @param tickUs the time between two ticks: what is due sooner after this one than before the next is due now
   */
  take(nowUs: number, tickUs: number): Look {
    if (this.intervalUs > tickUs && nowUs < this.#dueUs - tickUs / 2) return Look.none;
    const nextUs = this.#dueUs + this.intervalUs;
    this.#dueUs = nextUs > nowUs ? nextUs : nowUs + this.intervalUs;
    return this.#looks++ % this.#statEvery === 0 ? Look.details : Look.usage;
  }
}
