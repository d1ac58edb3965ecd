import fs from "node:fs";
import path from "node:path";
import { formatBytes } from "../../core/units.ts";
import { openKernelLog } from "../../native/kernel-log.ts";
import { lockProgramText } from "../../native/memory-lock.ts";
import { Capability, effectiveCapabilities, holds } from "../../workers/common/capabilities.ts";
import { descriptorLimit } from "../../workers/common/descriptor-limit.ts";
import { type Check, codeOf, good, limited, type Subject } from "./check.ts";
import { textOf, visiblePids } from "./files.ts";

/** What the guard uses of capabilities(7): the bit, and what is lost without. */
const CAPABILITIES = [
  { name: "CAP_KILL", bit: Capability.kill, without: "only processes of the same user can be ended" },
  {
    name: "CAP_IPC_LOCK",
    bit: Capability.ipcLock,
    without: "program text is locked only as far as the limit goes",
  },
  {
    name: "CAP_SYS_PTRACE",
    bit: Capability.sysPtrace,
    without: "what others' processes share is not known exactly",
  },
  {
    name: "CAP_SYS_RESOURCE",
    bit: Capability.sysResource,
    without: "the guard cannot make itself the kernel's last choice",
  },
] as const;

/** Descriptors that the guard needs beside those of processes. */
const OWN_DESCRIPTORS = 64;

export function hasCapability(held: bigint, name: (typeof CAPABILITIES)[number]["name"]): boolean {
  return CAPABILITIES.some((each) => each.name === name && holds(held, each.bit));
}

export function privilegeChecks(subject: Subject): Check[] {
  const { proc, kmsg } = subject.roots;
  return [
    capabilityCheck(subject),
    oomScoreCheck(proc),
    textLockCheck(proc),
    descriptorCheck(proc),
    kernelLogCheck(kmsg),
  ];
}

function capabilityCheck({ roots, uid }: Subject): Check {
  const held = effectiveCapabilities(roots.proc);
  const lacking = CAPABILITIES.filter(({ name }) => !hasCapability(held, name));
  const has = CAPABILITIES.filter((each) => !lacking.includes(each)).map(({ name }) => name);
  const found = `uid ${uid}, ${has.length === 0 ? "none of those the guard uses" : `has ${has.join(", ")}`}`;
  if (lacking.length === 0) return good("capabilities", found, "nothing is out of the guard's reach");
  const means = lacking.map(({ name, without }) => `without ${name} ${without}`).join("; ");
  const names = lacking.map(({ name }) => name).join(", ");
  const advice =
    uid === 0 ? `let this container or service have ${names}` : `run as root, or give the service ${names}`;
  return limited("capabilities", found, means, advice);
}

/** Lowers it and puts it back: it is this process's own, which ends in a moment anyway. */
function oomScoreCheck(procRoot: string): Check {
  const file = path.join(procRoot, "self/oom_score_adj");
  const before = textOf(file) ?? "0";
  try {
    fs.writeFileSync(file, "-1000");
    fs.writeFileSync(file, before);
    return good("own oom_score_adj", "can be lowered to -1000", "the kernel's OOM killer spares the guard");
  } catch (error) {
    const means = "the kernel's OOM killer may choose the guard";
    const advice = "give it CAP_SYS_RESOURCE, or OOMScoreAdjust=-1000 in its systemd unit";
    return limited("own oom_score_adj", `stays ${before}: ${codeOf(error)}`, means, advice);
  }
}

/** Locks the text of this process as the guard does; that ends with the process. */
function textLockCheck(procRoot: string): Check {
  const limit = /^Max locked memory\s+(\S+)/m.exec(textOf(procRoot, "self/limits") ?? "")?.[1] ?? "unknown";
  const within = `limit ${/^\d+$/.test(limit) ? formatBytes(Number(limit)) : limit}`;
  try {
    const lock = lockProgramText(path.join(procRoot, "self/maps"));
    if (lock.refusal === null) {
      const found = `${formatBytes(lock.lockedBytes)} of program text locked (${within})`;
      return good("locked memory", found, "a thrashing host does not page the guard out");
    }
    const found = `${lock.refusedMappings} of ${lock.refusedMappings + lock.lockedMappings} mappings refused: ${lock.refusal} (${within})`;
    const means = "the guard may stall for a tenth of a second and more while the host thrashes";
    return limited("locked memory", found, means, "give it CAP_IPC_LOCK, or LimitMEMLOCK=infinity");
  } catch (error) {
    return limited(
      "locked memory",
      codeOf(error),
      "the guard may be paged out",
      "make /proc/self/maps readable",
    );
  }
}

function descriptorCheck(procRoot: string): Check {
  const limit = descriptorLimit(procRoot);
  const wanted = visiblePids(procRoot).length + OWN_DESCRIPTORS;
  const found = `${limit === Number.MAX_SAFE_INTEGER ? "unlimited" : limit}, ${wanted} wanted now`;
  if (limit >= wanted) return good("file descriptors", found, "each process's file is held open");
  const means = "the files of some processes are opened anew at each walk, which takes twice as long";
  return limited("file descriptors", found, means, `raise it: LimitNOFILE=${wanted * 2} or ulimit -n`);
}

function kernelLogCheck(kmsg: string): Check {
  try {
    fs.closeSync(openKernelLog(kmsg));
    return good(
      "kernel log",
      `${kmsg} can be written`,
      "what was done is found beside the kernel's own words",
    );
  } catch (error) {
    const means = "decisions are not in the kernel log; the audit log has them";
    return limited("kernel log", `${kmsg}: ${codeOf(error)}`, means, "run as root, or pass the device in");
  }
}
