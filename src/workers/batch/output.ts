import fs from "node:fs";

/** Where exported bytes go. */
export interface Output {
  readonly bytes: number;
  /** @throws as fs.writeSync does */
  write(bytes: Uint8Array): void;
  /** All was written. @throws as node:fs does */
  finish(): void;
  /** It was not: nothing half-done stays. */
  abandon(): void;
}

const STDOUT = 1;
const RETRY_MS = 5;

/**
 * A file that is there only once it is whole: it is written under another name beside it.
 * @throws as fs.openSync does
 */
export function openOutput(file: string): Output {
  const beside = `${file}.part`;
  const descriptor = fs.openSync(beside, "w", 0o644);
  let bytes = 0;
  let open = true;
  return {
    get bytes() {
      return bytes;
    },
    write(chunk) {
      bytes += writeWhole(descriptor, chunk);
    },
    finish() {
      open = false;
      fs.closeSync(descriptor);
      fs.renameSync(beside, file);
    },
    abandon() {
      if (open) fs.closeSync(descriptor);
      fs.rmSync(beside, { force: true });
    },
  };
}

/** Standard output, for one thread alone. */
export function standardOutput(): Output {
  let bytes = 0;
  return {
    get bytes() {
      return bytes;
    },
    write(chunk) {
      bytes += writeWhole(STDOUT, chunk);
    },
    finish() {},
    abandon() {},
  };
}

function writeWhole(descriptor: number, bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += fs.writeSync(descriptor, bytes, at, bytes.length - at);
    } catch (error) {
      // A pipe whose reader is slow, and that somebody made non-blocking.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
  return bytes.length;
}
