import { Growing } from "./growing.ts";

/** A line's points: times rise, a value that is NaN begins a gap. */
export interface Points {
  readonly timesMs: Float64Array;
  readonly values: Float64Array;
}

/**
 * As many points as can be drawn, and no peak lost: of each of `buckets` equal spans of time the least and the greatest
 * value with their own times, in their order; and the first and last of all. A gap between two points that are kept stays
 * one. At most 2 * buckets + 2 points, and as many gaps.
 */
export function thin({ timesMs, values }: Points, buckets: number): Points {
  const count = values.length;
  if (count <= 2 * buckets + 2) return { timesMs: timesMs.slice(), values: values.slice() };
  const kept = new Kept(timesMs, values);
  const beginMs = timesMs[0] as number;
  const widthMs = ((timesMs[count - 1] as number) - beginMs) / buckets;
  const first = values.findIndex((value) => !Number.isNaN(value));
  const last = values.findLastIndex((value) => !Number.isNaN(value));
  for (let bucket = 0, from = 0; from < count; bucket++) {
    const endMs = bucket >= buckets - 1 ? Number.POSITIVE_INFINITY : beginMs + (bucket + 1) * widthMs;
    let min = -1;
    let max = -1;
    let i = from;
    for (; i < count && (timesMs[i] as number) < endMs; i++) {
      const value = values[i] as number;
      if (Number.isNaN(value)) continue;
      if (min < 0 || value < (values[min] as number)) min = i;
      if (max < 0 || value > (values[max] as number)) max = i;
    }
    if (first >= from && first < i) kept.keep(first);
    if (min >= 0) kept.keep(Math.min(min, max));
    if (min >= 0) kept.keep(Math.max(min, max));
    if (last >= from && last < i) kept.keep(last);
    from = i;
  }
  return kept.finish();
}

/** Of a line in steps only where it changes, and its end. */
export function thinSteps({ timesMs, values }: Points): Points {
  const [times, kept] = [new Growing(), new Growing()];
  values.forEach((value, i) => {
    const before = values[i - 1];
    if (i > 0 && i < values.length - 1 && Object.is(value, before)) return;
    times.push(timesMs[i] as number);
    kept.push(value);
  });
  return { timesMs: times.view().slice(), values: kept.view().slice() };
}

/** Points by their places in a longer line, in its order. */
class Kept {
  readonly #from: Points;
  readonly #times = new Growing();
  readonly #values = new Growing();
  #last = -1;

  constructor(timesMs: Float64Array, values: Float64Array) {
    this.#from = { timesMs, values };
  }

  keep(place: number): void {
    if (place <= this.#last) return;
    this.#keepGap(place);
    this.#push(place);
    this.#last = place;
  }

  finish(): Points {
    this.#keepGap(this.#from.values.length);
    return { timesMs: this.#times.view().slice(), values: this.#values.view().slice() };
  }

  /** One gap between two points is as good as several. */
  #keepGap(before: number): void {
    for (let i = this.#last + 1; i < before; i++)
      if (Number.isNaN(this.#from.values[i] as number)) return this.#push(i);
  }

  #push(place: number): void {
    this.#times.push(this.#from.timesMs[place] as number);
    this.#values.push(this.#from.values[place] as number);
  }
}

/** How many times the usual distance between two samples is a gap. */
const GAP_FACTOR = 3;
/** A few late samples are none. */
const GAP_MIN_MS = 50;
const LOOKED_AT = 1001;

/** A NaN wherever nothing was sampled for longer than three times as long as usual. */
export function withGaps({ timesMs, values }: Points): Points {
  const usualMs = usualDistanceMs(timesMs);
  const gapMs = usualMs * GAP_FACTOR + GAP_MIN_MS;
  let gaps = 0;
  for (let i = 1; i < timesMs.length; i++) if (isGap(timesMs, i, gapMs)) gaps++;
  if (gaps === 0 || Number.isNaN(usualMs)) return { timesMs, values };
  const times = new Float64Array(timesMs.length + gaps);
  const filled = new Float64Array(times.length);
  let to = 0;
  for (let i = 0; i < timesMs.length; i++) {
    if (isGap(timesMs, i, gapMs)) {
      times[to] = (timesMs[i - 1] as number) + usualMs;
      filled[to++] = Number.NaN;
    }
    times[to] = timesMs[i] as number;
    filled[to++] = values[i] as number;
  }
  return { timesMs: times, values: filled };
}

function isGap(timesMs: Float64Array, at: number, gapMs: number): boolean {
  return at > 0 && (timesMs[at] as number) - (timesMs[at - 1] as number) > gapMs;
}

/** The middle one of distances spread over the whole line; NaN when there is none. */
export function usualDistanceMs(timesMs: Float64Array): number {
  const pairs = timesMs.length - 1;
  if (pairs < 1) return Number.NaN;
  const looked = Math.min(pairs, LOOKED_AT);
  const distances = Float64Array.from({ length: looked }, (_, i) => {
    const at = Math.floor((i * pairs) / looked);
    return (timesMs[at + 1] as number) - (timesMs[at] as number);
  }).sort();
  return distances[(looked - 1) >> 1] as number;
}
