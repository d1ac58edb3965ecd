import fs from "node:fs";

/**
 * A file that only grows, by whole pieces: one that could not be written whole is taken back. One piece is one
 * writev(2), so that whoever ends the process in between leaves at most a piece that is cut off at the file's end.
 */
export class AppendedFile {
  readonly #descriptor: number;
  #sizeBytes: number;
  /** There may be half a piece after {@link sizeBytes}. */
  #torn = false;

  private constructor(descriptor: number, sizeBytes: number) {
    this.#descriptor = descriptor;
    this.#sizeBytes = sizeBytes;
  }

  /** A file that must not be there yet. @throws as fs.openSync does */
  static create(file: string): AppendedFile {
    const { O_WRONLY, O_CREAT, O_EXCL, O_APPEND } = fs.constants;
    return new AppendedFile(fs.openSync(file, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0o644), 0);
  }

  /**
   * A file that may be there, as far as it says.
   * @param keptBytes what is beyond is cut off
   * @throws as fs.openSync does
   */
  static reopen(file: string, keptBytes: number): AppendedFile {
    const { O_WRONLY, O_CREAT, O_APPEND } = fs.constants;
    const descriptor = fs.openSync(file, O_WRONLY | O_CREAT | O_APPEND, 0o644);
    const appended = new AppendedFile(descriptor, keptBytes);
    appended.#torn = fs.fstatSync(descriptor).size > keptBytes;
    return appended;
  }

  /** Of the whole pieces. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Appends one piece. @returns why it could not; the file is then as it was before */
  append(chunks: readonly Uint8Array[]): string | null {
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    try {
      this.#mend();
      this.#torn = true;
      const written = fs.writevSync(this.#descriptor, chunks);
      if (written === bytes) {
        this.#torn = false;
        this.#sizeBytes += bytes;
        return null;
      }
      this.#mend();
      return "no space is left for a whole piece";
    } catch (error) {
      this.takeBack(0);
      return (error as Error).message;
    }
  }

  /** Undoes the last piece, of so many bytes. */
  takeBack(bytes: number): void {
    this.#sizeBytes -= bytes;
    this.#torn = true;
    try {
      this.#mend();
    } catch {
      // Before the next piece it is tried again; a reader passes over what is cut off.
    }
  }

  /** Has the kernel write it to the disk (fdatasync(2)), and closes it. @returns why that failed */
  close(): string | null {
    try {
      this.#mend();
      fs.fdatasyncSync(this.#descriptor);
      return null;
    } catch (error) {
      return (error as Error).message;
    } finally {
      fs.closeSync(this.#descriptor);
    }
  }

  #mend(): void {
    if (this.#torn) fs.ftruncateSync(this.#descriptor, this.#sizeBytes);
    this.#torn = false;
  }
}
