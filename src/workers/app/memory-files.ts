import fs from "node:fs";
import path from "node:path";
import { App } from "../../core/app/columns.ts";
import { parseStatm, STATM_FIELDS, Statm } from "../../core/app/statm.ts";
import { KeyedLines } from "../../core/parse/keyed-lines.ts";
import { HeldFile } from "../common/held-file.ts";

const KIB = 1024;
const NOT_OPEN = -1;
/** Seven numbers of at most 20 digits. */
const STATM_BYTES = 256;

/** Lines of /proc/meminfo in the order of the columns from App.committedBytes on; in kB, which are KiB (proc_meminfo(5)). */
const MEMINFO_KEYS = ["Committed_AS:", "CommitLimit:", "MemTotal:", "MemAvailable:", "MemFree:"];

/** The host's memory as all rows of a look have it. */
export class HostFigures {
  readonly #meminfo: HeldFile;
  readonly #lines = new KeyedLines(MEMINFO_KEYS.map((key) => ({ key, scale: KIB })));

  /** @throws as fs.openSync does */
  constructor(procRoot: string) {
    this.#meminfo = HeldFile.open(path.join(procRoot, "meminfo"), 4096);
  }

  /** Writes them into their columns of `row`; NaN what is absent. */
  read(row: Float64Array): void {
    const length = this.#meminfo.read();
    this.#lines.parse(this.#meminfo.bytes, Math.max(0, length), row, App.committedBytes);
  }

  close(): void {
    this.#meminfo.close();
  }
}

// One thread reads, one file at a time.
const bytes = Buffer.allocUnsafeSlow(STATM_BYTES);
const statm = new Float64Array(STATM_FIELDS);

/** /proc/PID/statm of one process, held open: once the process is gone it answers ESRCH, whoever has the number then. */
export class ProcessMemory {
  readonly #path: string;
  readonly #pageBytes: number;
  #descriptor = NOT_OPEN;

  constructor(procRoot: string, pid: number, pageBytes: number) {
    this.#path = `${procRoot}/${pid}/statm`;
    this.#pageBytes = pageBytes;
    this.#open();
  }

  /**
   * Writes App.residentBytes and App.allocatedBytes into `row`; NaN when they cannot be read.
   * @returns false when the process has ended
   */
  read(row: Float64Array): boolean {
    row[App.residentBytes] = Number.NaN;
    row[App.allocatedBytes] = Number.NaN;
    let length: number;
    try {
      if (this.#descriptor === NOT_OPEN) this.#open();
      if (this.#descriptor === NOT_OPEN) return true;
      length = fs.readSync(this.#descriptor, bytes, 0, STATM_BYTES, 0);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== "ESRCH";
    }
    if (!parseStatm(bytes, length, statm)) return true;
    // Only a zombie has nothing at all, not even its program.
    if (statm[Statm.sizePages] === 0) return false;
    row[App.residentBytes] = (statm[Statm.residentPages] as number) * this.#pageBytes;
    row[App.allocatedBytes] = (statm[Statm.dataPages] as number) * this.#pageBytes;
    return true;
  }

  /** Why it cannot be read; null: it can. */
  get refusal(): string | null {
    if (this.#descriptor !== NOT_OPEN) return null;
    try {
      fs.closeSync(fs.openSync(this.#path, fs.constants.O_RDONLY));
      return null;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return code === "ENOENT" || code === "ESRCH" ? null : message;
    }
  }

  close(): void {
    if (this.#descriptor !== NOT_OPEN) fs.closeSync(this.#descriptor);
    this.#descriptor = NOT_OPEN;
  }

  #open(): void {
    try {
      this.#descriptor = fs.openSync(this.#path, fs.constants.O_RDONLY);
    } catch {
      // Gone, which the next look tells; or no descriptor is left, so it is tried again.
      this.#descriptor = NOT_OPEN;
    }
  }
}
