import fs from "node:fs";
import path from "node:path";
import type { CgroupFact } from "../../core/policy/finding.ts";
import { closeDescriptor } from "../../native/descriptor.ts";
import { createEvent } from "../../native/event.ts";
import { findMemoryHierarchy, type MemoryHierarchy } from "../../workers/common/cgroup-path.ts";
import { listCgroups } from "../config/host-facts.ts";
import { type Check, codeOf, good, isRefusal, limited, missing, type Subject } from "./check.ts";
import { meminfoBytes } from "./files.ts";

/** More cgroups than these are not tried one by one. */
const TRIED_MAX = 1024;
const LIMIT_FILE = { 1: "memory.limit_in_bytes", 2: "memory.max" } as const;
const ADVICE_PRIVILEGE = "run as root, or own the cgroups (cgroups(7), delegation)";

/** What moving memory between cgroups needs: nothing is written for it, files are opened as they would be. */
export function rescueChecks(subject: Subject): Check[] {
  const hierarchy = findMemoryHierarchy(subject.roots.cgroup);
  if (hierarchy === null) return [noRescue(), kernelLogReadCheck(subject.roots.kmsg)];
  const cgroups = cgroupsIn(subject.scope, hierarchy);
  return [
    limitsCheck(hierarchy, cgroups),
    noticesCheck(hierarchy, cgroups),
    pauseCheck(hierarchy, cgroups),
    swapAccountingCheck(subject, hierarchy, cgroups),
    kernelLogReadCheck(subject.roots.kmsg),
  ];
}

function noRescue(): Check {
  const means = "no cgroup can be rescued: there are no limits to move";
  const advice = "mount cgroup2 with the memory controller enabled in cgroup.subtree_control";
  return missing("rescue", "no memory controller", means, advice);
}

/** Those with a limit first: they are the ones that matter. */
function cgroupsIn(scope: string, hierarchy: MemoryHierarchy): CgroupFact[] {
  const within = scope === "host" ? "/" : `${scope}/`;
  const all = listCgroups(hierarchy).filter((each) => each.path === scope || each.path.startsWith(within));
  const bounded = all.filter(({ limitBytes }) => limitBytes !== null);
  return [...bounded, ...all.filter(({ limitBytes }) => limitBytes === null)];
}

/** Whether limits may be written: by opening their files, which changes nothing. */
function limitsCheck(hierarchy: MemoryHierarchy, cgroups: readonly CgroupFact[]): Check {
  const name = "rescue";
  const bounded = cgroups.filter(({ limitBytes }) => limitBytes !== null).length;
  const counted = `cgroup v${hierarchy.version}: ${bounded} of ${cgroups.length} cgroups have a limit`;
  const refusals = refusalsOf(hierarchy, cgroups, LIMIT_FILE[hierarchy.version]);
  const code = refusals[0];
  if (code === undefined) {
    const means =
      bounded === 0
        ? "nobody can run into a limit; who gets one can be rescued once [rescue] names it"
        : "who runs into its limit can be rescued once [rescue] names it";
    return good(name, cgroups.length === 0 ? counted : `${counted}, limits may be written`, means);
  }
  const tried = Math.min(cgroups.length, TRIED_MAX);
  const found = `${counted}; ${refusals.length} of ${tried} may not be written: ${code}`;
  const means = "whose limit cannot be written is left to the kernel, and lends nothing";
  return limited(name, found, means, adviceFor(code));
}

/** Why each of the cgroups' files cannot be opened for writing; a cgroup that went meanwhile does not count. */
function refusalsOf(hierarchy: MemoryHierarchy, cgroups: readonly CgroupFact[], file: string): string[] {
  return cgroups.slice(0, TRIED_MAX).flatMap((cgroup) => {
    const directory = path.join(hierarchy.root, cgroup.path);
    const code = writeRefusal(path.join(directory, file));
    return code === null || (code === "ENOENT" && !fs.existsSync(directory)) ? [] : [code];
  });
}

function writeRefusal(file: string): string | null {
  try {
    fs.closeSync(fs.openSync(file, fs.constants.O_WRONLY));
    return null;
  } catch (error) {
    return codeOf(error);
  }
}

function adviceFor(code: string): string {
  if (isRefusal(code)) return ADVICE_PRIVILEGE;
  if (code === "EROFS")
    return "mount the hierarchy writable (systemd: ProtectControlGroups=no; a container: a writable /sys/fs/cgroup)";
  return "enable the memory controller for them: +memory in their parent's cgroup.subtree_control";
}

