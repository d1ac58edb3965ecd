import fs from "node:fs";
import path from "node:path";
import { compilePatterns } from "../../core/cgroups/pattern.ts";
import { ExitCode, Fault } from "../../core/fault.ts";
import { nearestWord } from "../../core/policy/problem.ts";
import type { MemoryHierarchy } from "../../workers/common/cgroup-path.ts";

const EXAMPLES_SHOWN = 5;

/**
 * How many cgroups there are now that the patterns match.
 * @throws Fault (usage) when a pattern is none, or none matches anything: nothing would be recorded
 */
export function countMatching(hierarchy: MemoryHierarchy, patterns: readonly string[]): number {
  let matches: (path: string) => boolean;
  try {
    matches = compilePatterns(patterns);
  } catch (error) {
    throw new Fault(ExitCode.usage, `--cgroup: ${(error as Error).message}`);
  }
  const paths = [...cgroupPaths(hierarchy.root, "")];
  const count = paths.filter((each) => matches(each)).length;
  if (count > 0) return count;
  throw new Fault(
    ExitCode.usage,
    `--cgroup: expected patterns that match a cgroup below ${hierarchy.root}, found none that match ${patterns.map((each) => `"${each}"`).join(", ")}; ${advice(patterns, paths)}`,
  );
}

function* cgroupPaths(root: string, below: string): Generator<string> {
  let children: fs.Dirent[];
  try {
    children = fs.readdirSync(path.join(root, below), { withFileTypes: true });
  } catch {
    // It was removed meanwhile.
    return;
  }
  for (const child of children) {
    if (!child.isDirectory()) continue;
    yield `${below}/${child.name}`;
    yield* cgroupPaths(root, `${below}/${child.name}`);
  }
}

function advice(patterns: readonly string[], paths: readonly string[]): string {
  if (paths.length === 0) return "there is no cgroup but the root";
  const near = new Set<string>();
  for (const pattern of patterns) {
    const name = pattern.split("/").findLast((each) => !/^\**$/.test(each)) ?? "";
    const nearest = nearestWord(pattern, paths);
    if (nearest !== null) near.add(nearest);
    for (const each of paths) if (name !== "" && path.basename(each).includes(name)) near.add(each);
  }
  if (near.size > 0) return `did you mean ${[...near].slice(0, EXAMPLES_SHOWN).join(", ")}?`;
  const more = paths.length > EXAMPLES_SHOWN ? `, and ${paths.length - EXAMPLES_SHOWN} more` : "";
  return `there are ${paths.slice(0, EXAMPLES_SHOWN).join(", ")}${more}`;
}
