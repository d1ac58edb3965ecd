import path from "node:path";
import { KeyedLines } from "../../../core/parse/keyed-lines.ts";
import { parsePressure } from "../../../core/parse/pressure.ts";
import { Mem } from "../../../core/samples.ts";
import { HeldFile } from "../../common/held-file.ts";
import type { MemoryReader } from "./memory-reader.ts";

const KIB = 1024;

/** Lines of /proc/meminfo in the order of the columns from Mem.totalBytes on; in kB, which are KiB (proc(5)). */
const MEMINFO_KEYS = [
  "MemTotal:",
  "MemFree:",
  "MemAvailable:",
  "Cached:",
  "AnonPages:",
  "Shmem:",
  "SReclaimable:",
  "SUnreclaim:",
  "KernelStack:",
  "PageTables:",
  "Percpu:",
  "Hugetlb:",
  "SwapTotal:",
  "SwapFree:",
  "Committed_AS:",
  "CommitLimit:",
];
/** Lines of /proc/vmstat in the order of the columns from Mem.swappedInPages on. */
const VMSTAT_KEYS = [
  "pswpin ",
  "pswpout ",
  "pgmajfault ",
  "workingset_refault_anon ",
  "workingset_refault_file ",
  "oom_kill ",
];

/** Memory of the whole host: /proc/meminfo, /proc/vmstat and /proc/pressure/memory, held open. */
export class HostMemoryReader implements MemoryReader {
  readonly #meminfo: HeldFile;
  readonly #vmstat: HeldFile;
  readonly #pressure: HeldFile | null;
  readonly #meminfoLines = new KeyedLines(MEMINFO_KEYS.map((key) => ({ key, scale: KIB })));
  readonly #vmstatLines = new KeyedLines(VMSTAT_KEYS.map((key) => ({ key, scale: 1 })));

  /** @throws as fs.openSync does when meminfo or vmstat is not there; a kernel without PSI is taken as it is */
  constructor(procRoot: string) {
    this.#meminfo = HeldFile.open(path.join(procRoot, "meminfo"), 4096);
    this.#vmstat = HeldFile.open(path.join(procRoot, "vmstat"), 8192);
    this.#pressure = HeldFile.tryOpen(path.join(procRoot, "pressure/memory"), 512);
  }

  read(frame: Float64Array, withCounters = true): void {
    const meminfoLength = this.#meminfo.read();
    this.#meminfoLines.parse(this.#meminfo.bytes, meminfoLength, frame, Mem.totalBytes);
    if (withCounters) this.#readCounters(frame);
    else frame.fill(Number.NaN, Mem.swappedInPages, Mem.oomKills + 1);
    if (this.#pressure === null) {
      frame[Mem.someStallUs] = Number.NaN;
      frame[Mem.fullStallUs] = Number.NaN;
    } else {
      const length = this.#pressure.read();
      parsePressure(this.#pressure.bytes, length, frame, Mem.someStallUs);
    }
    // The pool of huge pages is out of reach for everybody else: percentages are of what can be handed out at all.
    const pool = frame[Mem.hugePagesBytes] as number;
    if (pool > 0) frame[Mem.totalBytes] = (frame[Mem.totalBytes] as number) - pool;
  }

  #readCounters(frame: Float64Array): void {
    const length = this.#vmstat.read();
    this.#vmstatLines.parse(this.#vmstat.bytes, length, frame, Mem.swappedInPages);
  }

  close(): void {
    this.#meminfo.close();
    this.#vmstat.close();
    this.#pressure?.close();
  }
}
