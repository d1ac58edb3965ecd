/** What `check` holds a policy against. Read once, with plain reads; the guard itself has its samplers. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defaultRouteInterfaces } from "../../core/net/guarded.ts";
import type { CgroupFact, HostFacts, ResourceFacts } from "../../core/policy/finding.ts";
import { readSwitches } from "./kernel-switches.ts";
import { findMemoryHierarchy, type MemoryHierarchy } from "../../workers/common/cgroup-path.ts";

export interface HostRoots {
  readonly procRoot: string;
  readonly cgroupRoot: string;
}

/** Facts of the host for a policy with this scope; what cannot be read is null. */
export function readHostFacts(scope: string, { procRoot, cgroupRoot }: HostRoots): HostFacts {
  const meminfo = readText(join(procRoot, "meminfo")) ?? "";
  const hostBytes = meminfoBytes(meminfo, "MemTotal");
  const directory = scope === "host" ? null : scopeDirectory(cgroupRoot, scope);
  const limitBytes = directory === null ? null : cgroupLimitBytes(directory);
  const hierarchy = findMemoryHierarchy(cgroupRoot);
  return {
    totalBytes: hostBytes === null || limitBytes === null ? hostBytes : Math.min(hostBytes, limitBytes),
    swapTotalBytes: meminfoBytes(meminfo, "SwapTotal"),
    psi: existsSync(join(procRoot, "pressure", "memory")),
    scopeExists: scope === "host" || directory !== null,
    cgroupVersion: hierarchy?.version ?? null,
    cgroups: hierarchy === null ? [] : listCgroups(hierarchy),
    resources: readResourceFacts(procRoot),
  };
}

function readResourceFacts(procRoot: string): ResourceFacts {
  const processors = readText(join(procRoot, "stat"))?.match(/^cpu\d+ /gm)?.length ?? null;
  return {
    processors,
    ioPressure: existsSync(join(procRoot, "pressure", "io")),
    defaultRouteInterfaces: [
      ...defaultRouteInterfaces(netTable(procRoot, "route"), netTable(procRoot, "ipv6_route")),
    ],
    switches: readSwitches(procRoot, process.env),
  };
}

/** Of the own network namespace. */
function netTable(procRoot: string, name: string): string {
  return readText(join(procRoot, "self/net", name)) ?? "";
}

/** All memory cgroups below the root, parents before what lies in them; one that goes meanwhile may be missing. */
export function listCgroups({ root }: MemoryHierarchy): CgroupFact[] {
  const found: CgroupFact[] = [];
  const paths = [""];
  for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
    const directory = join(root, path);
    if (path !== "") found.push({ path, limitBytes: cgroupLimitBytes(directory) });
    for (const name of namesIn(directory).toReversed()) paths.push(`${path}/${name}`);
  }
  return found;
}

function namesIn(directory: string): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return [];
  }
}

/** A cgroup's memory directory: of the v1 hierarchy, of a hybrid's v2 one, or of v2 (cgroups(7)). */
function scopeDirectory(cgroupRoot: string, scope: string): string | null {
  const places = [join(cgroupRoot, "memory", scope), join(cgroupRoot, scope)];
  return places.find((place) => existsSync(join(place, "cgroup.procs"))) ?? null;
}

/** Null without a limit: `max` in v2, more than a number can hold exactly in v1. */
function cgroupLimitBytes(directory: string): number | null {
  const text =
    readText(join(directory, "memory.limit_in_bytes")) ?? readText(join(directory, "memory.max")) ?? "max";
  const bytes = Number(text.trim());
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** A line of proc_meminfo(5), whose "kB" are 1024 bytes. */
function meminfoBytes(meminfo: string, key: string): number | null {
  const kibibytes = new RegExp(`^${key}:\\s+(\\d+) kB$`, "m").exec(meminfo)?.[1];
  return kibibytes === undefined ? null : Number(kibibytes) * 1024;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
