import { libc, SyscallNumber } from "./libc.ts";
import { type SystemError, systemError } from "./system-error.ts";

export const Signal = { none: 0, kill: 9, usr1: 10, term: 15, continue: 18, stop: 19 } as const;

/** PIDFD_SIGNAL_PROCESS_GROUP of include/uapi/linux/pidfd.h, since Linux 6.9. */
const PROCESS_GROUP = 4;

/**
 * A descriptor for a process: pidfd_open(2). It goes on meaning that process, whoever gets its number afterwards.
 * Close it with closeDescriptor.
 */
export function openPidfd(pid: number): number | SystemError {
  const result = libc.syscall([SyscallNumber.pidfdOpen, pid, 0, 0, 0]);
  return result.value === -1 ? systemError("pidfd_open", result) : result.value;
}

/** pidfd_send_signal(2). Null when sent; signal 0 only asks whether it could be. */
export function signalPidfd(pidfd: number, signal: number): SystemError | null {
  const result = libc.syscall([SyscallNumber.pidfdSendSignal, pidfd, signal, 0, 0]);
  return result.value === -1 ? systemError("pidfd_send_signal", result) : null;
}

/** The same for the whole process group that the process leads, at one stroke. EINVAL before Linux 6.9. */
export function signalProcessGroup(leaderPidfd: number, signal: number): SystemError | null {
  const result = libc.syscall([SyscallNumber.pidfdSendSignal, leaderPidfd, signal, 0, PROCESS_GROUP]);
  return result.value === -1 ? systemError("pidfd_send_signal", result) : null;
}

/**
 * Frees a dying process's memory without waiting for it to be scheduled: process_mrelease(2), since Linux 5.15.
 * EINVAL while the process is not dying (so only after SIGKILL), ESRCH when it has no memory left.
 */
export function releaseMemory(pidfd: number): SystemError | null {
  const result = libc.syscall([SyscallNumber.processMrelease, pidfd, 0, 0, 0]);
  return result.value === -1 ? systemError("process_mrelease", result) : null;
}
