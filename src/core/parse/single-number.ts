import { signedAt, startsWith } from "./bytes.ts";

const MAX = new TextEncoder().encode("max");

/**
 * A file that holds one number: memory.current, memory.usage_in_bytes, oom_score_adj.
 * @returns NaN when absent or not a number
 */
export function parseSingleNumber(bytes: Uint8Array, length: number): number {
  return signedAt(bytes, 0, length);
}

/**
 * A limit file: memory.max, memory.limit_in_bytes. No limit is Infinity: `max` on v2, on v1 2^63 rounded down to
 * pages (Documentation/admin-guide/cgroup-v1/memory.rst). So is everything past 2^53: no machine has 8 PiB to limit, and
 * a double would not hold the number exactly.
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
  return value > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : value;
}
