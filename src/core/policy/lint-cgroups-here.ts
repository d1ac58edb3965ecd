/** What is odd about the policy's patterns of cgroups, held against the cgroups that are there now. */
import { compilePatterns } from "../cgroups/pattern.ts";
import { formatBytes } from "../units.ts";
import type { CgroupFact, HostFacts, Report } from "./finding.ts";
import { formatAmount } from "./lint-levels.ts";
import { saidPatterns } from "./lint-rescue.ts";
import { type Policy, rescues } from "./policy.ts";

/** It is no slip where there are none. */
const EVERY_CGROUP = "/**";

export function lintCgroupsHere(policy: Policy, host: HostFacts, report: Report): void {
  if (host.cgroupVersion === null) {
    if (rescues(policy)) lintNoController(report);
    return;
  }
  if (policy.cgroups.enabled) lintMatches(policy, host, report);
  if (rescues(policy)) lintRescueHere(policy, host, report);
}

/** The cgroups that patterns match now, of those in the policy's scope. */
export function matching(
  patterns: readonly string[],
  { scope }: Pick<Policy, "scope">,
  cgroups: readonly CgroupFact[],
): CgroupFact[] {
  const matches = compilePatterns(patterns);
  const within = scope === "host" ? "/" : `${scope}/`;
  return cgroups.filter(({ path }) => (path === scope || path.startsWith(within)) && matches(path));
}

function lintNoController(report: Report): void {
  report("warning", ["rescue", "cgroups"], {
    expected: "a host with the memory controller",
    found: "none",
    advice: "no limit can be moved; plimsoll doctor tells more",
  });
}

function lintMatches(policy: Policy, host: HostFacts, report: Report): void {
  for (const { path, pattern } of saidPatterns(policy)) {
    if (pattern === EVERY_CGROUP) continue;
    if (matching([pattern], policy, host.cgroups).length > 0) continue;
    report("warning", path, {
      expected: "a pattern of cgroups that are there",
      found: `${JSON.stringify(pattern)}, which matches none of ${host.cgroups.length}`,
      advice: "it counts as soon as one appears; look at /proc/PID/cgroup for the path of a running program",
    });
  }
}

function lintRescueHere(policy: Policy, host: HostFacts, report: Report): void {
  const { rescue } = policy;
  const receivers = matching(rescue.cgroups, policy, host.cgroups);
  if (receivers.length > 0 && receivers.every(({ limitBytes }) => limitBytes === null)) {
    report("info", ["rescue", "cgroups"], {
      expected: "cgroups with a limit of their own",
      found: `${receivers.length} without`,
      advice: "who has no limit cannot run into it: nobody need be rescued until one is set",
    });
  }
  if (host.cgroupVersion === 2 && rescue.pause.length > 0) {
    report("info", ["rescue", "pause"], {
      expected: "cgroup v1, where a cgroup can wait at its limit",
      found: "cgroup v2",
      advice: "there memory.high slows a cgroup down before its limit; nothing need be done",
    });
  }
  const { totalBytes } = host;
  if (totalBytes !== null && "bytes" in rescue.hostReserve && rescue.hostReserve.bytes >= totalBytes) {
    report("warning", ["rescue", "host_reserve"], {
      expected: `less than the memory there is (${formatBytes(totalBytes)})`,
      found: formatAmount(rescue.hostReserve),
      advice: "nothing could ever be added",
    });
  }
}
