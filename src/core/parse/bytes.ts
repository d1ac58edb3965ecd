/**
 * Numbers out of bytes, without strings: what all the parsers of kernel files share.
 * Absent is NaN: a number that is missing, cut off, or above 2^53 (where a double loses the last digits).
 */

const NEWLINE = 10;
const SPACE = 32;
const TAB = 9;
const MINUS = 45;
const ZERO = 48;
const NINE = 57;

/**
 * The unsigned decimal number at `from`, after any blanks. It must be ended by a blank or a newline before `length`: a
 * number that runs into the end may have been cut off.
 * @returns NaN when there is none
 */
export function unsignedAt(bytes: Uint8Array, from: number, length: number): number {
  let at = from;
  let byte = 0;
  while (at < length && ((byte = bytes[at] as number) === SPACE || byte === TAB)) at++;
  const first = at;
  let value = 0;
  while (at < length && (byte = bytes[at] as number) >= ZERO && byte <= NINE) {
    value = value * 10 + (byte - ZERO);
    at++;
  }
  if (at === first || at >= length) return Number.NaN;
  if (byte !== NEWLINE && byte !== SPACE && byte !== TAB) return Number.NaN;
  return value > Number.MAX_SAFE_INTEGER ? Number.NaN : value;
}

/** As {@link unsignedAt}, with a minus sign allowed, right before the digits. */
export function signedAt(bytes: Uint8Array, from: number, length: number): number {
  if (bytes[from] !== MINUS) return unsignedAt(bytes, from, length);
  const digit = bytes[from + 1] as number;
  return digit >= ZERO && digit <= NINE ? -unsignedAt(bytes, from + 1, length) : Number.NaN;
}

/** Where the line after the one that holds `from` begins; `length` when there is none. */
export function nextLine(bytes: Uint8Array, from: number, length: number): number {
  let at = from;
  while (at < length && bytes[at] !== NEWLINE) at++;
  return at < length ? at + 1 : length;
}

/** Whether `key` stands at `from`. */
export function startsWith(bytes: Uint8Array, from: number, length: number, key: Uint8Array): boolean {
  if (from < 0 || from + key.length > length) return false;
  for (let i = 0; i < key.length; i++) if (bytes[from + i] !== key[i]) return false;
  return true;
}
