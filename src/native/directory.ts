import fs from "node:fs";
import { GETDENTS64, libc } from "./libc.ts";
import { orThrow } from "./system-error.ts";

const HEADER_BYTES = 19;
const LENGTH_AT = 16;
const ZERO = 48;

/**
 * The entries of a held-open directory whose names are numbers (of /proc: the processes), without making strings.
 * getdents64(2); the layout is that of struct linux_dirent64.
 */
export class NumberedDirectory {
  readonly #descriptor: number;
  readonly #buffer = Buffer.alloc(64 * 1024);
  readonly #rewind: unknown[];
  readonly #read: unknown[];

  /** @throws as fs.openSync does */
  constructor(path: string) {
    this.#descriptor = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    this.#rewind = [this.#descriptor, 0, 0];
    this.#read = [GETDENTS64, this.#descriptor, this.#buffer, this.#buffer.length];
  }

  /**
   * Writes the numbers into `out`, ascending in /proc.
   * @returns how many there are; those beyond `out` are counted but not written
   */
  list(out: Int32Array): number {
    if (libc.lseekPlain(this.#rewind) < 0) orThrow("lseek", libc.lseek(this.#rewind));
    let count = 0;
    for (;;) {
      let length = libc.syscallBufferPlain(this.#read);
      if (length < 0) length = orThrow("getdents64", libc.syscallBuffer(this.#read));
      if (length <= 0) return count;
      for (let at = 0; at < length; ) {
        const number = this.#numberAt(at + HEADER_BYTES);
        if (number >= 0) {
          if (count < out.length) out[count] = number;
          count++;
        }
        at += (this.#buffer[at + LENGTH_AT] as number) | ((this.#buffer[at + LENGTH_AT + 1] as number) << 8);
      }
    }
  }

  close(): void {
    fs.closeSync(this.#descriptor);
  }

  #numberAt(from: number): number {
    let value = 0;
    for (let at = from; ; at++) {
      const byte = this.#buffer[at] as number;
      if (byte === 0) return at === from ? -1 : value;
      const digit = byte - ZERO;
      if (digit < 0 || digit > 9) return -1;
      value = value * 10 + digit;
    }
  }
}