/** v1: an eventfd on memory.oom_control, asked for and let go. v2: a file that speaks of the cgroup alone. */
function noticesCheck(hierarchy: MemoryHierarchy, cgroups: readonly CgroupFact[]): Check {
  const name = "rescue notices";
  const directory = path.join(hierarchy.root, cgroups[0]?.path ?? "");
  if (hierarchy.version === 1) {
    const code = oomNoticeRefusal(directory);
    if (code === null) {
      return good(name, "cgroup.event_control takes them", "the kernel says at once who met its limit");
    }
    const found = `${path.join(directory, "cgroup.event_control")}: ${code}`;
    return limited(name, found, "who meets its limit is killed before anybody knows", adviceFor(code));
  }
  if (cgroups.length === 0) {
    return good(name, "no cgroup to look into", "memory.events.local says who comes near its limit");
  }
  const file = path.join(directory, "memory.events.local");
  if (fs.existsSync(file)) {
    return good(name, "memory.events.local is there", "the kernel says at once who comes near its limit");
  }
  const means = "who comes near its limit is killed before anybody knows";
  return limited(name, `${file} is not there`, means, "boot Linux 5.2 or later, with the controller enabled");
}

/** Registers for OOM notices and lets go: closing the event takes it back (cgroup-v1/memory.rst, "OOM Control"). */
function oomNoticeRefusal(directory: string): string | null {
  let control: number;
  try {
    control = fs.openSync(path.join(directory, "memory.oom_control"), fs.constants.O_RDONLY);
  } catch (error) {
    return codeOf(error);
  }
  const event = createEvent();
  try {
    fs.writeFileSync(path.join(directory, "cgroup.event_control"), `${event} ${control}`, { flag: "r+" });
    return null;
  } catch (error) {
    return codeOf(error);
  } finally {
    closeDescriptor(event);
    fs.closeSync(control);
  }
}

function pauseCheck(hierarchy: MemoryHierarchy, cgroups: readonly CgroupFact[]): Check {
  const name = "rescue pause";
  const without = "who grows faster than [rescue] margin foresees is killed at its limit";
  if (hierarchy.version === 2) {
    return limited(
      name,
      "cgroup v2 has none",
      without,
      "choose the margin for the fastest growth you expect",
    );
  }
  const code = refusalsOf(hierarchy, cgroups, "memory.oom_control")[0];
  if (code === undefined) {
    return good(name, "memory.oom_control may be written", "who meets its limit can wait for help there");
  }
  return limited(name, `memory.oom_control: ${code}`, without, adviceFor(code));
}

function swapAccountingCheck(
  { roots }: Subject,
  hierarchy: MemoryHierarchy,
  cgroups: readonly CgroupFact[],
): Check {
  const name = "swap accounting";
  if (meminfoBytes(roots.proc, "SwapTotal") === 0) {
    return good(name, "not needed, there is no swap", "what a cgroup uses is all it holds");
  }
  const file = hierarchy.version === 1 ? "memory.memsw.limit_in_bytes" : "memory.swap.max";
  // The root of v2 has no such file (cgroup-v2.rst).
  const directory = path.join(hierarchy.root, hierarchy.version === 1 ? "" : (cgroups[0]?.path ?? ""));
  if (fs.existsSync(path.join(directory, file))) {
    const means =
      hierarchy.version === 1
        ? "a limit on memory and swap together is raised with the limit on memory"
        : "what a cgroup has in swap is seen";
    return good(name, `${file} is there`, means);
  }
  if (hierarchy.version === 2 && cgroups.length === 0) {
    return good(name, "no cgroup to look into", "nobody has anything in swap that is not seen");
  }
  const means = "what a cgroup has in swap is not seen: a donor may need more than it seems to use";
  return limited(name, `${file} is not there`, means, "boot with swapaccount=1");
}

/** Opening asks for what reading does: CAP_SYSLOG, unless kernel.dmesg_restrict is 0 (Documentation/ABI/testing/dev-kmsg). */
function kernelLogReadCheck(kmsg: string): Check {
  const name = "kernel log, read";
  try {
    fs.closeSync(fs.openSync(kmsg, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK));
    return good(name, `${kmsg} can be read`, "whom the kernel kills for a limit is put on record too");
  } catch (error) {
    const means = "whom the kernel kills for a limit is seen by its counters alone, not by name";
    const advice = "run as root, give it CAP_SYSLOG, or sysctl kernel.dmesg_restrict=0";
    return limited(name, `${kmsg}: ${codeOf(error)}`, means, advice);
  }
}
