import os from "node:os";
import { Stat } from "../../core/parse/process-stat.ts";
import { Signal, signalPidfd, signalProcessGroup } from "../../native/pidfd.ts";
import { readProcessStat } from "./target.ts";

const NO_SUCH_PROCESS = os.constants.errno.ESRCH;

/**
 * Ends a whole process group at one stroke, so that it can neither breed nor outrun us: by its leader's pidfd (Linux
 * 6.9), else by kill(2) on its number, while one of its members is stopped by its pidfd. A group's number is not given to
 * another as long as it has a member, and a stopped one does not leave (docs/decisions/0009).
 * @param member one that was chosen, its pidfd open and its start time checked
 * @returns 0, or the errno of the refusal
 */
export function killProcessGroup(
  procRoot: string,
  group: number,
  member: { readonly pid: number; readonly pidfd: number },
): number {
  if (member.pid === group && signalProcessGroup(member.pidfd, Signal.kill) === null) return 0;
  const refused = signalPidfd(member.pidfd, Signal.stop);
  if (refused !== null) return refused.errno;
  if (readProcessStat(procRoot, member.pid)?.[Stat.processGroup] !== group) return NO_SUCH_PROCESS;
  try {
    process.kill(-group, "SIGKILL");
    return 0;
  } catch (error) {
    return Math.abs((error as NodeJS.ErrnoException).errno ?? NO_SUCH_PROCESS);
  }
}
