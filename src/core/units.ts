/**
 * Sizes, shares and durations as people write them, and back. A wrong text is a value, never thrown.
 *
 * Sizes: `KiB MiB GiB TiB` are powers of 1024, `kB MB GB TB` powers of 1000 (IEC 80000-13), no unit is bytes.
 * `500M` and `500K` are refused: programs disagree on what they mean. Note that the `kB` of /proc/meminfo means
 * 1024 bytes (proc_meminfo(5)); write KiB for it.
 */

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly expected: string; readonly found: string };

const SIZE_FACTORS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["B", 1],
  ["kB", 1e3],
  ["KB", 1e3],
  ["MB", 1e6],
  ["GB", 1e9],
  ["TB", 1e12],
  ["KiB", 2 ** 10],
  ["MiB", 2 ** 20],
  ["GiB", 2 ** 30],
  ["TiB", 2 ** 40],
]);
const BINARY_UNITS = ["TiB", "GiB", "MiB", "KiB"] as const;
const DURATION_FACTORS_MS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1e3],
  ["m", 6e4],
  ["h", 3.6e6],
]);

export const SIZE_EXPECTED = 'a size such as "500MiB", "1.5GiB", "2GB" or a whole number of bytes';
export const SHARE_EXPECTED = 'a share from "0%" to "100%", such as "7.5%"';
export const DURATION_EXPECTED = 'a duration such as "100ms", "1.5s", "2m", "1h" or "1m30s"';

const FOUND_LENGTH_MAX = 60;

/** A value of any kind in words, for "found …" in a message; long texts are cut. */
export function describeValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string") {
    const cut = value.length > FOUND_LENGTH_MAX ? `${value.slice(0, FOUND_LENGTH_MAX)}…` : value;
    return value === "" ? "an empty string" : JSON.stringify(cut);
  }
  if (typeof value === "number" || typeof value === "bigint") return `the number ${value}`;
  if (value instanceof Date) return "a date";
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : "an array";
  if (typeof value === "boolean" || value === null) return String(value);
  return typeof value === "object" ? "a table" : `a ${typeof value}`;
}

function wrong(expected: string, value: unknown): Parsed<never> {
  return { ok: false, expected, found: describeValue(value) };
}

/** A size in bytes: a text with a unit, or a whole number. Fractions of a byte are rounded. At most 2^53 - 1. */
export function parseSize(value: unknown): Parsed<number> {
  if (typeof value === "number") {
    return Number.isSafeInteger(value) && value >= 0 ? { ok: true, value } : wrong(SIZE_EXPECTED, value);
  }
  const match = typeof value === "string" ? /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/.exec(value.trim()) : null;
  if (match === null) return wrong(SIZE_EXPECTED, value);
  const [, digits = "", unit = ""] = match;
  const factor = SIZE_FACTORS.get(unit);
  if (factor === undefined) {
    const one = /^([KMGT])$/i.exec(unit)?.[1]?.toUpperCase();
    const expected =
      one === undefined
        ? `${SIZE_EXPECTED} (units: B, KiB, MiB, GiB, TiB, kB, MB, GB, TB)`
        : `an unambiguous unit, "${digits}${one}iB" (1024) or "${digits}${one === "K" ? "k" : one}B" (1000)`;
    return wrong(expected, value);
  }
  const bytes = Math.round(Number(digits) * factor);
  return Number.isSafeInteger(bytes) ? { ok: true, value: bytes } : wrong("a size below 8192TiB", value);
}

/** A share as 0 to 1, from a text in percent. A bare number is refused: 10 and 0.1 could both mean "10%". */
export function parseShare(value: unknown): Parsed<number> {
  const match = typeof value === "string" ? /^(\d+(?:\.\d+)?) ?%$/.exec(value.trim()) : null;
  const share = Number(match?.[1] ?? Number.NaN) / 100;
  return share >= 0 && share <= 1 ? { ok: true, value: share } : wrong(SHARE_EXPECTED, value);
}

/** A duration in milliseconds, from a text with units. A bare number is refused: it does not say its unit. */
export function parseDuration(value: unknown): Parsed<number> {
  const text = typeof value === "string" ? value.trim() : "";
  if (!/^(?:\d+(?:\.\d+)? ?(?:ms|s|m|h) ?)+$/.test(text)) return wrong(DURATION_EXPECTED, value);
  let totalMs = 0;
  let previousFactor = Number.POSITIVE_INFINITY;
  for (const [, digits = "", unit = ""] of text.matchAll(/(\d+(?:\.\d+)?) ?(ms|s|m|h)/g)) {
    const factor = DURATION_FACTORS_MS.get(unit) ?? Number.NaN;
    // "1s1m" and "1s1s" are slips of the pen, not durations.
    if (!(factor < previousFactor)) return wrong(`${DURATION_EXPECTED}, longest unit first`, value);
    previousFactor = factor;
    totalMs += Number(digits) * factor;
  }
  // To the microsecond: 1.1 × 1000 is not 1100 in binary fractions.
  const roundedMs = Math.round(totalMs * 1e3) / 1e3;
  return Number.isFinite(roundedMs) ? { ok: true, value: roundedMs } : wrong(DURATION_EXPECTED, value);
}

/** Bytes for people: three digits and a binary unit, such as "1.46 GiB"; negative for a loss. */
export function formatBytes(bytes: number): string {
  const size = Math.abs(bytes);
  const sign = bytes < 0 ? "-" : "";
  if (!Number.isFinite(size)) return String(bytes);
  for (const unit of BINARY_UNITS) {
    const factor = SIZE_FACTORS.get(unit) ?? 1;
    // From 0.9995 of a unit on, three digits would show 1024 of the smaller one.
    if (size < factor * 0.9995) continue;
    const amount = size / factor;
    return `${sign}${amount.toFixed(amount >= 99.95 ? 0 : amount >= 9.995 ? 1 : 2)} ${unit}`;
  }
  return `${sign}${Math.round(size)} B`;
}

/** Bytes exactly, as a policy would write them: parseSize gives the same number back. Whole, not negative. */
export function formatSize(bytes: number): string {
  for (const unit of BINARY_UNITS) {
    const amount = bytes / (SIZE_FACTORS.get(unit) ?? 1);
    const text = String(Math.round(amount * 1e3) / 1e3);
    if (amount >= 1 && Number(text) === amount) return `${text}${unit}`;
  }
  return `${bytes}B`;
}

/** A share (0 to 1) in percent, exact to ten digits: "7.5%". */
export function formatShare(share: number): string {
  return `${Number((share * 100).toPrecision(10))}%`;
}

/** Milliseconds for people, exact to the millisecond (below 1 s to the microsecond): "0.35ms", "1.5s", "2m5s". */
export function formatDuration(durationMs: number): string {
  if (!Number.isFinite(durationMs)) return String(durationMs);
  if (durationMs < 0) return `-${formatDuration(-durationMs)}`;
  if (durationMs < 999.9995) {
    const shownMs = Math.round(durationMs * 1e3) / 1e3;
    return shownMs === 0 ? "0s" : `${shownMs}ms`;
  }
  const wholeMs = Math.round(durationMs);
  const hours = Math.floor(wholeMs / 3.6e6);
  const minutes = Math.floor((wholeMs % 3.6e6) / 6e4);
  const secondsMs = wholeMs % 6e4;
  const seconds = secondsMs > 0 ? `${secondsMs / 1e3}s` : "";
  return `${hours > 0 ? `${hours}h` : ""}${minutes > 0 ? `${minutes}m` : ""}${seconds}`;
}
