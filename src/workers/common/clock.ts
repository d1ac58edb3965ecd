import { performance } from "node:perf_hooks";

const offsetUs = Number(process.hrtime.bigint() / 1000n) - performance.now() * 1000;

/** CLOCK_MONOTONIC in microseconds: the same in every thread, and nothing is allocated. */
export function monotonicUs(): number {
  return performance.now() * 1000 + offsetUs;
}

/** When something is over that was decided at `atUs`, and how long it took from then on: both of one moment. */
export function overNow(atUs: number): { readonly wallMs: number; readonly tookMs: number } {
  const tookUs = monotonicUs() - atUs;
  return { wallMs: Date.now(), tookMs: Math.round(tookUs) / 1000 };
}
