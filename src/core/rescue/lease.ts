/** What was lent to one cgroup, and from where it came. */
import { RecentExtremes } from "../statistics/recent-extremes.ts";
import { floorToPage } from "./amount.ts";
import type { ReturnReason } from "./report.ts";

/** An epoch of {@link Lease.peak}, of the time it is to cover: it remembers seven of them at least. */
const PEAK_EPOCHS = 7;

/** Why there is nothing to lower any more. */
export type ClosingReason = Extract<ReturnReason, "receiver-gone" | "limit-changed">;

export class Lease {
  /** Number of the receiver's cgroup; 0 when it is not known any more. */
  readonly number: number;
  /** When it began; when more was lent last. */
  readonly beganUs: number;
  raisedUs: number;
  /** What was taken from nobody. */
  globalBytes = 0;
  /** What was taken from whom, by number; above 0. */
  readonly donors = new Map<number, number>();
  /** Only the donors' parts are still to go back. Null: the receiver has what it was lent. */
  readonly closing: ClosingReason | null;
  /** Something was asked to go back and is not answered, or was answered "not now": until then nothing is asked. */
  silentUntilUs = Number.NEGATIVE_INFINITY;
  /** Returns that are under way, and what they lower the receiver's limit by. */
  unanswered = 0;
  askedBytes = 0;
  /** The receiver's usage lately, and since when it is followed so. */
  peak: RecentExtremes;
  peakSinceUs: number;

  constructor(number: number, nowUs: number, waitUs: number, closing: ClosingReason | null = null) {
    this.number = number;
    this.beganUs = nowUs;
    this.raisedUs = nowUs;
    this.closing = closing;
    this.peak = new RecentExtremes(Math.max(1, waitUs / PEAK_EPOCHS));
    this.peakSinceUs = nowUs;
  }

  get totalBytes(): number {
    return this.globalBytes + this.donorsBytes;
  }

  get donorsBytes(): number {
    let sum = 0;
    for (const bytes of this.donors.values()) sum += bytes;
    return sum;
  }

  get empty(): boolean {
    return this.globalBytes <= 0 && this.donors.size === 0;
  }

  /** Usage is looked back on for `waitUs` from now on. */
  watchAnew(nowUs: number, waitUs: number): void {
    this.peak = new RecentExtremes(Math.max(1, waitUs / PEAK_EPOCHS));
    this.peakSinceUs = nowUs;
  }

  addDonor(number: number, bytes: number): void {
    if (bytes > 0) this.donors.set(number, (this.donors.get(number) ?? 0) + bytes);
  }

  /** @returns what was taken off: at most `bytes`, at most what the donor's part is */
  takeDonor(number: number, bytes: number): number {
    const part = this.donors.get(number) ?? 0;
    const taken = Math.min(part, bytes);
    if (taken >= part) this.donors.delete(number);
    else this.donors.set(number, part - taken);
    return taken;
  }

  /** The donor is no more: what it lent is returned to nobody, as what came out of the global limit is. */
  forgetDonor(number: number): void {
    const bytes = this.takeDonor(number, Number.POSITIVE_INFINITY);
    if (this.closing === null) this.globalBytes += bytes;
  }

  /**
   * Whose `bytes` are, when as much goes back: the donors' first, in proportion to what each of them lent, in whole
   * pages; what came out of the global limit last.
   */
  partsOf(bytes: number): { number: number; bytes: number }[] {
    const all = this.donorsBytes;
    if (bytes >= all) return this.#sorted().map(([number, part]) => ({ number, bytes: part }));
    const parts: { number: number; bytes: number }[] = [];
    let passed = 0;
    let given = 0;
    for (const [number, part] of this.#sorted()) {
      passed += part;
      const point = passed >= all ? bytes : floorToPage((bytes * passed) / all);
      const back = Math.min(part, point - given);
      if (back <= 0) continue;
      given += back;
      parts.push({ number, bytes: back });
    }
    return parts;
  }

  #sorted(): [number, number][] {
    return [...this.donors].toSorted(([a], [b]) => a - b);
  }
}
