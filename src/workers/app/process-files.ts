import fs from "node:fs";
import { argumentsOf } from "../../core/app/command-line.ts";
import type { SeenProcess } from "../../core/app/groups.ts";
import { KERNEL_THREAD_FLAG, parseProcessStat, STAT_FIELDS, Stat } from "../../core/parse/process-stat.ts";

/** Arguments may take as much as a quarter of the stack's limit (execve(2)); a class path of so much is none any more. */
const COMMAND_LINE_MAX_BYTES = 2 * 1024 * 1024;

/** Letters of the state (proc_pid_stat(5)). */
const ZOMBIE = "Z".charCodeAt(0);
const DEAD = "X".charCodeAt(0);

let bytes = Buffer.allocUnsafeSlow(16 * 1024);
const stat = new Float64Array(STAT_FIELDS);

/**
 * Looks at one process: /proc/PID/stat and cmdline.
 * @returns `kernel` for a thread of the kernel, which has neither memory nor arguments; null when it is gone, is a zombie,
 *   or is hidden (hidepid= of proc(5))
 */
export function lookAtProcess(procRoot: string, pid: number): SeenProcess | "kernel" | null {
  const statLength = readWhole(`${procRoot}/${pid}/stat`);
  if (statLength <= 0 || !parseProcessStat(bytes, statLength, stat, 0)) return null;
  if (((stat[Stat.flags] as number) & KERNEL_THREAD_FLAG) !== 0) return "kernel";
  if (stat[Stat.state] === ZOMBIE || stat[Stat.state] === DEAD) return null;
  const startTicks = stat[Stat.startTicks] as number;
  const ppid = stat[Stat.ppid] as number;
  const length = readWhole(`${procRoot}/${pid}/cmdline`);
  return length < 0 ? null : { pid, startTicks, ppid, argv: argumentsOf(bytes, length) };
}

/** Reads into {@link bytes}, which grows. @returns the length; -1 when it cannot be read */
function readWhole(path: string): number {
  let descriptor: number;
  try {
    descriptor = fs.openSync(path, fs.constants.O_RDONLY);
  } catch {
    return -1;
  }
  try {
    let length = 0;
    for (;;) {
      const read = fs.readSync(descriptor, bytes, length, bytes.length - length, length);
      length += read;
      if (read === 0 || length === COMMAND_LINE_MAX_BYTES) return length;
      // Both files come in one read, unless there is no room for it.
      if (length < bytes.length) return length;
      const larger = Buffer.allocUnsafeSlow(Math.min(COMMAND_LINE_MAX_BYTES, bytes.length * 4));
      bytes.copy(larger, 0, 0, length);
      bytes = larger;
    }
  } catch {
    return -1;
  } finally {
    fs.closeSync(descriptor);
  }
}
