import os from "node:os";
import { Stat } from "../../core/parse/process-stat.ts";
import { Signal, signalPidfd, signalProcessGroup } from "../../native/pidfd.ts";
import { readProcessStat } from "./target.ts";

const NO_SUCH_PROCESS = os.constants.errno.ESRCH;

/**
 * Signals a whole process group at one stroke, so that it can neither breed nor outrun us: by its leader's pidfd (Linux
 * 6.9), else by kill(2) on its number, while one of its members is stopped by its pidfd. A group's number is not given to
 * another as long as it has a member, and a stopped one does not leave (docs/decisions/0009).
 * @param member one that was chosen, its pidfd open and its start time checked
 * @returns 0, or the errno of the refusal
 */
export function signalGroup(
  procRoot: string,
  group: number,
  member: { readonly pid: number; readonly pidfd: number },
  signal: number,
): number {
  if (member.pid === group && signalProcessGroup(member.pidfd, signal) === null) return 0;
  const refused = signalPidfd(member.pidfd, Signal.stop);
  if (refused !== null) return refused.errno;
  const errno = signalByNumber(procRoot, group, member.pid, signal);
  // Whatever came of it: no process stays stopped that was not to be ended, and a stopped one cannot heed SIGTERM.
  if (errno !== 0 || signal !== Signal.kill) signalPidfd(member.pidfd, Signal.continue);
  return errno;
}

function signalByNumber(procRoot: string, group: number, stoppedPid: number, signal: number): number {
  if (readProcessStat(procRoot, stoppedPid)?.[Stat.processGroup] !== group) return NO_SUCH_PROCESS;
  try {
    process.kill(-group, signal);
    return 0;
  } catch (error) {
    return Math.abs((error as NodeJS.ErrnoException).errno ?? NO_SUCH_PROCESS);
  }
}
