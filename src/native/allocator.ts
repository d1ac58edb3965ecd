import { libc } from "./libc.ts";

/** Parameters of mallopt(3), from malloc.h. */
const M_TRIM_THRESHOLD = -1;
const M_ARENA_MAX = -8;
const TRIM_THRESHOLD_BYTES = 64 * 1024;

/**
 * Has all threads to come allocate from one pool, and free memory go back to the kernel early: mallopt(3). By default
 * each thread gets a pool of its own, which keeps what starting the thread left free.
 * @returns false when the C library does not take it; then things stay as they were
 */
export function shareAllocatorPool(): boolean {
  const arenas = libc.mallopt([M_ARENA_MAX, 1]).value;
  const trim = libc.mallopt([M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES]).value;
  return arenas === 1 && trim === 1;
}

/** Gives what is free in the allocator's pools back to the kernel: malloc_trim(3). @returns whether there was any */
export function returnFreeMemory(): boolean {
  return libc.mallocTrim([0]).value === 1;
}
