import fs from "node:fs";
import { libc } from "./libc.ts";
import { systemError } from "./system-error.ts";

const MLOCK_ONFAULT = 1;

export interface MemoryLock {
  readonly lockedBytes: number;
  readonly lockedMappings: number;
  /** Mappings that the kernel refused to lock, and its first word why. */
  readonly refusedMappings: number;
  readonly refusal: string | null;
}

/**
 * Keeps the program's text from being evicted when memory is short: mlock2(MLOCK_ONFAULT) on the file-backed mappings
 * of this process. Never mlockall(2): V8 aborts at its next change of page permissions.
 * @param mapsPath /proc/self/maps
 */
export function lockProgramText(mapsPath: string): MemoryLock {
  const lock = { lockedBytes: 0, lockedMappings: 0, refusedMappings: 0, refusal: null as string | null };
  for (const line of fs.readFileSync(mapsPath, "latin1").split("\n")) {
    const mapping = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+) +(\/.*)$/.exec(line);
    if (!mapping || mapping[4] === "0" || mapping[3]?.startsWith("-")) continue;
    const begin = BigInt(`0x${mapping[1]}`);
    const lengthBytes = Number(BigInt(`0x${mapping[2]}`) - begin);
    const result = libc.mlock2([begin, lengthBytes, MLOCK_ONFAULT]);
    if (result.value === 0) {
      lock.lockedMappings++;
      lock.lockedBytes += lengthBytes;
    } else {
      lock.refusedMappings++;
      lock.refusal ??= systemError("mlock2", result).code;
    }
  }
  return lock;
}
