import { DARK_LOOK, LIGHT_LOOK, type Look } from "./look.ts";
import type { PackedReport, Points } from "./packed.ts";
import { unpackSeries } from "./packed.ts";

/** What all charts of the page show together: the span of time, the zone, the colours, the cursor. Runs in the browser. */

/** Closer than this there is nothing to see. */
const SPAN_MIN_MS = 1000;

export class Shown {
  readonly report: PackedReport;
  /** The whole span; of a single sample a minute around it. */
  readonly wholeFromMs: number;
  readonly wholeToMs: number;
  fromMs: number;
  toMs: number;
  zone: string;
  look: Look = LIGHT_LOOK;
  /** Where the cursor is; null: nowhere. */
  cursorMs: number | null = null;
  readonly #points: (Points | undefined)[] = [];
  readonly #watchers: (() => void)[] = [];

  constructor(report: PackedReport) {
    this.report = report;
    const isPoint = report.toMs - report.fromMs < SPAN_MIN_MS;
    this.wholeFromMs = report.fromMs - (isPoint ? 30_000 : 0);
    this.wholeToMs = report.toMs + (isPoint ? 30_000 : 0);
    this.fromMs = this.wholeFromMs;
    this.toMs = this.wholeToMs;
    this.zone = report.zone;
  }

  /** Unpacked when first asked for: what nobody scrolls to costs nothing. */
  pointsOf(series: number): Points {
    const points = this.#points[series];
    if (points !== undefined) return points;
    const packed = this.report.series[series];
    if (packed === undefined) throw new Error(`the page has no series ${series}`);
    const unpacked = unpackSeries(packed, this.report.fromMs);
    this.#points[series] = unpacked;
    return unpacked;
  }

  onChange(watcher: () => void): void {
    this.#watchers.push(watcher);
  }

  changed(): void {
    for (const watcher of this.#watchers) watcher();
  }

  setDark(isDark: boolean): void {
    this.look = isDark ? DARK_LOOK : LIGHT_LOOK;
    this.changed();
  }

  /** Shows a span; what lies outside of the samples is cut off, and it is not made shorter than a second. */
  show(fromMs: number, toMs: number): void {
    const whole = this.wholeToMs - this.wholeFromMs;
    const length = Math.min(whole, Math.max(SPAN_MIN_MS, toMs - fromMs));
    const from = (fromMs + toMs) / 2 - length / 2;
    this.fromMs = Math.max(this.wholeFromMs, Math.min(from, this.wholeToMs - length));
    this.toMs = this.fromMs + length;
    this.changed();
  }

  /** Factor below 1: closer. The time under the pointer stays where it is. */
  zoom(factor: number, aroundMs: number): void {
    this.show(aroundMs - (aroundMs - this.fromMs) * factor, aroundMs + (this.toMs - aroundMs) * factor);
  }

  /** By a share of what is shown; below 0: earlier. */
  move(share: number): void {
    const by = (this.toMs - this.fromMs) * share;
    const inside = Math.max(this.wholeFromMs - this.fromMs, Math.min(by, this.wholeToMs - this.toMs));
    this.show(this.fromMs + inside, this.toMs + inside);
  }

  showAll(): void {
    this.show(this.wholeFromMs, this.wholeToMs);
  }
}
