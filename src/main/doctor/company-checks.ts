import path from "node:path";
import { findMemoryHierarchy } from "../../workers/common/cgroup-path.ts";
import { CgroupPids } from "../../workers/common/pid-source.ts";
import { type Check, good, limited, missing, type Subject } from "./check.ts";
import { ownerOf, textOf, threadsOf, visiblePids } from "./files.ts";
import { Capability, effectiveCapabilities, holds } from "../../workers/common/capabilities.ts";

/** Others that end processes when memory is short, as proc_pid_comm(5) has them: cut to 15 bytes. */
const OTHERS = ["earlyoom", "systemd-oomd", "nohang", "nohang-desktop", "oomd", "bustd", "low-memory-moni"];

/** Threads come and go between the two countings. */
const COUNT_SLACK = 8;
const COUNT_SHARE = 0.9;
/** More processes in a scope than this are not looked at one by one. */
const LOOKED_AT = 4096;

/** The processes around: whether they are seen, may be ended, and whether somebody else ends them too. */
export function companyChecks(subject: Subject): Check[] {
  return [visibilityCheck(subject), reachCheck(subject), othersCheck(subject.roots.proc)];
}

/**
 * Compares the threads of the processes that /proc shows with the kernel's own count of them (the fourth field of
 * /proc/loadavg, proc_loadavg(5)): hidepid=, or a pid namespace, leaves a gap.
 */
function visibilityCheck({ roots }: Subject): Check {
  const { proc } = roots;
  const pids = visiblePids(proc);
  const seen = pids.reduce((sum, pid) => sum + threadsOf(proc, pid), 0);
  const total = Number(/ \d+\/(\d+) /.exec(textOf(proc, "loadavg") ?? "")?.[1] ?? Number.NaN);
  const option = hidepidOf(proc);
  const found = `${pids.length} processes with ${seen} threads, the kernel counts ${total} threads${option === null ? "" : `, hidepid=${option}`}`;
  if (!(seen < total * COUNT_SHARE - COUNT_SLACK)) return good("processes seen", found, "all can be judged");
  const means = "the largest or the growing one may be among those that are not seen";
  const advice =
    option === null
      ? "run it in the host's pid namespace"
      : "run as root, or in the group that /proc is mounted with (gid=)";
  return limited("processes seen", found, means, advice);
}

/** The hidepid= that /proc was mounted with (proc(5)), null when everybody sees everything. */
function hidepidOf(procRoot: string): string | null {
  for (const line of (textOf(procRoot, "self/mountinfo") ?? "").split("\n")) {
    const fields = line.split(" ");
    if (fields[4] !== procRoot) continue;
    const option = /(?:^|,)hidepid=(\w+)/.exec(fields.at(-1) ?? "")?.[1];
    return option === undefined || option === "0" || option === "off" ? null : option;
  }
  return null;
}

function pidsInScope({ roots, scope }: Subject): number[] {
  if (scope === "host") return visiblePids(roots.proc);
  const hierarchy = findMemoryHierarchy(roots.cgroup);
  if (hierarchy === null) return [];
  const out = new Int32Array(LOOKED_AT);
  const count = new CgroupPids(path.join(hierarchy.root, scope)).list(out);
  return [...out.subarray(0, Math.min(count, out.length))];
}

/** Which of the processes the guard may signal: kill(2) asks for CAP_KILL or the same user. */
function reachCheck(subject: Subject): Check {
  const name = "processes in reach";
  const { proc } = subject.roots;
  const pids = pidsInScope(subject);
  const all = holds(effectiveCapabilities(proc), Capability.kill);
  const reached = all ? pids.length : pids.filter((pid) => ownerOf(proc, pid) === subject.uid).length;
  const found = `${reached} of ${pids.length} may be signalled`;
  if (reached === pids.length) return good(name, found, "whoever is to end can be ended");
  const advice = "run as root, or give the service CAP_KILL";
  if (reached === 0 && subject.scope !== "host") {
    const check = missing(name, found, "nobody in the scope can be ended", advice);
    return { ...check, essential: true, needsRoot: true };
  }
  return limited(name, found, "a hog of another user is seen but cannot be ended", advice);
}

function othersCheck(procRoot: string): Check {
  const found: string[] = [];
  for (const pid of visiblePids(procRoot)) {
    const name = otherAt(procRoot, pid);
    if (name !== null) found.push(`${name} (pid ${pid})`);
  }
  const name = "other guards";
  if (found.length === 0) return good(name, "none running", "nobody else ends processes before the kernel");
  const means = "they end processes by rules of their own, maybe just before this guard does: two for one";
  return limited(name, found.join(", "), means, "let one of them guard: stop the others, or use --dry-run");
}

/** nohang is a script: its name is in the arguments. */
function otherAt(procRoot: string, pid: number): string | null {
  const comm = textOf(procRoot, String(pid), "comm");
  if (comm === null) return null;
  if (OTHERS.includes(comm)) return comm;
  if (!comm.startsWith("python")) return null;
  const script = (textOf(procRoot, String(pid), "cmdline") ?? "").split("\0")[1] ?? "";
  return OTHERS.includes(path.basename(script)) ? path.basename(script) : null;
}
