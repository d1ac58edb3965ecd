import fs from "node:fs";
import path from "node:path";

export type CgroupVersion = 1 | 2;

/** Where the memory controller's hierarchy is. */
export interface MemoryHierarchy {
  readonly version: CgroupVersion;
  /** The directory of its root cgroup. */
  readonly root: string;
}

/**
 * Finds the hierarchy that has the memory controller: cgroup v2 at the root itself or in `unified`, v1 in `memory`.
 * @returns null when there is none
 */
export function findMemoryHierarchy(cgroupRoot: string): MemoryHierarchy | null {
  const v1 = path.join(cgroupRoot, "memory");
  if (fs.existsSync(path.join(v1, "memory.usage_in_bytes"))) return { version: 1, root: v1 };
  for (const root of [cgroupRoot, path.join(cgroupRoot, "unified")]) {
    try {
      const controllers = fs.readFileSync(path.join(root, "cgroup.controllers"), "utf8");
      if (controllers.split(/\s+/).includes("memory")) return { version: 2, root };
    } catch {
      // Not a cgroup v2 root.
    }
  }
  return null;
}

/** The directories of a cgroup and its ancestors below the hierarchy's root, the cgroup first. */
export function cgroupAncestry(hierarchy: MemoryHierarchy, scope: string): string[] {
  const names = scope.split("/").filter((name) => name !== "");
  return names.map((_, i) => path.join(hierarchy.root, ...names.slice(0, names.length - i)));
}
