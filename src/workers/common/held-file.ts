import fs from "node:fs";

/** A kernel file that is opened once and read again and again: one positional read into a buffer that is kept. */
export class HeldFile {
  readonly path: string;
  readonly #descriptor: number;
  #bytes: Buffer;

  private constructor(path: string, descriptor: number, sizeHintBytes: number) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#bytes = Buffer.allocUnsafeSlow(sizeHintBytes);
  }

  /** @throws as fs.openSync does */
  static open(path: string, sizeHintBytes = 4096): HeldFile {
    return new HeldFile(path, fs.openSync(path, fs.constants.O_RDONLY), sizeHintBytes);
  }

  /** As {@link open}; null when the file is not there or may not be read. */
  static tryOpen(path: string, sizeHintBytes = 4096): HeldFile | null {
    try {
      return HeldFile.open(path, sizeHintBytes);
    } catch {
      return null;
    }
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /**
   * Reads the file from its beginning into {@link bytes}.
   * @returns its length; -1 when it cannot be read any more (its process or cgroup is gone)
   */
  read(): number {
    try {
      for (;;) {
        const length = fs.readSync(this.#descriptor, this.#bytes, 0, this.#bytes.length, 0);
        if (length < this.#bytes.length) return length;
        this.#bytes = Buffer.allocUnsafeSlow(this.#bytes.length * 2);
      }
    } catch {
      return -1;
    }
  }

  close(): void {
    fs.closeSync(this.#descriptor);
  }
}
