import os from "node:os";
import { libc, SyscallNumber } from "./libc.ts";
import { type SystemError, systemError } from "./system-error.ts";

/** struct open_how: flags, mode, resolve; 64 bits each. */
const HOW_BYTES = 24;
const RESOLVE = { noMountCrossed: 0x01, noMagicLinks: 0x02, noSymlinks: 0x04, beneath: 0x08 } as const;

const how = Buffer.alloc(HOW_BYTES);

/**
 * Opens what `path` leads to below a directory, by no symlink and not out of it: openat2(2).
 * @param path relative, without a NUL at its end
 * @param crossMounts whether mounts may lie on the way
 * @returns the descriptor, for closeDescriptor; ELOOP: a symlink is on the way, EXDEV: a mount, or it leads out;
 * ENOSYS: the kernel has no such call
 */
export function openBeneath(
  directory: number,
  path: string | Buffer,
  flags: number,
  crossMounts: boolean,
): number | SystemError {
  const stay = crossMounts ? 0 : RESOLVE.noMountCrossed;
  how.writeBigUInt64LE(BigInt(flags), 0);
  how.writeBigUInt64LE(BigInt(RESOLVE.noSymlinks | RESOLVE.noMagicLinks | RESOLVE.beneath | stay), 16);
  const ended = Buffer.concat([Buffer.from(path), Buffer.alloc(1)]);
  const result = libc.openat2([SyscallNumber.openat2, directory, ended, how, HOW_BYTES]);
  return result.value === -1 ? systemError("openat2", result) : result.value;
}

/** Of fcntl(2), linux/fcntl.h. */
const F_SETSIG = 10;
const F_SETLEASE = 1024;
const F_RDLCK = 0;

/**
 * Whether any process has the file open for writing. Asked by a read lease (fcntl(2), "Leases"), which the kernel grants
 * only when nobody has. It holds until the descriptor is closed: until then, who opens the file for writing waits.
 * @param descriptor a regular file, open for reading alone
 * @returns `unknown` where the file system has no leases, or the file is another's
 */
export function openForWriting(descriptor: number): "nobody" | "somebody" | "unknown" {
  // The signal to its holder is by default SIGIO, which would end this process; SIGURG does nothing.
  libc.fcntl([descriptor, F_SETSIG, os.constants.signals.SIGURG]);
  const result = libc.fcntl([descriptor, F_SETLEASE, F_RDLCK]);
  if (result.value === 0) return "nobody";
  return result.errnoCode === os.constants.errno.EAGAIN ? "somebody" : "unknown";
}
