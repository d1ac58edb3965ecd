/** Which cgroups a policy follows, whose limits it lets be moved, and how far: in plain words. */
import { formatBytes, formatDuration, formatShare } from "../units.ts";
import type { CgroupFact, HostFacts } from "./finding.ts";
import { matching } from "./lint-cgroups-here.ts";
import { formatAmount } from "./lint-levels.ts";
import { type Policy, rescues } from "./policy.ts";

type Line = readonly [name: string, text: string];

/** More names than these are counted. */
const NAMES_SHOWN = 5;

/**
 * Lines for {@link describePolicy}.
 * @param host null: nothing is said of the cgroups that match now
 */
export function describeCgroups(policy: Policy, host: HostFacts | null): Line[] {
  const { cgroups } = policy;
  if (!cgroups.enabled) return [["cgroups", "not followed; nobody's limit is changed"]];
  const often = `usage every ${formatDuration(cgroups.intervalMs)}, limits, events and memory.stat every ${formatDuration(cgroups.intervalMs * cgroups.statEvery)}`;
  const calibrated = Object.keys(cgroups.calibration).length;
  return [
    ["cgroups", named(cgroups.watch, policy, host)],
    ["", `${often}; new ones are found within ${formatDuration(cgroups.scanMs)}`],
    [
      "calibration",
      `${cgroups.calibrationPath === null ? "none" : `${calibrated} ${calibrated === 1 ? "cgroup" : "cgroups"} of ${cgroups.calibrationPath}`}; learned while running, a sample counts half after ${formatDuration(cgroups.halfLifeMs)}`,
    ],
    ...(rescues(policy) ? describeRescue(policy, host) : [NOBODY]),
  ];
}

const NOBODY: Line = [
  "rescue",
  "nobody: no limit is changed, nobody is paused; limits that would suit are recommended",
];

function describeRescue(policy: Policy, host: HostFacts | null): Line[] {
  const { rescue } = policy;
  const adds = `${formatBytes(rescue.addMinBytes)} to ${formatBytes(rescue.addMaxBytes)}`;
  const keeps = `${formatAmount(rescue.donorMargin)} more than it uses`;
  return [
    ["rescue", `may be given memory: ${named(rescue.cgroups, policy, host)}`],
    ["donors", `may lend it: ${named(rescue.donors, policy, host)}`],
    ["pause", describePause(policy, host)],
    ["begins", `${describeMargin(rescue.marginBytes)}when the kernel says that it is met`],
    ["adds", `what lasts ${formatDuration(rescue.reactionMs)} at the present growth: ${adds} an event`],
    ["step 1", `from nobody, ${describeHeadroom(policy)}`],
    [
      "step 2",
      `from donors that use less than their median, by their slack; each keeps its calibrated minimum, its memory.min and memory.low, and ${keeps}`,
    ],
    [
      "at most",
      `${formatShare(rescue.lendShareMax)} of a cgroup's own limit, ${rescue.rescuesMax} times within ${formatDuration(rescue.rescuesWithinMs)}; then the kernel or the ladder decides`,
    ],
    [
      "goes back",
      `when it was not needed for ${formatDuration(rescue.returnAfterMs)}, or a donor needs it; all of it when the guard ends, however it ends`,
    ],
  ];
}

function describeMargin(marginBytes: number): string {
  return marginBytes === 0
    ? "at the limit, "
    : `${formatBytes(marginBytes)} below a limit (nearer to a small one), or `;
}

function describeHeadroom({ rescue }: Policy): string {
  const above = `while what it lies in uses less than ${formatShare(rescue.globalThreshold)} of its limit`;
  return `${above} and ${formatAmount(rescue.hostReserve)} of the host's memory stays available`;
}

function describePause(policy: Policy, host: HostFacts | null): string {
  const { pause } = policy.rescue;
  if (pause.length === 0) return "nobody: who meets its limit before help comes is left to the kernel";
  const version = host?.cgroupVersion === 2 ? "; not on this host, which has cgroup v2" : " (cgroup v1)";
  return `may wait at its limit for help instead of dying${version}: ${named(pause, policy, host)}`;
}

/** Patterns, and whom they match now. */
function named(patterns: readonly string[], policy: Policy, host: HostFacts | null): string {
  const said = patterns.length === 0 ? "nobody" : patterns.join(", ");
  if (host === null || patterns.length === 0) return said;
  return `${said} (now ${counted(matching(patterns, policy, host.cgroups))})`;
}

function counted(found: readonly CgroupFact[]): string {
  if (found.length === 0) return "none";
  const shown = found.slice(0, NAMES_SHOWN).map(({ path }) => path);
  const more = found.length - shown.length;
  const names = `${found.length}: ${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  const unlimited = found.filter(({ limitBytes }) => limitBytes === null).length;
  if (unlimited === 0) return names;
  const whole = unlimited === 1 ? "it has" : "all have";
  const part = `${unlimited} of them ${unlimited === 1 ? "has" : "have"}`;
  return `${names}; ${unlimited === found.length ? whole : part} no limit`;
}
