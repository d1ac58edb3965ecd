import { startsWith, unsignedAt } from "./bytes.ts";

const MAX = new TextEncoder().encode("max");

/** cgroup v1 says "no limit" as the largest page-aligned signed 64-bit number; anything from 2^60 on means the same. */
const V1_UNLIMITED_BYTES = 2 ** 60;

/**
 * A file that holds one number: memory.current, memory.usage_in_bytes, oom_score_adj.
 * @returns NaN when absent or not a number
 */
export function parseSingleNumber(bytes: Uint8Array, length: number): number {
  if (bytes[0] === 45) return -unsignedAt(bytes, 1, length);
  return unsignedAt(bytes, 0, length);
}

/**
 * A limit file: memory.max, memory.limit_in_bytes. No limit is Infinity: `max` on v2, on v1 2^63 rounded down to
 * pages (Documentation/admin-guide/cgroup-v1/memory.rst), which is past 2^53 and so past exact numbers anyway.
 */
export function parseLimit(bytes: Uint8Array, length: number): number {
  if (startsWith(bytes, 0, length, MAX)) return Number.POSITIVE_INFINITY;
  let value = 0;
  let at = 0;
  for (; at < length; at++) {
    const digit = (bytes[at] as number) - 48;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  if (at === 0 || at >= length || bytes[at] !== 10) return Number.NaN;
  return value >= V1_UNLIMITED_BYTES ? Number.POSITIVE_INFINITY : value;
}
