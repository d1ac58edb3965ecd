import { performance } from "node:perf_hooks";

const offsetUs = Number(process.hrtime.bigint() / 1000n) - performance.now() * 1000;

/** CLOCK_MONOTONIC in microseconds: the same in every thread, and nothing is allocated. */
export function monotonicUs(): number {
  return performance.now() * 1000 + offsetUs;
}
