import { libc } from "./libc.ts";
import { type SystemError, systemError } from "./system-error.ts";

/** getpriority(2) and setpriority(2): swapped on the two architectures. */
const [GETPRIORITY, SETPRIORITY] = process.arch === "x64" ? [140, 141] : [141, 140];
const PRIO_PROCESS = 0;

/**
 * The nice value of one thread, -20 to 19. The bare call is used: it answers 20 minus that, so that -1 is an error
 * (getpriority(2), "C library/kernel differences").
 */
export function niceOf(threadId: number): number | SystemError {
  const result = libc.syscall([GETPRIORITY, PRIO_PROCESS, threadId, 0, 0]);
  return result.value === -1 ? systemError("getpriority", result) : 20 - result.value;
}

/** Gives one thread a nice value: for Linux it is the thread's, not the process's. Null when done. */
export function setNice(threadId: number, nice: number): SystemError | null {
  const result = libc.syscall([SETPRIORITY, PRIO_PROCESS, threadId, nice, 0]);
  return result.value === -1 ? systemError("setpriority", result) : null;
}
