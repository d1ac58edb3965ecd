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

const LENGTH_AT_FIRST = 32;

export function emptyWindow(): Window {
  return { base: 0, shift: PAGE_SHIFT, counts: new Uint32Array(0) };
}

/**
 * Makes a window reach from `lowest` to `highest`, with as few and as wide buckets more as it takes: beyond `lengthMax`
 * buckets it becomes coarser instead. What was counted stays counted.
 * @param lengthMax a power of two, at least 4
 */
export function coverValues(
  window: Window,
  lowest: number,
  highest: number,
  lengthMax: number,
  shiftMin = 0,
): void {
  const { base, counts } = window;
  const empty = counts.length === 0;
  const from = empty ? lowest : Math.min(lowest, base + firstCounted(window) * 2 ** window.shift);
  const to = empty ? highest : Math.max(highest, base + lastCounted(window) * 2 ** window.shift);
  let shift = Math.max(window.shift, shiftMin);
  // Room for as much again where it must become coarser, so that a growing cgroup seldom comes back here.
  if (bucketsBetween(from, to, shift) > lengthMax)
    while (bucketsBetween(from, to, shift) > lengthMax / 2) shift++;
  const needed = bucketsBetween(from, to, shift);
  const length = Math.min(lengthMax, Math.max(LENGTH_AT_FIRST, 2 ** Math.ceil(Math.log2(needed * 2))));
  const spare = length - needed;
  // The room is put where values went; where that is not known, on both sides.
  const below = empty ? spare >> 1 : from < base ? spare : 0;
  const width = 2 ** shift;
  const target: Window = {
    base: Math.max(0, Math.floor(from / width) - below) * width,
    shift,
    counts: new Uint32Array(length),
  };
  addCounts(target, window);
  Object.assign(window, target);
}

/** Adds what `from` counted into a window that reaches as far and is as coarse or coarser. */
export function addCounts(into: Window, from: Window): void {
  const width = 2 ** from.shift;
  const inverse = 2 ** -into.shift;
  for (let i = 0; i < from.counts.length; i++) {
    const count = from.counts[i] as number;
    if (count === 0) continue;
    const at = Math.floor((from.base + i * width - into.base) * inverse);
    into.counts[at] = (into.counts[at] as number) + count;
  }
}

function bucketsBetween(lowest: number, highest: number, shift: number): number {
  const width = 2 ** shift;
  return Math.floor(highest / width) - Math.floor(lowest / width) + 1;
}

function firstCounted({ counts }: Window): number {
  return Math.max(
    0,
    counts.findIndex((count) => count > 0),
  );
}

function lastCounted({ counts }: Window): number {
  return Math.max(
    0,
    counts.findLastIndex((count) => count > 0),
  );
}
