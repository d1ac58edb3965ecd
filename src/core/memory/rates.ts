import { Mem } from "../samples.ts";

/** Averaged over about this long. */
const WINDOW_US = 1_000_000;

/** How much is moved in and out of memory, and how much work waits for it, out of the counters of successive samples. */
export class PressureRates {
  #timeUs = Number.NaN;
  #pages = Number.NaN;
  #stallUs = Number.NaN;
  #pagesPerSecond = 0;
  #stallShare = 0;

  update(frame: Float64Array): void {
    const timeUs = frame[Mem.timeUs] as number;
    const pages = sumPresent(frame, Mem.swappedInPages, Mem.refaultedAnonPages, Mem.refaultedFilePages);
    const stallUs = frame[Mem.fullStallUs] as number;
    const elapsedUs = timeUs - this.#timeUs;
    if (elapsedUs <= 0) return;
    if (elapsedUs > 0) {
      const weight = 1 - Math.exp(-elapsedUs / WINDOW_US);
      const pageRate = ((pages - this.#pages) / elapsedUs) * 1e6;
      if (pageRate >= 0) this.#pagesPerSecond += (pageRate - this.#pagesPerSecond) * weight;
      const share = Math.min(1, (stallUs - this.#stallUs) / elapsedUs);
      if (share >= 0) this.#stallShare += (share - this.#stallShare) * weight;
    }
    this.#timeUs = timeUs;
    this.#pages = pages;
    this.#stallUs = stallUs;
  }

  /** Pages swapped in or refaulted, a second. */
  get pagesPerSecond(): number {
    return this.#pagesPerSecond;
  }

  /** Share of the time (0 to 1) in which every task stalled on memory; 0 without PSI. */
  get stallShare(): number {
    return this.#stallShare;
  }
}

/** Anonymous refaults are swap-ins too, but not all swap-ins are refaults: the larger counts, plus the file pages. */
function sumPresent(frame: Float64Array, swapped: number, anon: number, file: number): number {
  const present = (column: number): number => {
    const value = frame[column] as number;
    return value >= 0 ? value : 0;
  };
  return Math.max(present(swapped), present(anon)) + present(file);
}
