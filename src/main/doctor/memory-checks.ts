import path from "node:path";
import { formatBytes } from "../../core/units.ts";
import { parseLimit } from "../../core/parse/single-number.ts";
import { findMemoryHierarchy } from "../../workers/common/cgroup-path.ts";
import { stallTrigger } from "../../workers/sentinel/triggers.ts";
import { type Check, good, limited, missing, type Subject } from "./check.ts";
import { meminfoBytes, ownCgroup, textOf } from "./files.ts";

/** vm.overcommit_memory: 2 refuses what could not be backed (Documentation/mm/overcommit-accounting.rst). */
const NEVER_OVERCOMMIT = "2";

export function memoryChecks(subject: Subject): Check[] {
  const { proc } = subject.roots;
  return [
    meminfoCheck(proc),
    pressureCheck(proc),
    swapCheck(proc),
    overcommitCheck(proc),
    ownLimitCheck(subject),
  ];
}

function meminfoCheck(procRoot: string): Check {
  const total = meminfoBytes(procRoot, "MemTotal");
  const available = meminfoBytes(procRoot, "MemAvailable");
  if (total === null || available === null) {
    const found = `${path.join(procRoot, "meminfo")} has no ${total === null ? "MemTotal" : "MemAvailable"}`;
    const means = "how much memory there is cannot be seen";
    const advice = "mount /proc, and boot Linux 3.14 or later";
    return { ...missing("memory figures", found, means, advice), essential: true };
  }
  const found = `${formatBytes(available)} of ${formatBytes(total)} available`;
  return good("memory figures", found, "headroom is seen at every sample");
}

function pressureCheck(procRoot: string): Check {
  const file = path.join(procRoot, "pressure/memory");
  if (textOf(file) === null) {
    const means = "thrashing is not seen while swap is free; levels on headroom work";
    return missing("PSI", `${file} is not there`, means, "boot with psi=1 (CONFIG_PSI)");
  }
  const trigger = stallTrigger(file);
  if (trigger === null) {
    const means = "thrashing is seen by sampling, not at once";
    return limited("PSI", "readable, but takes no trigger", means, "run as root, or boot Linux 6.5 or later");
  }
  trigger.close();
  return good("PSI", "readable, and takes a trigger", "stalls are seen, and wake the guard");
}

function swapCheck(procRoot: string): Check {
  const total = meminfoBytes(procRoot, "SwapTotal");
  if (total === null) {
    const means = "levels on free swap never stand";
    return limited("swap", "not told by /proc/meminfo", means, "boot a kernel with CONFIG_SWAP, or leave it");
  }
  if (total === 0)
    return good("swap", "none", "headroom alone counts; exhaustion comes without slowing down");
  const free = meminfoBytes(procRoot, "SwapFree") ?? 0;
  const found = `${formatBytes(free)} of ${formatBytes(total)} free`;
  return good("swap", found, "nobody is ended for want of headroom while there is room to swap out");
}

function overcommitCheck(procRoot: string): Check {
  const mode = textOf(procRoot, "sys/vm/overcommit_memory");
  const found = `vm.overcommit_memory = ${mode ?? "unknown"}`;
  if (mode !== NEVER_OVERCOMMIT) {
    return good("overcommit", found, "programs get memory until it is really used up");
  }
  const means = "programs are refused memory at the commit limit, maybe long before any level is reached";
  return limited("overcommit", found, means, "sysctl vm.overcommit_memory=0, or watch Committed_AS too");
}

/** The limit that holds for the guard itself: the smallest from its own cgroup upwards. */
function ownLimitCheck({ roots, scope }: Subject): Check {
  const name = "own cgroup";
  const hierarchy = findMemoryHierarchy(roots.cgroup);
  const own = hierarchy === null ? null : ownCgroup(roots, hierarchy);
  if (hierarchy === null || own === null) {
    return good(name, "in no memory cgroup", "nothing but the host limits the guard");
  }
  const file = hierarchy.version === 1 ? "memory.limit_in_bytes" : "memory.max";
  const limits = own.directories.map((directory) => limitOf(path.join(directory, file)));
  const limitBytes = Math.min(Number.POSITIVE_INFINITY, ...limits);
  const total = meminfoBytes(roots.proc, "MemTotal") ?? Number.POSITIVE_INFINITY;
  if (!(limitBytes < total))
    return good(name, `${own.cgroup}, no limit`, "nothing but the host limits the guard");
  const found = `${own.cgroup}, limited to ${formatBytes(limitBytes)}`;
  if (own.cgroup === scope) return good(name, found, "it is the one that is guarded");
  const means = "the guard is killed with its neighbours when that is used up, whatever the host has left";
  return limited(
    name,
    found,
    means,
    `run it outside of that cgroup, or guard that one: --scope ${own.cgroup}`,
  );
}

function limitOf(file: string): number {
  const bytes = Buffer.from(`${textOf(file) ?? "max"}\n`);
  const limit = parseLimit(bytes, bytes.length);
  return Number.isNaN(limit) ? Number.POSITIVE_INFINITY : limit;
}
