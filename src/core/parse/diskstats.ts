import { unsignedAt } from "./bytes.ts";

const NEWLINE = 10;
const SPACE = 32;
const COLON = 58;
const ZERO = 48;
const NINE = 57;
const SECTOR_BYTES = 512;
const US_PER_MS = 1000;
/** The kernel's own split of a device number (include/linux/kdev_t.h): 20 bits are the minor's. */
const MINORS = 2 ** 20;

/** Slots of a parsed line of /proc/diskstats; counters since boot. Times wrap at {@link WRAP_US}. */
export const Disk = {
  /** major * 2^20 + minor. */
  device: 0,
  /** Where the name begins and ends in the bytes. */
  nameFrom: 1,
  nameTo: 2,
  reads: 3,
  readBytes: 4,
  readUs: 5,
  writes: 6,
  writtenBytes: 7,
  writeUs: 8,
  inFlight: 9,
  busyUs: 10,
  weightedUs: 11,
} as const;
export const DISK_FIELDS = 12;

/** The kernel keeps times as unsigned int of milliseconds: they begin at 0 again after 49.7 days of them. */
export const WRAP_US = 2 ** 32 * US_PER_MS;

/** Slot and unit of each number after the name, in the file's order; null: merged requests, which nobody asks for. */
const NUMBERS: readonly (readonly [slot: number, scale: number] | null)[] = [
  [Disk.reads, 1],
  null,
  [Disk.readBytes, SECTOR_BYTES],
  [Disk.readUs, US_PER_MS],
  [Disk.writes, 1],
  null,
  [Disk.writtenBytes, SECTOR_BYTES],
  [Disk.writeUs, US_PER_MS],
  [Disk.inFlight, 1],
  [Disk.busyUs, US_PER_MS],
  [Disk.weightedUs, US_PER_MS],
];
const SLOTS = Int32Array.from(NUMBERS, (each) => each?.[0] ?? -1);
const SCALES = Float64Array.from(NUMBERS, (each) => each?.[1] ?? 0);

/** The number of a block device as rows and names bear it. */
export function deviceNumber(major: number, minor: number): number {
  return major * MINORS + minor;
}

/** `major:minor`, as cgroup files and sysfs name a device. */
export function majorMinor(device: number): string {
  return `${Math.floor(device / MINORS)}:${device % MINORS}`;
}

/**
 * Whose line begins at `from`: fills device, nameFrom and nameTo of {@link Disk}; the device is NaN when it is none.
 * @returns where the name ends
 */
export function parseDiskHead(bytes: Uint8Array, from: number, length: number, out: Float64Array): number {
  const major = unsignedAt(bytes, from, length);
  const minorAt = afterWord(bytes, from, length);
  const minor = unsignedAt(bytes, minorAt, length);
  const nameFrom = wordAt(bytes, afterWord(bytes, minorAt, length), length);
  const nameTo = afterWord(bytes, nameFrom, length);
  out[Disk.nameFrom] = nameFrom;
  out[Disk.nameTo] = nameTo;
  const right = major < MINORS && minor < MINORS && nameTo > nameFrom;
  out[Disk.device] = right ? deviceNumber(major, minor) : Number.NaN;
  return nameTo;
}

/**
 * The numbers of a line of /proc/diskstats, from where its name ends, into the slots of {@link Disk} from `reads` on.
 * Kernels write 11, 15 or 17 of them (14, 18 or 20 fields: discards since 4.18, flushes since 5.5); the first 11 are the
 * same in all, and the rest is passed over. Source: Documentation/admin-guide/iostats.rst.
 * @returns false when one of the 11 is missing, as in a line that was cut off
 */
export function parseDiskNumbers(
  bytes: Uint8Array,
  from: number,
  length: number,
  out: Float64Array,
): boolean {
  let at = from;
  for (let i = 0; i < SLOTS.length; i++) {
    while (at < length && bytes[at] === SPACE) at++;
    let value = 0;
    let byte = 0;
    const first = at;
    while (at < length && (byte = bytes[at] as number) >= ZERO && byte <= NINE) {
      value = value * 10 + (byte - ZERO);
      at++;
    }
    // A number that runs into the end may have been cut off.
    if (at === first || at >= length || (byte !== SPACE && byte !== NEWLINE)) return false;
    const slot = SLOTS[i] as number;
    if (slot >= 0) out[slot] = value <= Number.MAX_SAFE_INTEGER ? value * (SCALES[i] as number) : Number.NaN;
  }
  return true;
}

/** The device that `MAJOR:MINOR ` at `from` names, as lines of io.stat and of blkio files begin; NaN: none does. */
export function deviceAt(bytes: Uint8Array, from: number, length: number): number {
  let at = from;
  let major = 0;
  let byte = 0;
  while (at < length && (byte = bytes[at] as number) >= ZERO && byte <= NINE) {
    major = major * 10 + (byte - 48);
    at++;
  }
  if (at === from || at >= length || byte !== COLON) return Number.NaN;
  const first = bytes[at + 1] as number;
  if (at + 1 >= length || first < ZERO || first > NINE) return Number.NaN;
  const minor = unsignedAt(bytes, at + 1, length);
  return minor < MINORS && major < MINORS ? deviceNumber(major, minor) : Number.NaN;
}

/** Where the word at or after `from` begins on its line; where the line ends when there is none. */
export function wordAt(bytes: Uint8Array, from: number, length: number): number {
  let at = from;
  while (at < length && bytes[at] === SPACE) at++;
  return at;
}

/** Where the word at or after `from` ends. */
export function afterWord(bytes: Uint8Array, from: number, length: number): number {
  let at = wordAt(bytes, from, length);
  let byte = 0;
  while (at < length && (byte = bytes[at] as number) !== SPACE && byte !== NEWLINE) at++;
  return at;
}
