import fs from "node:fs";
import path from "node:path";
import type { CgroupIdentity } from "../../../core/cgroups/columns.ts";
import { compilePatterns } from "../../../core/cgroups/pattern.ts";
import type { MemoryHierarchy } from "../../common/cgroup-path.ts";
import { USAGE_FILE } from "./files.ts";
import { type CgroupNode, CgroupTree } from "./tree.ts";

/** A cgroup that would be followed. */
export type FoundCgroup = Omit<CgroupIdentity, "number">;

/**
 * The memory cgroups that match, and what they lie in, parents first: whom the sampler would follow if it began now.
 * @param scope `host`, or the path of a cgroup: only it and those below it
 * @throws RangeError on a pattern that compilePatterns refuses
 */
export function findCgroups(
  hierarchy: MemoryHierarchy,
  patterns: readonly string[],
  scope = "host",
): FoundCgroup[] {
  const matches = compilePatterns(patterns);
  const nothing = (): void => undefined;
  const tree = new CgroupTree(hierarchy, scope, { appeared: nothing, stayed: nothing, vanished: nothing });
  tree.beginScan();
  tree.scan(() => true);
  const usage = USAGE_FILE[hierarchy.version];
  const nodes = [...tree.nodes()].filter(({ directory }) => fs.existsSync(path.join(directory, usage)));
  const above = new Set<CgroupNode>();
  const matched = new Set(nodes.filter((node) => matches(node.path)));
  for (const { parent } of matched) {
    for (let node = parent; node !== null && node.path !== ""; node = node.parent) above.add(node);
  }
  return nodes
    .filter((node) => matched.has(node) || above.has(node))
    .map((node) => ({ path: node.path, inode: node.inode, onlyAncestor: !matched.has(node) }));
}

/** Those of the patterns that match none of the paths. */
export function idlePatterns(patterns: readonly string[], paths: readonly string[]): string[] {
  return [...new Set(patterns)].filter((pattern) => !paths.some(compilePatterns([pattern])));
}
