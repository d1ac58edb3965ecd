import fs from "node:fs";
import path from "node:path";
import { ExitCode, Fault } from "../../core/fault.ts";
import type { Policy } from "../../core/policy/policy.ts";
import { closeDescriptor } from "../../native/descriptor.ts";
import { lockFile } from "../../native/file-lock.ts";
import { openKernelLog } from "../../native/kernel-log.ts";
import { openPidfd } from "../../native/pidfd.ts";
import { openForAppending } from "../../workers/recorder/audit-log.ts";
import type { Log } from "./log.ts";
import { makeDirectory, ownDirectory, type Places } from "./places.ts";

/** @throws Fault where the kernel has no pidfd: without, a recycled pid could be signalled */
export function requirePidfd(): void {
  const pidfd = openPidfd(process.pid);
  if (typeof pidfd === "number") return closeDescriptor(pidfd);
  throw new Fault(
    ExitCode.unsupportedHost,
    `expected a kernel with pidfd_open (Linux 5.3 or newer), found ${pidfd.code}; see "plimsoll doctor"`,
  );
}

/**
 * One guard a scope: holds the lock as long as the descriptor is open.
 * @throws Fault when another guard has it, or it cannot be taken
 */
export function takeLock({ lockPath }: Places, uid: number, scope: string): number {
  let lock: number | null;
  try {
    ownDirectory(path.dirname(lockPath), uid);
    lock = lockFile(lockPath);
  } catch (error) {
    throw new Fault(
      ExitCode.fault,
      `expected to take the lock ${lockPath}, found: ${(error as Error).message}`,
    );
  }
  if (lock !== null) return lock;
  throw new Fault(
    ExitCode.fault,
    `another guard is on ${scope} already (it holds ${lockPath}); see "plimsoll status", or stop it first`,
  );
}

/** @returns where the audit log is; null when it cannot be written, which is said */
export function openAudit({ record }: Policy, places: Places, log: Log): string | null {
  const wished = record.auditPath ?? places.auditPath;
  try {
    makeDirectory(path.dirname(wished), 0o750);
    fs.closeSync(openForAppending(wished));
    return wished;
  } catch (error) {
    log.error(`no audit log: ${(error as Error).message}; set [record] audit to a place that can be written`);
    return null;
  }
}

/** @returns a descriptor; -1 where the policy wants none, or none can be had, which is said */
export function openKernelLogFor({ record }: Policy, kmsgPath: string, log: Log): number {
  if (!record.kmsg) return -1;
  try {
    return openKernelLog(kmsgPath);
  } catch (error) {
    log.warn(`nothing goes to the kernel log: ${(error as Error).message}`);
    return -1;
  }
}
