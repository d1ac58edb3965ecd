import { ExitCode, Fault } from "../../../core/fault.ts";
import { findMemoryHierarchy } from "../../common/cgroup-path.ts";
import type { HostRoots } from "../../common/roots.ts";
import { CgroupMemoryReader } from "./cgroup-reader.ts";
import { HostMemoryReader } from "./host-reader.ts";
import type { MemoryReader } from "./memory-reader.ts";
import { ReturningReader } from "./returning-reader.ts";

/**
 * The reader for a policy's scope. A cgroup that is removed later is absent, and read again when it is back.
 * @throws Fault when the scope is not there or this host has no memory controller
 */
export function openMemoryReader(roots: HostRoots, scope: string): MemoryReader {
  if (scope === "host") return new HostMemoryReader(roots.proc);
  const hierarchy = findMemoryHierarchy(roots.cgroup);
  if (hierarchy === null) {
    throw new Fault(
      ExitCode.unsupportedHost,
      `scope ${scope}: expected a cgroup hierarchy with the memory controller below ${roots.cgroup}, found none; guard the whole host (scope = "host") or mount one`,
    );
  }
  try {
    return new ReturningReader(() => new CgroupMemoryReader(roots.proc, hierarchy, scope));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Fault(
      code === "EACCES" || code === "EPERM" ? ExitCode.notPermitted : ExitCode.fault,
      `scope ${scope}: expected a memory cgroup below ${hierarchy.root}, found: ${message}; name one that exists and has a limit`,
    );
  }
}
