import { ALL_CORES } from "../cpu/columns.ts";
import { nextLine, startsWith, unsignedAt } from "./bytes.ts";

/** Places of a row of {@link HostStat.timesUs}: as proc_stat(5) has them, without the guests' (user and nice hold those). */
export const CoreTime = {
  user: 0,
  nice: 1,
  system: 2,
  idle: 3,
  ioWait: 4,
  interrupt: 5,
  softInterrupt: 6,
  steal: 7,
} as const;
export const CORE_TIMES = 8;
/** Kernels have had these since 2.6.0; steal came with 2.6.11, and is 0 before. */
const NEEDED = CoreTime.steal;

const CPU = new TextEncoder().encode("cpu");
const RUNNING = new TextEncoder().encode("procs_running ");
const BLOCKED = new TextEncoder().encode("procs_blocked ");
const NEWLINE = 10;
const SPACE = 32;
const ZERO = 48;
const NINE = 57;
/** More processors than any Linux can have: what claims to be one above is no number of one. */
const CORE_LIMIT = 65_536;

/**
 * /proc/stat (proc_stat(5)), as far as it is about processors: one row each that is online, and one of all of them,
 * which holds what those that went offline have done too. The buffers are kept and grow with the number of processors.
 */
export class HostStat {
  readonly #usPerTick: number;
  /** Where the lines of processors end. */
  #end = 0;
  /** From where procs_running stood last to the end. */
  #tailBytes = Number.POSITIVE_INFINITY;
  rows = 0;
  /** Number of each row's processor, {@link ALL_CORES} for all. */
  cores = new Int32Array(8);
  /** Microseconds since boot: `timesUs[row * CORE_TIMES + CoreTime.…]`. */
  timesUs = new Float64Array(8 * CORE_TIMES);
  /** Tasks that run or could, and that wait for I/O; NaN where absent. */
  running = Number.NaN;
  blocked = Number.NaN;

  /** @param ticksPerSecond USER_HZ, by sysconf(_SC_CLK_TCK) */
  constructor(ticksPerSecond: number) {
    this.#usPerTick = 1e6 / ticksPerSecond;
  }

  /** @returns whether the first row is there and is of all processors: anything else is no such file, or cut off at once */
  parse(bytes: Uint8Array, length: number): boolean {
    this.rows = 0;
    this.running = Number.NaN;
    this.blocked = Number.NaN;
    let at = 0;
    while (at >= 0 && startsWith(bytes, at, length, CPU)) at = this.#parseRow(bytes, at + CPU.length, length);
    if (this.rows === 0 || this.cores[0] !== ALL_CORES) return false;
    this.#parseTail(bytes, length);
    return true;
  }

  /** @returns where the next line begins; -1 when this one is cut off or of another form */
  #parseRow(bytes: Uint8Array, from: number, length: number): number {
    if (this.rows === this.cores.length) this.#grow();
    let at = from;
    let core = 0;
    let byte = 0;
    while (at < length && (byte = bytes[at] as number) >= ZERO && byte <= NINE && core < CORE_LIMIT) {
      core = core * 10 + (byte - ZERO);
      at++;
    }
    if (at >= length || bytes[at] !== SPACE || core >= CORE_LIMIT) return -1;
    this.cores[this.rows] = at === from ? ALL_CORES : core;
    const { timesUs } = this;
    const usPerTick = this.#usPerTick;
    const row = this.rows * CORE_TIMES;
    let field = 0;
    // Held against the length at the line's end only: what stands behind that is of an older look, and ends at the buffer's.
    while (bytes[at] === SPACE) {
      at++;
      const first = at;
      let value = 0;
      let digit = 0;
      while ((digit = (bytes[at] as number) - ZERO) >= 0 && digit <= 9) {
        value = value * 10 + digit;
        at++;
      }
      if (at === first) continue;
      if (value > Number.MAX_SAFE_INTEGER) return -1;
      if (field < CORE_TIMES) timesUs[row + field] = value * usPerTick;
      field++;
    }
    if (at >= length || bytes[at] !== NEWLINE || field < NEEDED) return -1;
    if (field < CORE_TIMES) timesUs[row + CoreTime.steal] = 0;
    this.rows++;
    this.#end = at + 1;
    return this.#end;
  }

  /**
   * From the end on backwards: what is wanted stands two lines before it, and thousands of interrupts' counts before that.
   * How far from the end changes only when a count of soft interrupts gets one more digit.
   */
  #parseTail(bytes: Uint8Array, length: number): void {
    const at = length - this.#tailBytes;
    if (at >= this.#end && bytes[at - 1] === NEWLINE && startsWith(bytes, at, length, RUNNING)) {
      const blocked = nextLine(bytes, at + RUNNING.length, length);
      if (startsWith(bytes, blocked, length, BLOCKED)) {
        this.running = unsignedAt(bytes, at + RUNNING.length, length);
        this.blocked = unsignedAt(bytes, blocked + BLOCKED.length, length);
        return;
      }
    }
    let end = length;
    let missing = 2;
    while (missing > 0 && end > this.#end) {
      let line = end - 1;
      while (line > this.#end && bytes[line - 1] !== NEWLINE) line--;
      if (startsWith(bytes, line, length, RUNNING)) {
        this.running = unsignedAt(bytes, line + RUNNING.length, length);
        this.#tailBytes = length - line;
        missing--;
      } else if (startsWith(bytes, line, length, BLOCKED)) {
        this.blocked = unsignedAt(bytes, line + BLOCKED.length, length);
        missing--;
      }
      end = line;
    }
  }

  #grow(): void {
    const cores = new Int32Array(this.cores.length * 2);
    const timesUs = new Float64Array(cores.length * CORE_TIMES);
    cores.set(this.cores);
    timesUs.set(this.timesUs);
    this.cores = cores;
    this.timesUs = timesUs;
  }
}
