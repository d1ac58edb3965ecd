import { amountBytes, type Policy } from "../policy/policy.ts";

/** The policy's lines on available memory, in bytes of one total. -Infinity where a level is off: never reached. */
export interface MemoryLines {
  readonly warningBytes: number;
  readonly criticalBytes: number;
  readonly walkBytes: number;
}

export function memoryLines(policy: Policy, totalBytes: number): MemoryLines {
  const { warning, critical, walkBelow } = policy.memory;
  const warningBytes = warning ? amountBytes(warning.available, totalBytes) : Number.NEGATIVE_INFINITY;
  const criticalBytes = critical ? amountBytes(critical.available, totalBytes) : Number.NEGATIVE_INFINITY;
  return {
    warningBytes,
    criticalBytes,
    walkBytes: Math.max(amountBytes(walkBelow, totalBytes), warningBytes),
  };
}

/** How far it is to the next line below what is available; below the last line, to nothing. */
export function distanceBytes(lines: MemoryLines, availableBytes: number): number {
  if (availableBytes > lines.warningBytes && lines.warningBytes > 0)
    return availableBytes - lines.warningBytes;
  if (availableBytes > lines.criticalBytes && lines.criticalBytes > 0)
    return availableBytes - lines.criticalBytes;
  return availableBytes;
}
