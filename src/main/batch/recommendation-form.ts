import path from "node:path";
import { dropInPath, dropInText } from "../../core/calibration/systemd.ts";
import { formatBytes } from "../../core/units.ts";
import { packageVersion } from "../cli/version.ts";
import type { CgroupRecommendation } from "./recommendations.ts";
import { makeDirectory, refuseOverwriting, writeResult } from "./write-result.ts";

/** One object, by cgroup; bytes. */
export function recommendationsJson(recommendations: readonly CgroupRecommendation[]): string {
  const entries = recommendations.map((each) => [
    each.path,
    {
      limit_bytes: each.limitBytes,
      memory_max: each.advice.maxBytes,
      memory_high: each.advice.highBytes,
      memory_low: each.advice.lowBytes,
      unit: each.unit?.name ?? null,
      command: each.command,
      why: each.advice.why,
    },
  ]);
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`;
}

/** For people. */
export function recommendationsText(
  recommendations: readonly CgroupRecommendation[],
  margin: string,
): string {
  if (recommendations.length === 0)
    return "nothing to recommend: no cgroup that can have a limit has a sample\n";
  const parts = recommendations.map(({ path, limitBytes, advice, unit, command }) => {
    const now = limitBytes === null ? "no limit now" : `limit now ${formatBytes(limitBytes)}`;
    const { maxBytes, highBytes, lowBytes, why } = advice;
    const how = unit === null ? command : `drop-in ${dropInPath(unit)}: --format systemd`;
    return [
      `${path}: ${now}`,
      `  MemoryMax ${formatBytes(maxBytes)}, MemoryHigh ${formatBytes(highBytes)}, MemoryLow ${formatBytes(lowBytes)}`,
      `  ${why}`,
      `  ${how}`,
    ].join("\n");
  });
  return `${parts.join("\n")}\n${recommendations.length} cgroups, margin ${margin}; nothing was changed\n`;
}

/** Drop-ins one after the other, each under its place; what is no unit as its command, in a comment. */
export function dropInsText(recommendations: readonly CgroupRecommendation[]): string {
  const version = packageVersion();
  return recommendations
    .map(({ path, advice, unit, command }) =>
      unit === null
        ? `# ${path} is no systemd unit: ${command}\n`
        : `# ${dropInPath(unit)}\n${dropInText(unit, advice, version)}`,
    )
    .join("\n");
}

/**
 * Writes a drop-in for each unit below `directory`, and tells of those that are none.
 * @throws Fault when one is there already, unless `force`, or cannot be written
 */
export function writeDropIns(
  recommendations: readonly CgroupRecommendation[],
  directory: string,
  force: boolean,
): void {
  const version = packageVersion();
  const files = new Map<string, string>();
  for (const { path: cgroup, advice, unit, command } of recommendations) {
    if (unit === null) process.stderr.write(`plimsoll: ${cgroup} is no systemd unit; by hand: ${command}\n`);
    else files.set(path.join(directory, dropInPath(unit)), dropInText(unit, advice, version));
  }
  refuseOverwriting([...files.keys()], force);
  for (const [file, text] of files) {
    makeDirectory(path.dirname(file));
    writeResult(file, text);
    process.stdout.write(`${file}\n`);
  }
}
