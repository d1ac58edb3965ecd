import v8 from "node:v8";
import { returnFreeMemory, shareAllocatorPool } from "../../native/allocator.ts";

/**
 * Keeps seven threads small that mostly sleep. To be called before any of them is started.
 * Measured (Node 20.20, x64, the host at rest): 117 MiB resident before, 111 after; what runs often is compiled by the
 * optimizing compiler either way, only the quick compiler between it and the interpreter, whose code is large, is off.
 */
export function startSmall(): void {
  shareAllocatorPool();
  v8.setFlagsFromString("--no-sparkplug");
}

/** When all are started: what starting took is not needed again. */
export function settle(): void {
  returnFreeMemory();
}
