import { Stat } from "../../core/parse/process-stat.ts";
import type { Board, WorkerName } from "../../core/shared/board.ts";
import { readProcessStat } from "../../workers/common/target.ts";

/** A thread that is silent is looked at from here on: later than all beat. */
const SUSPECT_MS = 550;
/** Silent for so long, and having used so much processor time meanwhile: it spins. */
const SPIN_SILENT_MS = 1000;
const SPIN_CPU_MS = 400;
/** Silent for so long, and asleep: it is blocked in the kernel. */
const BLOCKED_MS = 3000;
/** Silent for so long, in whatever state. */
const LOST_MS = 30_000;

const SLEEPING = "S".charCodeAt(0);

/** What is the matter with a silent thread. */
export interface Trouble {
  readonly why: string;
  /** It runs JavaScript, so it can be ended; in a call of the kernel's or of the C library's it must not be. */
  readonly canBeEnded: boolean;
}

/**
 * Tells a thread that hangs from one that is kept from running. Short memory and a full processor make healthy threads
 * silent for seconds; to end them then would be the guard's own undoing. The kernel knows: who spins uses processor time,
 * who is blocked sleeps, who starves does neither.
 */
export class ThreadWatch {
  readonly #board: Board;
  readonly #tasks: string;
  readonly #ticksPerSecond: number;
  /** Processor time, in ticks, of each suspect when it came under suspicion: in the program, and in all. */
  readonly #suspects = new Map<WorkerName, { readonly userTicks: number; readonly ticks: number }>();

  /** @param procRoot where proc(5) is mounted */
  constructor(board: Board, procRoot: string, ticksPerSecond: number) {
    this.#board = board;
    this.#tasks = `${procRoot}/self/task`;
    this.#ticksPerSecond = ticksPerSecond;
  }

  /** To be asked several times a second. @returns null while the thread is well, or only starves */
  trouble(name: WorkerName, nowMs: number): Trouble | null {
    const silentMs = this.#board.silentMs(name, nowMs);
    if (silentMs < SUSPECT_MS || this.#restsRightly(name, silentMs)) {
      this.#suspects.delete(name);
      return null;
    }
    const stat = readProcessStat(this.#tasks, this.#board.threadId(name));
    if (stat === null) return null;
    const userTicks = stat[Stat.userTicks] as number;
    const ticks = userTicks + (stat[Stat.systemTicks] as number);
    const before = this.#suspects.get(name);
    if (before === undefined) {
      this.#suspects.set(name, { userTicks, ticks });
      return null;
    }
    // Only JavaScript spins. Time in the kernel is a call that has not come back: with memory short it reclaims for others.
    const ranMs = ((userTicks - before.userTicks) / this.#ticksPerSecond) * 1000;
    if (silentMs > SPIN_SILENT_MS && ranMs > SPIN_CPU_MS) {
      return { why: `hung: ran for ${Math.round(ranMs)} ms without a sign of life`, canBeEnded: true };
    }
    if (silentMs > BLOCKED_MS && stat[Stat.state] === SLEEPING && ticks === before.ticks) {
      return { why: `hung: asleep in the kernel for ${Math.round(silentMs)} ms`, canBeEnded: false };
    }
    return silentMs > LOST_MS
      ? { why: `hung: silent for ${Math.round(silentMs)} ms`, canBeEnded: false }
      : null;
  }

  /** It waits for something to do, and there is nothing: no letter that it ought to have been woken by. */
  #restsRightly(name: WorkerName, silentMs: number): boolean {
    if (!this.#board.isResting(name)) return false;
    return this.#board.mail(name) === this.#board.mailTaken(name) || silentMs < BLOCKED_MS;
  }
}
