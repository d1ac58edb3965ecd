import { nextLine, startsWith, unsignedAt } from "./bytes.ts";

const SOME = new TextEncoder().encode("some ");
const FULL = new TextEncoder().encode("full ");
const TOTAL = new TextEncoder().encode("total=");
const T = TOTAL[0];
const NEWLINE = 10;

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
  for (let at = line; at < length && bytes[at] !== NEWLINE; at++) {
    // Told apart by their first letters, nearly all places cost no more than that.
    if (bytes[at] === T && startsWith(bytes, at, length, TOTAL))
      return unsignedAt(bytes, at + TOTAL.length, length);
  }
  return Number.NaN;
}

/**
 * The `some` stall time alone, for who reads it again and again: it remembers where the number stood, which moves only
 * when an average gets one more digit.
 */
export class SomeStall {
  #at = 0;

  /** @returns microseconds since boot, NaN where absent */
  parse(bytes: Uint8Array, length: number): number {
    if (!startsWith(bytes, 0, length, SOME)) return Number.NaN;
    if (this.#at === 0 || !startsWith(bytes, this.#at, length, TOTAL)) {
      this.#at = SOME.length;
      while (this.#at < length && !startsWith(bytes, this.#at, length, TOTAL)) {
        if (bytes[this.#at++] !== NEWLINE) continue;
        this.#at = 0;
        return Number.NaN;
      }
    }
    return unsignedAt(bytes, this.#at + TOTAL.length, length);
  }
}
