import fs from "node:fs";
import path from "node:path";
import { HeldFile } from "../common/held-file.ts";

const ZERO = 48;
const NINE = 57;

/**
 * The number that the kernel gave out last, to a process or a thread: the last field of /proc/loadavg (proc_loadavg(5)).
 * As long as it stays, nothing new has begun, and there is no need to list all processes.
 */
export class LastPid {
  readonly #file: HeldFile;

  private constructor(file: HeldFile) {
    this.#file = file;
  }

  /** Null where it says nothing: it is that of our own pid namespace, which need not be the one of this /proc. */
  static tryOpen(procRoot: string): LastPid | null {
    try {
      if (fs.readlinkSync(path.join(procRoot, "self")) !== String(process.pid)) return null;
    } catch {
      return null;
    }
    const file = HeldFile.tryOpen(path.join(procRoot, "loadavg"), 256);
    return file === null ? null : new LastPid(file);
  }

  /** NaN, which is no number that was ever seen, when it cannot be read. */
  read(): number {
    const length = this.#file.read();
    const { bytes } = this.#file;
    let value = 0;
    let at = length - 2;
    for (let scale = 1; at >= 0; at--, scale *= 10) {
      const byte = bytes[at] as number;
      if (byte < ZERO || byte > NINE) break;
      value += (byte - ZERO) * scale;
    }
    return value > 0 ? value : Number.NaN;
  }

  close(): void {
    this.#file.close();
  }
}
