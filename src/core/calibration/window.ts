/**
 * A window counts values: bucket `i` those from `base + i * 2^shift` to below the next. Its edges are multiples of the
 * bucket's width, so that a bucket of one window lies within one bucket of any coarser one.
 */
export interface Window {
  base: number;
  /** Buckets are 2^shift bytes wide. */
  shift: number;
  counts: Uint32Array;
}

/** The finest a window starts with: usage is counted by the kernel in pages, which are nowhere smaller. */
export const PAGE_SHIFT = 12;

const WIDTHS = Float64Array.from({ length: 54 }, (_, shift) => 2 ** shift);

/** How many bytes wide buckets of 2^shift bytes are: `**` takes as long as all else that is done with one value. */
export function widthOf(shift: number): number {
  return WIDTHS[shift] as number;
}

export function emptyWindow(): Window {
  return { base: 0, shift: PAGE_SHIFT, counts: new Uint32Array(0) };
}

/**
 * A window in the place of another, that reaches from `lowest` to `highest` and over all that the other has counted; where that is more than
 * `length` buckets, it is coarser. What the other counted is in it.
 * @param length a power of two, at least 4
 */
export function coverValues(
  window: Window,
  lowest: number,
  highest: number,
  length: number,
  shiftMin = 0,
): Window {
  const { counts } = window;
  let first = 0;
  while (first < counts.length && counts[first] === 0) first++;
  let last = counts.length - 1;
  while (last > first && counts[last] === 0) last--;
  const empty = first === counts.length;
  const edge = (bucket: number): number => window.base + bucket * widthOf(window.shift);
  const from = empty ? lowest : Math.min(lowest, edge(first));
  const to = empty ? highest : Math.max(highest, edge(last));
  let shift = Math.max(window.shift, shiftMin);
  // Room for as much again where it must become coarser, so that a growing cgroup seldom comes back here.
  if (bucketsBetween(from, to, shift) > length) while (bucketsBetween(from, to, shift) > length / 2) shift++;
  const width = widthOf(shift);
  const spare = length - bucketsBetween(from, to, shift);
  // The room is put where values went; where that is not known, on both sides.
  const below = empty ? spare >> 1 : lowest < edge(first) ? spare : 0;
  const base = Math.max(0, Math.floor(from / width) - below) * width;
  const target: Window = { base, shift, counts: new Uint32Array(length) };
  addCounts(target, window);
  return target;
}

/** Adds what `from` counted into a window that reaches as far and is as coarse or coarser. */
export function addCounts(into: Window, from: Window): void {
  const width = widthOf(from.shift);
  const inverse = 1 / widthOf(into.shift);
  for (let i = 0; i < from.counts.length; i++) {
    const count = from.counts[i] as number;
    if (count === 0) continue;
    const at = Math.floor((from.base + i * width - into.base) * inverse);
    into.counts[at] = (into.counts[at] as number) + count;
  }
}

function bucketsBetween(lowest: number, highest: number, shift: number): number {
  const width = widthOf(shift);
  return Math.floor(highest / width) - Math.floor(lowest / width) + 1;
}
