import { spawn } from "node:child_process";
import { once } from "node:events";
import os from "node:os";
import { closeDescriptor } from "../../native/descriptor.ts";
import { openPidfd, releaseMemory, Signal, signalPidfd, signalProcessGroup } from "../../native/pidfd.ts";
import type { SystemError } from "../../native/system-error.ts";
import { type Check, good, isRefusal, limited, missing, type Subject } from "./check.ts";

const NO_SUCH_PROCESS = "ESRCH";
/** The child ends by itself after this, should the doctor die before it. */
const CHILD_MS = 10_000;

/** The versions of Linux that brought what the guard acts with (pidfd_open(2), process_mrelease(2), pidfd_send_signal(2)). */
const SINCE = { pidfd: "5.3", processRelease: "5.15", groupSignal: "6.9" } as const;

export function kernelCheck(): Check {
  const release = os.release();
  const means = `pidfd needs ${SINCE.pidfd}, process_mrelease ${SINCE.processRelease}, signals to whole process groups ${SINCE.groupSignal}`;
  const [major = 0, minor = 0] = release.split(".").map((part) => Number.parseInt(part, 10));
  const old = major < 5 || (major === 5 && minor < 3);
  return old
    ? missing("kernel", `Linux ${release}`, means, `boot Linux ${SINCE.pidfd} or later`)
    : good("kernel", `Linux ${release}`, means);
}

/** Tries what the guard acts with, on a child of its own that is gone afterwards. */
export async function actingChecks({ uid }: Subject): Promise<Check[]> {
  const child = spawn(process.execPath, ["-e", `setTimeout(() => {}, ${CHILD_MS})`], {
    stdio: "ignore",
    // A process group of its own.
    detached: true,
  });
  try {
    await once(child, "spawn");
  } catch (error) {
    return [cannotTry((error as Error).message)];
  }
  const exited = once(child, "exit");
  try {
    return tryOn(child.pid as number, uid);
  } finally {
    child.kill("SIGKILL");
    await exited;
  }
}

function tryOn(pid: number, uid: number): Check[] {
  const pidfd = openPidfd(pid);
  if (typeof pidfd !== "number") return [pidfdCheck(pidfd, uid)];
  try {
    const reached = signalPidfd(pidfd, Signal.none);
    const group = signalProcessGroup(pidfd, Signal.none);
    const killed = signalPidfd(pidfd, Signal.kill);
    return [
      pidfdCheck(reached ?? killed, uid),
      groupCheck(group),
      releaseCheck(killed === null ? releaseMemory(pidfd) : killed),
    ];
  } finally {
    closeDescriptor(pidfd);
  }
}

function cannotTry(why: string): Check {
  const means = "whether processes can be ended here is not known";
  return limited("pidfd", `no child could be started to try it on: ${why}`, means, "free a process slot");
}

function pidfdCheck(error: SystemError | null, uid: number): Check {
  const means = "processes are signalled by a descriptor, so that another that got the pid is never hit";
  if (error === null) return good("pidfd", "pidfd_open and pidfd_send_signal work", means);
  const found = `${error.call}: ${error.code}`;
  const advice = isRefusal(error.code)
    ? "allow pidfd_open and pidfd_send_signal in the seccomp profile of this container or service"
    : `boot Linux ${SINCE.pidfd} or later`;
  const needsRoot = uid !== 0 && isRefusal(error.code);
  return { ...missing("pidfd", found, "nobody can be ended safely", advice), essential: true, needsRoot };
}

function groupCheck(error: SystemError | null): Check {
  const name = "process group signal";
  if (error === null) return good(name, "a whole process group at one stroke", "fork storms end at once");
  const means = "the members of a group are signalled one by one: a fork storm may outrun that";
  return limited(name, `${error.call}: ${error.code}`, means, `boot Linux ${SINCE.groupSignal} or later`);
}

function releaseCheck(error: SystemError | null): Check {
  const name = "process_mrelease";
  // The child may have had its memory freed already: the call is there all the same.
  if (error === null || error.code === NO_SUCH_PROCESS) {
    return good(name, "works", "the memory of a killed process comes back without waiting for it to run");
  }
  const means = "the memory of a killed process comes back only when it is scheduled to exit";
  return limited(name, `${error.call}: ${error.code}`, means, `boot Linux ${SINCE.processRelease} or later`);
}
