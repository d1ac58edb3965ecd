import type { ReportSeries, ReportUnit, StatisticsRow } from "./model.ts";
import { statisticsOf } from "./statistics.ts";
import { type Points, thin, thinSteps, withGaps } from "./thin.ts";
import type { WallClock } from "./wall-clock.ts";

/** A line as it was measured. */
export interface Measured {
  readonly name: string;
  readonly group: string | null;
  readonly unit: ReportUnit;
  readonly timesUs: Float64Array;
  readonly values: Float64Array;
  /** It is constant for long, and drawn in steps. */
  readonly steps?: boolean;
  /** It has no row in the table of statistics. */
  readonly silent?: boolean;
}

/** Points of all lines together: the page stays small however many there are, and finer than a screen. */
const POINTS_OF_ALL = 120_000;
const BUCKETS_MIN = 120;
const BUCKETS_MAX = 2000;

/** The lines of a report, each once. */
export class SeriesBook {
  readonly #clock: WallClock;
  readonly #lines: (Omit<Measured, "timesUs" | "values"> & {
    readonly id: string;
    readonly points: Points;
  })[] = [];
  /** Lines of one table share their times. */
  readonly #axes = new Map<Float64Array, Float64Array>();
  readonly #statistics: StatisticsRow[] = [];

  constructor(clock: WallClock) {
    this.#clock = clock;
  }

  /** @returns the id that charts call it by; null when there is no value at all */
  add({ timesUs, values, ...line }: Measured): string | null {
    if (!values.some((value) => !Number.isNaN(value))) return null;
    const timesMs = this.#axis(timesUs);
    const id = `s${this.#lines.length + 1}`;
    this.#lines.push({ ...line, id, points: { timesMs, values } });
    if (line.silent !== true && line.steps !== true) {
      const { name, group, unit } = line;
      this.#statistics.push({ name, group, unit, ...statisticsOf(timesMs, values) });
    }
    return id;
  }

  get statistics(): readonly StatisticsRow[] {
    return this.#statistics;
  }

  /** From the first to the last sample; null without any. */
  get span(): { readonly fromMs: number; readonly toMs: number } | null {
    let fromMs = Number.POSITIVE_INFINITY;
    let toMs = Number.NEGATIVE_INFINITY;
    for (const timesMs of this.#axes.values()) {
      fromMs = Math.min(fromMs, timesMs[0] ?? fromMs);
      toMs = Math.max(toMs, timesMs.at(-1) ?? toMs);
    }
    return fromMs <= toMs ? { fromMs, toMs } : null;
  }

  finish(): ReportSeries[] {
    const each = Math.floor(POINTS_OF_ALL / 2 / Math.max(1, this.#lines.length));
    const buckets = Math.min(BUCKETS_MAX, Math.max(BUCKETS_MIN, each));
    return this.#lines.map(({ id, name, group, unit, steps, points }) => {
      const gapped = withGaps(points);
      const thinned = thin(steps === true ? thinSteps(gapped) : gapped, buckets);
      return { id, name, group, unit, sampleCount: points.values.length, ...thinned };
    });
  }

  #axis(timesUs: Float64Array): Float64Array {
    const known = this.#axes.get(timesUs);
    if (known !== undefined) return known;
    const axis = this.#clock.axis(timesUs);
    this.#axes.set(timesUs, axis);
    return axis;
  }
}
