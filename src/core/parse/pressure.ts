import { nextLine, startsWith, unsignedAt } from "./bytes.ts";

const SOME = new TextEncoder().encode("some ");
const FULL = new TextEncoder().encode("full ");
const TOTAL = new TextEncoder().encode("total=");

/**
 * Stall times since boot out of a pressure file (/proc/pressure/memory, a cgroup's memory.pressure):
 * `out[outAt]` is `some`, `out[outAt + 1]` is `full`, in microseconds; NaN where absent.
 * The averages are left alone: the shortest is ten seconds late, a difference of two totals is not.
 * Source: Documentation/accounting/psi.rst.
 */
export function parsePressure(bytes: Uint8Array, length: number, out: Float64Array, outAt: number): void {
  out[outAt] = Number.NaN;
  out[outAt + 1] = Number.NaN;
  for (let line = 0; line < length; line = nextLine(bytes, line, length)) {
    const slot = startsWith(bytes, line, length, SOME) ? 0 : startsWith(bytes, line, length, FULL) ? 1 : -1;
    if (slot >= 0) out[outAt + slot] = totalOnLine(bytes, line, length);
  }
}

function totalOnLine(bytes: Uint8Array, line: number, length: number): number {
  for (let at = line; at < length && bytes[at] !== 10; at++) {
    if (startsWith(bytes, at, length, TOTAL)) return unsignedAt(bytes, at + TOTAL.length, length);
  }
  return Number.NaN;
}
