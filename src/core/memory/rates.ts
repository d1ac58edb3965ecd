import { Mem } from "../samples.ts";

/** Averaged over about this long. */
const WINDOW_US = 1_000_000;

/** A decaying average of how fast a counter goes, out of its values at some times. Absent values are passed over. */
class CounterRate {
  #timeUs = Number.NaN;
  #value = Number.NaN;
  #perUs = 0;

  update(timeUs: number, value: number, mostPerUs: number): void {
    if (Number.isNaN(value)) return;
    const elapsedUs = timeUs - this.#timeUs;
    if (elapsedUs <= 0) return;
    const rate = Math.min(mostPerUs, (value - this.#value) / elapsedUs);
    // Neither at the first value, nor after the counter began anew.
    if (rate >= 0) this.#perUs += (rate - this.#perUs) * (1 - Math.exp(-elapsedUs / WINDOW_US));
    this.#timeUs = timeUs;
    this.#value = value;
  }

  get perUs(): number {
    return this.#perUs;
  }
}

/** How much is moved in and out of memory, and how much work waits for it, out of the counters of successive samples. */
export class PressureRates {
  readonly #pages = new CounterRate();
  readonly #stall = new CounterRate();

  update(frame: Float64Array): void {
    const timeUs = frame[Mem.timeUs] as number;
    const pages = sumPresent(frame, Mem.swappedInPages, Mem.refaultedAnonPages, Mem.refaultedFilePages);
    this.#pages.update(timeUs, pages, Number.POSITIVE_INFINITY);
    this.#stall.update(timeUs, frame[Mem.fullStallUs] as number, 1);
  }

  /** Pages swapped in or refaulted, a second. */
  get pagesPerSecond(): number {
    return this.#pages.perUs * 1e6;
  }

  /** Share of the time (0 to 1) in which every task stalled on memory; 0 without PSI. */
  get stallShare(): number {
    return this.#stall.perUs;
  }
}

/**
 * Anonymous refaults are swap-ins too, but not all swap-ins are refaults: the larger counts, plus the file pages.
 * @returns NaN when none of them is there
 */
function sumPresent(frame: Float64Array, swapped: number, anon: number, file: number): number {
  let absent = 0;
  const present = (column: number): number => {
    const value = frame[column] as number;
    if (value >= 0) return value;
    absent++;
    return 0;
  };
  const sum = Math.max(present(swapped), present(anon)) + present(file);
  return absent === 3 ? Number.NaN : sum;
}
