/** Figures of one series, exact: from all of its samples. NaN values are no samples. Null: too few of them. */
export interface SeriesStatistics {
  readonly count: number;
  readonly mean: number | null;
  /** Of a sample: the square root of the sum of squares by count - 1. */
  readonly deviation: number | null;
  /** Third and fourth standardized moments (g1; g2 - 3, so that the normal distribution has 0); null where all are equal. */
  readonly skewness: number | null;
  readonly kurtosis: number | null;
  readonly min: number | null;
  /** When the least and the greatest were met first. */
  readonly minTimeMs: number | null;
  readonly lowerQuartile: number | null;
  readonly median: number | null;
  readonly upperQuartile: number | null;
  readonly max: number | null;
  readonly maxTimeMs: number | null;
}

const NOTHING: SeriesStatistics = {
  count: 0,
  mean: null,
  deviation: null,
  skewness: null,
  kurtosis: null,
  min: null,
  minTimeMs: null,
  lowerQuartile: null,
  median: null,
  upperQuartile: null,
  max: null,
  maxTimeMs: null,
};

/** @param timesMs in step with the values */
export function statisticsOf(timesMs: Float64Array, values: Float64Array): SeriesStatistics {
  const samples = new Float64Array(values.length);
  let count = 0;
  let sum = 0;
  let minAt = -1;
  let maxAt = -1;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (Number.isNaN(value)) continue;
    samples[count++] = value;
    sum += value;
    if (minAt < 0 || value < (values[minAt] as number)) minAt = i;
    if (maxAt < 0 || value > (values[maxAt] as number)) maxAt = i;
  }
  if (count === 0) return NOTHING;
  const present = samples.subarray(0, count);
  return {
    count,
    ...momentsOf(present, sum / count),
    min: values[minAt] as number,
    minTimeMs: timesMs[minAt] as number,
    ...quartilesOf(present),
    max: values[maxAt] as number,
    maxTimeMs: timesMs[maxAt] as number,
  };
}

type MomentFigures = Pick<SeriesStatistics, "mean" | "deviation" | "skewness" | "kurtosis">;

/** By sums about the mean (two passes), so that small changes of large numbers do not vanish. */
function momentsOf(samples: Float64Array, roughMean: number): MomentFigures {
  const count = samples.length;
  let rest = 0;
  for (const value of samples) rest += value - roughMean;
  const mean = roughMean + rest / count;
  let second = 0;
  let third = 0;
  let fourth = 0;
  for (const value of samples) {
    const from = value - mean;
    const square = from * from;
    second += square;
    third += square * from;
    fourth += square * square;
  }
  const variance = second / count;
  // Of equal values the mean may be off by its rounding alone.
  const varies = Math.sqrt(variance) > Math.abs(mean) * Number.EPSILON;
  return {
    mean,
    deviation: count < 2 ? null : varies ? Math.sqrt(second / (count - 1)) : 0,
    skewness: varies ? third / count / variance ** 1.5 : null,
    kurtosis: varies ? fourth / count / variance ** 2 - 3 : null,
  };
}

type QuartileFigures = Pick<SeriesStatistics, "lowerQuartile" | "median" | "upperQuartile">;

/** With a straight line between the two samples nearest to the rank, as most programs do. Moves the samples. */
function quartilesOf(samples: Float64Array): QuartileFigures {
  let from = 0;
  const at = (share: number): number => {
    const rank = (samples.length - 1) * share;
    const below = Math.floor(rank);
    select(samples, below, from);
    from = below;
    const low = samples[below] as number;
    const part = rank - below;
    if (part === 0) return low;
    // The rest of the array holds what is not less.
    let high = samples[below + 1] as number;
    for (let i = below + 2; i < samples.length; i++) high = Math.min(high, samples[i] as number);
    return low + (high - low) * part;
  };
  return { lowerQuartile: at(0.25), median: at(0.5), upperQuartile: at(0.75) };
}

/**
 * Moves values from `from` on so that `rank` holds what it would when they were sorted, less before it, not less after
 * it (Hoare's selection; what is equal to the pivot is set apart, so that many equal values cost nothing).
 */
function select(values: Float64Array, rank: number, from: number): void {
  let low = from;
  let high = values.length - 1;
  while (low < high) {
    const pivot = middleOf(values, low, high);
    let less = low;
    let greater = high;
    for (let i = low; i <= greater; ) {
      const value = values[i] as number;
      if (value < pivot) swap(values, i++, less++);
      else if (value > pivot) swap(values, i, greater--);
      else i++;
    }
    if (rank < less) high = less - 1;
    else if (rank > greater) low = greater + 1;
    else return;
  }
}

/**
 * Of nine taken here and there the middle one of middle ones: near enough to the median. Places at equal distances would
 * all meet the same value of what repeats itself, so they are those of a congruential generator, the same each time.
 */
function middleOf(values: Float64Array, low: number, high: number): number {
  let state = high - low;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return values[low + Math.floor((state / 2 ** 32) * (high - low + 1))] as number;
  };
  const three = (): number => middle(next(), next(), next());
  return middle(three(), three(), three());
}

function middle(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}

function swap(values: Float64Array, a: number, b: number): void {
  const value = values[a] as number;
  values[a] = values[b] as number;
  values[b] = value;
}
