import type { Column } from "../ring/layout.ts";
import { columnsOf } from "../samples.ts";

/** What is sampled of the processors: one row each, and one for all of them, a tick; counters since boot. */
export const Cpu = {
  timeUs: 0,
  /** The processor's number; -1: all. */
  core: 1,
  /** /proc/stat (proc_stat(5)); of all that is not idle and not waiting for I/O. guest is in user. */
  busyUs: 2,
  userUs: 3,
  niceUs: 4,
  systemUs: 5,
  interruptUs: 6,
  stealUs: 7,
  idleUs: 8,
  ioWaitUs: 9,
  /** Of the row of all: tasks that run or could, and that wait for I/O; PSI cpu, some. Null in the others. */
  running: 10,
  blocked: 11,
  someStallUs: 12,
} as const;
export const CPU_COLUMNS: readonly Column[] = columnsOf(Cpu, { core: "int32" });
/** The row of all processors. */
export const ALL_CORES = -1;
