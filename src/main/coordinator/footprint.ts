import v8 from "node:v8";
import { returnFreeMemory, shareAllocatorPool } from "../../native/allocator.ts";

/** By then most of what runs at rest has been compiled. */
const WARM_AFTER_MS = 10_000;

/**
 * Keeps threads small that mostly sleep. To be called before any of them is started. What runs often is compiled by the
 * optimizing compiler either way: only the quick compiler between it and the interpreter, whose code is large, is off, and
 * heaps grow by less at a time. With `gc` a thread gives back what its start has left (WorkerContext.ready).
 * Measured (Node 20.20, x64, ten threads at rest, profile ork): 136 MiB resident without the last two, 126 with them.
 */
export function startSmall(): void {
  shareAllocatorPool();
  for (const flag of ["--no-sparkplug", "--optimize-for-size", "--expose-gc"]) v8.setFlagsFromString(flag);
}

/** When all are started: what starting took is not needed again, nor what compiling takes in the first seconds. */
export function settle(): void {
  returnFreeMemory();
  setTimeout(returnFreeMemory, WARM_AFTER_MS).unref();
}
