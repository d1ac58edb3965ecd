import fs from "node:fs";
import path from "node:path";
import { ExitCode, Fault } from "../../core/fault.ts";
import { MEMORY_COLUMNS, Mem } from "../../core/samples.ts";
import { formatBytes } from "../../core/units.ts";
import { findMemoryHierarchy, type MemoryHierarchy } from "../../workers/common/cgroup-path.ts";
import { openMemoryReader } from "../../workers/sampler/memory/open-reader.ts";
import { usageTrigger } from "../../workers/sentinel/triggers.ts";
import { type Check, good, limited, missing, type Subject } from "./check.ts";
import { ownCgroup } from "./files.ts";

/** A threshold that no usage crosses while the doctor looks. */
const OUT_OF_REACH_BYTES = 2 ** 50;

export function cgroupChecks(subject: Subject): Check[] {
  const hierarchy = findMemoryHierarchy(subject.roots.cgroup);
  if (hierarchy === null) return [noController(subject), ...scopeChecks(subject)];
  const found = `cgroup v${hierarchy.version}, memory controller at ${hierarchy.root}`;
  return [
    good("cgroups", found, "single cgroups can be guarded: --scope"),
    cgroupKillCheck(subject, hierarchy),
    ...(hierarchy.version === 1 ? [thresholdCheck(subject, hierarchy)] : []),
    ...scopeChecks(subject),
  ];
}

function noController({ roots, scope }: Subject): Check {
  const means = "the host as a whole can be guarded, single cgroups cannot";
  const check = missing(
    "cgroups",
    `no memory controller below ${roots.cgroup}`,
    means,
    "mount cgroup2 with the memory controller enabled in cgroup.subtree_control",
  );
  return { ...check, essential: scope !== "host" };
}

/** cgroup.kill is in every cgroup but the root (Documentation/admin-guide/cgroup-v2.rst), so one below it is looked into. */
function cgroupKillCheck(subject: Subject, hierarchy: MemoryHierarchy): Check {
  const without = "a cgroup that is to end as one has its processes signalled one by one";
  if (hierarchy.version === 1) {
    return limited("cgroup.kill", "cgroup v1 has none", without, "boot with cgroup v2 where that matters");
  }
  const places = [...(ownCgroup(subject.roots, hierarchy)?.directories ?? []), ...childrenOf(hierarchy.root)];
  if (places.some((place) => fs.existsSync(path.join(place, "cgroup.kill")))) {
    return good("cgroup.kill", "there", "a cgroup that is to end as one ends at one stroke");
  }
  return limited("cgroup.kill", "not there", without, "boot Linux 5.14 or later");
}

function childrenOf(directory: string): string[] {
  try {
    const entries = fs.readdirSync(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => path.join(directory, name));
  } catch {
    return [];
  }
}

/** Registers a threshold on the scope (without one, on the root) and lets it go; closing the event takes it back. */
function thresholdCheck({ scope, uid }: Subject, hierarchy: MemoryHierarchy): Check {
  const name = "usage thresholds";
  const directory = scope === "host" ? hierarchy.root : path.join(hierarchy.root, scope);
  const trigger = usageTrigger(directory, OUT_OF_REACH_BYTES);
  if (trigger !== null) {
    trigger.close();
    return good(name, "the kernel takes them", "in a scope the kernel says at once that a line is crossed");
  }
  const found = `${path.join(directory, "cgroup.event_control")} does not take one`;
  const means = "in a scope a crossing is seen at the next sample, milliseconds later";
  return limited(
    name,
    found,
    means,
    uid === 0 ? "name a scope that exists" : "run as root, or own the cgroup",
  );
}

function scopeChecks(subject: Subject): Check[] {
  if (subject.scope === "host") return [];
  const { scope } = subject;
  try {
    const reader = openMemoryReader(subject.roots, scope);
    const frame = new Float64Array(MEMORY_COLUMNS.length).fill(Number.NaN);
    reader.read(frame);
    reader.close();
    const total = frame[Mem.totalBytes] as number;
    if (total > 0) {
      const found = `${scope}: ${formatBytes(frame[Mem.availableBytes] as number)} of ${formatBytes(total)} available`;
      return [good("scope", found, "its limit, usage and processes stand for the host's")];
    }
    const means = "without a limit there is no line to guard";
    const advice = `write one to ${scope}'s memory.max (v1: memory.limit_in_bytes)`;
    return [{ ...missing("scope", `${scope} has no limit`, means, advice), essential: true }];
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const needsRoot = error.code === ExitCode.notPermitted;
    const check = missing("scope", error.message, "it cannot be guarded", "name a memory cgroup that exists");
    return [{ ...check, essential: true, needsRoot }];
  }
}
