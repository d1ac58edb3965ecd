import fs from "node:fs";
import path from "node:path";

/** More than one read(2) is made of, in bytes: the kernel gives whole lines, and at most a page of them at a time. */
const PAGE_NEARLY_FULL = 4096 - 512;

/** /proc/diskstats, held open, read whole into a buffer that is kept. */
export class DiskstatsFile {
  readonly #descriptor: number;
  #bytes = Buffer.allocUnsafeSlow(16 * 1024);

  /** @throws as fs.openSync does */
  constructor(procRoot: string) {
    this.#descriptor = fs.openSync(path.join(procRoot, "diskstats"), fs.constants.O_RDONLY);
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** @returns its length; -1 when it cannot be read */
  read(): number {
    let length = 0;
    try {
      for (;;) {
        const room = this.#bytes.length - length;
        const got = fs.readSync(this.#descriptor, this.#bytes, length, room, length);
        length += got;
        if (got === 0 || (got < PAGE_NEARLY_FULL && got < room)) return length;
        if (length === this.#bytes.length) this.#grow();
      }
    } catch {
      return -1;
    }
  }

  close(): void {
    fs.closeSync(this.#descriptor);
  }

  #grow(): void {
    const larger = Buffer.allocUnsafeSlow(this.#bytes.length * 2);
    this.#bytes.copy(larger);
    this.#bytes = larger;
  }
}
