import { nextLine, startsWith, unsignedAt } from "./bytes.ts";
import { afterWord, deviceAt, wordAt } from "./diskstats.ts";

const NEWLINE = 10;
const READ = new TextEncoder().encode("Read ");
const WRITE = new TextEncoder().encode("Write ");
/** In the order of {@link IoCounters}. */
const KEYS = ["rbytes=", "wbytes=", "rios=", "wios="].map((key) => new TextEncoder().encode(key));

/** What a cgroup has done on one device since it began. */
export interface IoCounters {
  /** major * 2^20 + minor. */
  readonly device: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly reads: number;
  readonly writes: number;
}

/**
 * io.stat of cgroup v2, descendants included: a line a device, `8:0 rbytes=1 wbytes=2 rios=3 wios=4 …`. A line that
 * lacks one of the four (a device without I/O, or a line that was cut off) is left out.
 * Source: Documentation/admin-guide/cgroup-v2.rst.
 */
export function parseIoStat(bytes: Uint8Array, length: number): IoCounters[] {
  const found: IoCounters[] = [];
  const values = [0, 0, 0, 0];
  for (let line = 0; line < length; line = nextLine(bytes, line, length)) {
    const device = deviceAt(bytes, line, length);
    values.fill(Number.NaN);
    for (let at = afterWord(bytes, line, length); at < length && bytes[at] !== NEWLINE; ) {
      const word = wordAt(bytes, at, length);
      for (let i = 0; i < KEYS.length; i++) {
        const key = KEYS[i] as Uint8Array;
        if (startsWith(bytes, word, length, key)) values[i] = digitsAt(bytes, word + key.length, length);
      }
      at = afterWord(bytes, word, length);
    }
    const [readBytes, writtenBytes, reads, writes] = values as [number, number, number, number];
    if (values.some(Number.isNaN) || Number.isNaN(device)) continue;
    found.push({ device, readBytes, writtenBytes, reads, writes });
  }
  return found;
}

/** Of one device in a file of the v1 blkio controller. */
export interface BlkioPair {
  readonly device: number;
  readonly read: number;
  readonly write: number;
}

/**
 * blkio.throttle.io_service_bytes or io_serviced of cgroup v1, the cgroup's own tasks only: `8:0 Read 1`, `8:0 Write 2`
 * and more lines a device. One of which either is missing is left out.
 * Source: Documentation/admin-guide/cgroup-v1/blkio-controller.rst.
 */
export function parseBlkio(bytes: Uint8Array, length: number): BlkioPair[] {
  const reads = new Map<number, number>();
  const writes = new Map<number, number>();
  for (let line = 0; line < length; line = nextLine(bytes, line, length)) {
    const device = deviceAt(bytes, line, length);
    if (Number.isNaN(device)) continue;
    const word = wordAt(bytes, afterWord(bytes, line, length), length);
    if (startsWith(bytes, word, length, READ)) {
      reads.set(device, digitsAt(bytes, word + READ.length, length));
    } else if (startsWith(bytes, word, length, WRITE)) {
      writes.set(device, digitsAt(bytes, word + WRITE.length, length));
    }
  }
  const pairs: BlkioPair[] = [];
  for (const [device, read] of reads) {
    const write = writes.get(device) ?? Number.NaN;
    if (!Number.isNaN(read + write)) pairs.push({ device, read, write });
  }
  return pairs;
}

/** What two blkio files say together, one of bytes and one of operations. */
export function joinBlkio(bytes: readonly BlkioPair[], operations: readonly BlkioPair[]): IoCounters[] {
  const counts = new Map(operations.map((pair) => [pair.device, pair]));
  return bytes.flatMap(({ device, read, write }) => {
    const count = counts.get(device);
    if (count === undefined) return [];
    return [{ device, readBytes: read, writtenBytes: write, reads: count.read, writes: count.write }];
  });
}

/** A number right here: no blank before it. */
function digitsAt(bytes: Uint8Array, from: number, length: number): number {
  const digit = bytes[from] as number;
  return from < length && digit >= 48 && digit <= 57 ? unsignedAt(bytes, from, length) : Number.NaN;
}
