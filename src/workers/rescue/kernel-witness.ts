import fs from "node:fs";
import { type OomKill, parseOomKill } from "../../core/parse/oom-kill-line.ts";

/** One read gives one record, of at most this size (Documentation/ABI/testing/dev-kmsg). */
const RECORD_BYTES = 8192;
/** So many records are looked at in one turn: the rescues come first. */
const RECORDS_A_TURN = 64;

/** The kernel log as a witness: it tells of those whom the kernel ended for a cgroup's limit. Never the only one. */
export class KernelWitness {
  readonly descriptor: number;
  readonly #record = Buffer.alloc(RECORD_BYTES);

  private constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  /** From its present end on. @returns null where it cannot be read; the other notices stand without it */
  static open(path: string): KernelWitness | null {
    try {
      const descriptor = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
      const witness = new KernelWitness(descriptor);
      // There is no seeking to the end from here, and it holds a megabyte at most.
      while (witness.#next() !== null);
      return witness;
    } catch {
      return null;
    }
  }

  /** What has been said since the last call. */
  oomKills(): OomKill[] {
    const kills: OomKill[] = [];
    for (let i = 0; i < RECORDS_A_TURN; i++) {
      const record = this.#next();
      if (record === null) break;
      const kill = parseOomKill(record);
      if (kill !== null) kills.push(kill);
    }
    return kills;
  }

  /** @returns null when there is nothing new; empty for records that were overwritten before they were read */
  #next(): string | null {
    try {
      const length = fs.readSync(this.descriptor, this.#record, 0, RECORD_BYTES, null);
      return this.#record.toString("utf8", 0, length);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "EPIPE" ? "" : null;
    }
  }

  close(): void {
    fs.closeSync(this.descriptor);
  }
}
