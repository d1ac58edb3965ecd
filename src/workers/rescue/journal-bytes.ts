const ZERO = 48;
const MAX = Buffer.from("max");
/** Below this, whole numbers are divided as integers by the processor. */
const HALF = 1e9;

/** Writes a whole number from 0 to 2^53 in decimal digits, making nothing. @returns where it ended */
export function writeDigits(bytes: Buffer, at: number, value: number): number {
  const high = Math.floor(value / HALF);
  const low = (value - high * HALF) | 0;
  const middle = high === 0 ? at : writeSmall(bytes, at, high | 0, 1);
  return writeSmall(bytes, middle, low, high === 0 ? 1 : 9);
}

/** Writes an amount as the journal has it (formatAmount of core/rescue/journal.ts), making nothing. @returns its end */
export function writeAmount(bytes: Buffer, at: number, value: number): number {
  if (value <= Number.MAX_SAFE_INTEGER) return writeDigits(bytes, at, value);
  bytes.set(MAX, at);
  return at + MAX.length;
}

/** An int32 in at least so many digits. */
function writeSmall(bytes: Buffer, at: number, value: number, digits: number): number {
  let length = digits;
  for (let bound = 10 ** digits; value >= bound; bound *= 10) length++;
  let rest = value;
  for (let i = at + length - 1; i >= at; i--) {
    const tens = (rest / 10) | 0;
    bytes[i] = ZERO + (rest - tens * 10);
    rest = tens;
  }
  return at + length;
}
