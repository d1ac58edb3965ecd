import { Mem } from "../samples.ts";
import type { MemoryHolders } from "../victim/candidate.ts";
import type { Numbers } from "./decision.ts";
import type { FillRate } from "./fill-rate.ts";
import type { PressureRates } from "./rates.ts";

/** NaN, which stands for absent in frames, as the null of records. */
export function orNull(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) || !Number.isFinite(value) ? null : value;
}

/** What the kernel itself holds and cannot give back: slab, stacks, page tables, per-CPU data. */
function kernelBytes(frame: Float64Array): number | null {
  let sum = 0;
  let present = false;
  for (const column of [
    Mem.slabUnreclaimableBytes,
    Mem.kernelStackBytes,
    Mem.pageTablesBytes,
    Mem.perCpuBytes,
  ]) {
    const value = frame[column] as number;
    if (!(value >= 0)) continue;
    sum += value;
    present = true;
  }
  return present ? sum : null;
}

export function holdersOf(frame: Float64Array): MemoryHolders {
  const swapTotal = frame[Mem.swapTotalBytes] as number;
  return {
    totalBytes: frame[Mem.totalBytes] as number,
    availableBytes: frame[Mem.availableBytes] as number,
    anonBytes: orNull(frame[Mem.anonBytes]),
    sharedBytes: orNull(frame[Mem.sharedBytes]),
    hugePagesBytes: orNull(frame[Mem.hugePagesBytes]),
    kernelBytes: kernelBytes(frame),
    swapUsedBytes: orNull(swapTotal - (frame[Mem.swapFreeBytes] as number)),
  };
}

export function numbersOf(
  frame: Float64Array,
  fill: FillRate,
  rates: PressureRates,
  lineBytes: number,
  recoverBytes: number,
): Numbers {
  const holders = holdersOf(frame);
  const exhaustionUs = fill.timeToUseUs(holders.availableBytes);
  return {
    totalBytes: orNull(holders.totalBytes),
    availableBytes: orNull(holders.availableBytes),
    // A share of the total need not be a whole number of bytes.
    lineBytes: orNull(Math.round(lineBytes)),
    recoverBytes: orNull(Math.round(recoverBytes)),
    swapTotalBytes: orNull(frame[Mem.swapTotalBytes]),
    swapFreeBytes: orNull(frame[Mem.swapFreeBytes]),
    fillBytesPerSecond: Math.round(fill.bytesPerUs * 1e6),
    timeToExhaustionMs: orNull(Math.round(exhaustionUs / 1000)),
    pagesPerSecond: Math.round(rates.pagesPerSecond),
    stallShare: Math.round(rates.stallShare * 1000) / 1000,
    sharedBytes: holders.sharedBytes,
    hugePagesBytes: holders.hugePagesBytes,
    kernelBytes: holders.kernelBytes,
    anonBytes: holders.anonBytes,
  };
}
