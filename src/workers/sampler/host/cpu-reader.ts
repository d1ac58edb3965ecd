import path from "node:path";
import { ALL_CORES, CPU_COLUMNS, Cpu } from "../../../core/cpu/columns.ts";
import { CORE_TIMES, CoreTime, HostStat } from "../../../core/parse/host-stat.ts";
import { SomeStall } from "../../../core/parse/pressure.ts";
import type { RingWriter } from "../../../core/ring/writer.ts";
import { HeldFile } from "../../common/held-file.ts";

const STAT_HINT_BYTES = 32 * 1024;

/** Reads /proc/stat and /proc/pressure/cpu by descriptors that are held, and writes one row a processor and one of all. */
export class CpuReader {
  readonly #stat: HeldFile;
  /** Null where the kernel has no PSI. */
  readonly #pressure: HeldFile | null;
  readonly #parsed: HostStat;
  readonly #stall = new SomeStall();
  readonly #frame = new Float64Array(CPU_COLUMNS.length);

  /** @throws Error when there is no /proc/stat */
  constructor(procRoot: string, ticksPerSecond: number) {
    this.#stat = HeldFile.open(path.join(procRoot, "stat"), STAT_HINT_BYTES);
    this.#pressure = HeldFile.tryOpen(path.join(procRoot, "pressure/cpu"));
    this.#parsed = new HostStat(ticksPerSecond);
  }

  /** Appends one tick's rows: the processors', then the one of all, by which a reader knows that the tick is complete. */
  sample(writer: RingWriter, timeUs: number): boolean {
    const parsed = this.#parsed;
    // Read first: a file that has grown is read into a larger buffer.
    const length = this.#stat.read();
    if (length <= 0 || !parsed.parse(this.#stat.bytes, length)) return false;
    const frame = this.#frame;
    frame[Cpu.timeUs] = timeUs;
    frame[Cpu.running] = Number.NaN;
    frame[Cpu.blocked] = Number.NaN;
    frame[Cpu.someStallUs] = Number.NaN;
    for (let row = 1; row < parsed.rows; row++) {
      this.#fill(row);
      writer.put(frame);
    }
    this.#fill(0);
    frame[Cpu.running] = parsed.running;
    frame[Cpu.blocked] = parsed.blocked;
    frame[Cpu.someStallUs] = this.#stallUs();
    writer.put(frame);
    writer.commit();
    return true;
  }

  close(): void {
    this.#stat.close();
    this.#pressure?.close();
  }

  #stallUs(): number {
    if (this.#pressure === null) return Number.NaN;
    const length = this.#pressure.read();
    return length > 0 ? this.#stall.parse(this.#pressure.bytes, length) : Number.NaN;
  }

  #fill(row: number): void {
    const frame = this.#frame;
    const at = row * CORE_TIMES;
    const times = this.#parsed.timesUs;
    const user = times[at + CoreTime.user] as number;
    const nice = times[at + CoreTime.nice] as number;
    const system = times[at + CoreTime.system] as number;
    const interrupt =
      (times[at + CoreTime.interrupt] as number) + (times[at + CoreTime.softInterrupt] as number);
    const steal = times[at + CoreTime.steal] as number;
    frame[Cpu.core] = row === 0 ? ALL_CORES : (this.#parsed.cores[row] as number);
    frame[Cpu.busyUs] = user + nice + system + interrupt + steal;
    frame[Cpu.userUs] = user;
    frame[Cpu.niceUs] = nice;
    frame[Cpu.systemUs] = system;
    frame[Cpu.interruptUs] = interrupt;
    frame[Cpu.stealUs] = steal;
    frame[Cpu.idleUs] = times[at + CoreTime.idle] as number;
    frame[Cpu.ioWaitUs] = times[at + CoreTime.ioWait] as number;
  }
}
