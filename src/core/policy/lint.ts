/** Rules that can never fire, and rules that will surprise. Pure: what is known of the host is handed in. */
import { formatBytes } from "../units.ts";
import { ruleLists } from "./compile.ts";
import type { Finding, HostFacts, Report } from "./finding.ts";
import type { LineOf } from "./locate.ts";
import { lintLevels } from "./lint-levels.ts";
import { lintCgroupsHere } from "./lint-cgroups-here.ts";
import { lintRescue } from "./lint-rescue.ts";
import { lintResources } from "./lint-resources.ts";
import { lintRules } from "./lint-rules.ts";
import type { Policy } from "./policy.ts";
import { formatKey } from "./problem.ts";

const SEVERITIES = ["error", "warning", "info"] as const;
const NO_LINES: LineOf = () => null;

/**
 * Everything worth saying about a policy, gravest first, then by line.
 * @param host null: only what holds on every host.
 */
export function lintPolicy(
  policy: Policy,
  host: HostFacts | null = null,
  lineOf: LineOf = NO_LINES,
): Finding[] {
  const findings: Finding[] = [];
  const report: Report = (severity, path, { expected, found, advice }, line = lineOf(path)) => {
    const message = `expected ${expected}, found ${found}`;
    findings.push({ severity, line, key: formatKey(path), expected, found, message, advice });
  };
  lintIntervals(policy, report);
  lintLevels(policy, host, report);
  for (const [list, rules] of ruleLists(policy)) lintRules(list, rules, policy, report);
  lintRescue(policy, host, report);
  lintResources(policy, host, report, lineOf);
  if (host !== null) {
    lintHost(policy, host, report);
    // A pattern that nothing could ever match has been told of.
    const told = new Set(findings.map(({ key }) => key));
    lintCgroupsHere(policy, host, (severity, path, ...rest) => {
      if (!told.has(formatKey(path))) report(severity, path, ...rest);
    });
  }
  return findings.toSorted(
    (a, b) =>
      SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) || (a.line ?? 0) - (b.line ?? 0),
  );
}

function lintIntervals({ memory }: Policy, report: Report): void {
  if (memory.intervalMinMs > memory.intervalMs) {
    report("error", ["memory", "interval_min"], {
      expected: `at most memory.interval (${memory.intervalMs} ms)`,
      found: `${memory.intervalMinMs} ms`,
      advice: "interval_min is the shorter: how often to look when exhaustion is near",
    });
  }
  if (memory.walkIntervalMs > memory.walkIntervalCalmMs) {
    report("warning", ["memory", "walk_interval"], {
      expected: `at most memory.walk_interval_calm (${memory.walkIntervalCalmMs} ms)`,
      found: `${memory.walkIntervalMs} ms`,
      advice: "processes would be looked at less often near a line than on a calm host",
    });
  }
  const { warning, critical, thrashing } = memory;
  if (memory.enabled && warning === null && critical === null && thrashing === null) {
    report("warning", ["memory"], {
      expected: "at least one level switched on",
      found: "none",
      advice: "nothing can ever happen; say memory.enabled = false if that is meant",
    });
  }
}

function lintHost(policy: Policy, host: HostFacts, report: Report): void {
  if (!host.scopeExists) {
    report("warning", ["scope"], {
      expected: "a memory cgroup that exists",
      found: JSON.stringify(policy.scope),
      advice: "make it first, or look at /proc/PID/cgroup for the path of a running program",
    });
  }
  if (policy.memory.thrashing !== null && !host.psi) {
    report("warning", ["memory", "thrashing"], {
      expected: "a kernel with pressure stall information (PSI)",
      found: "no /proc/pressure/memory",
      advice: "thrashing can never fire; boot with psi=1, or say thrashing = false",
    });
  }
  const { totalBytes } = host;
  if (totalBytes !== null && policy.victim.minimumBytes > totalBytes / 2) {
    report("warning", ["victim", "minimum"], {
      expected: `much less than the memory there is (${formatBytes(totalBytes)})`,
      found: formatBytes(policy.victim.minimumBytes),
      advice: "hardly a process could be chosen",
    });
  }
}
