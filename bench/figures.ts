/** What the benches answer, and the few statistics it takes. */

/** One measured thing beside what it is measured against, in the same unit. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  /** Beside ours in the same run; null: there is nothing to compare with, or no C compiler. */
  readonly reference: number | null;
  /** What the reference is, such as `C` or `bare Node`. */
  readonly against: string | null;
  /** Ours by reference: median of the rounds, and the quartiles around it. */
  readonly ratio: Spread | null;
  /** What is to be reached; null: the figure is for information. */
  readonly target: Target | null;
  readonly note: string;
}

export interface Spread {
  readonly median: number;
  readonly lower: number;
  readonly upper: number;
}

/** A limit on the ratio or on our own value. */
export interface Target {
  readonly of: "ratio" | "ours";
  /** Reached below it; with `inclusive` also at it. */
  readonly limit: number;
  readonly inclusive: boolean;
}

/** What one bench found: figures, and lines that show that both sides did the work. */
export interface Finding {
  readonly bench: string;
  readonly figures: readonly Figure[];
  readonly evidence: readonly string[];
}

/** How much a bench does. */
export interface Effort {
  readonly smoke: boolean;
}

/** Null: nothing to reach, or nothing measured to compare with. */
export function isMet({ target, ratio, ours }: Figure): boolean | null {
  if (target === null) return null;
  const value = target.of === "ours" ? ours : (ratio?.median ?? null);
  if (value === null) return null;
  return target.inclusive ? value <= target.limit : value < target.limit;
}

/** The q-quantile (0 to 1), between neighbours in proportion; NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), lower: quantile(values, 0.25), upper: quantile(values, 0.75) };
}

/** Ratios of what was measured side by side: the i-th of ours by the i-th of theirs, so that drift cancels. */
export function ratioOf(ours: readonly number[], theirs: readonly number[]): Spread {
  return spreadOf(ours.map((value, i) => value / (theirs[i] as number)));
}

/**
 * Microseconds of CPU time that `work` takes, of all threads of this process, so V8's helpers too. On a machine that
 * others use, waiting for a processor would be in the time by the clock.
 */
export function cpuUsOf(work: () => void): number {
  const begin = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(begin);
  return user + system;
}
