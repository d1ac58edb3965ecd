import { Command } from "commander";
import { ExitCode } from "../../core/fault.ts";
import { describePolicy } from "../../core/policy/describe.ts";
import type { Finding, HostFacts } from "../../core/policy/finding.ts";
import { matching } from "../../core/policy/lint-cgroups-here.ts";
import { PolicyFault } from "../../core/policy/problem.ts";
import { readHostFacts } from "../config/host-facts.ts";
import type { CheckedPolicy } from "../config/load-policy.ts";

const EXAMPLES = `
Examples:
  plimsoll check                          the built-in policy
  plimsoll check /etc/plimsoll.toml       a file, with all its mistakes at once
  plimsoll check my.toml --json | jq '.findings[] | select(.severity == "warning")'

Exit codes: 0 the policy is good (there may be advice), 2 usage, 3 the policy is bad.`;

interface CheckOptions {
  readonly profile?: string;
  readonly json?: boolean;
}

/** `plimsoll check`: the compiled policy and what lint says of it, on stdout. Throws PolicyFault for a bad one. */
export function checkCommand(): Command {
  return new Command("check")
    .description(
      "show the compiled policy, whom it is about here, its mistakes, and rules that can never fire",
    )
    .argument("[file]", "policy file (TOML); without one the profile alone is shown")
    .option("--profile <name>", "ready policy underneath the file")
    .option("--json", "print the compiled policy and the findings as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string | undefined, options: CheckOptions) => {
      await check(file, options, (scope) =>
        readHostFacts(scope, { procRoot: "/proc", cgroupRoot: "/sys/fs/cgroup" }),
      );
    });
}

async function check(
  file: string | undefined,
  options: CheckOptions,
  factsOf: (scope: string) => HostFacts,
): Promise<void> {
  // Only here: a guard that runs need not keep in memory what reads policies.
  const { checkPolicy } = await import("../config/load-policy.ts");
  try {
    const checked = checkPolicy({ file, profile: options.profile }, factsOf);
    process.stdout.write(options.json === true ? checkedJson(checked) : toText(checked));
  } catch (error) {
    if (!(error instanceof PolicyFault) || options.json !== true) throw error;
    // A reader of JSON gets the mistakes as data; the exit code says the same.
    process.stdout.write(toJson({ valid: false, problems: error.problems }));
    process.exitCode = ExitCode.badPolicy;
  }
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function checkedJson({ policy, findings, host }: CheckedPolicy): string {
  const { cgroups, rescue } = policy;
  const lists = { watch: cgroups.watch, cgroups: rescue.cgroups, donors: rescue.donors, pause: rescue.pause };
  const matches = Object.entries(lists).map(([list, patterns]) => [
    list,
    matching(patterns, policy, host?.cgroups ?? []),
  ]);
  return toJson({ valid: true, policy, findings, matches: Object.fromEntries(matches) });
}

function toText({ policy, findings, host }: CheckedPolicy): string {
  const advice = findings.map((finding) => formatFinding(finding, policy.source));
  const end = advice.length === 0 ? "no findings" : advice.join("\n");
  return `${describePolicy(policy, host)}\n${end}\n`;
}

function formatFinding({ severity, line, key, message, advice }: Finding, source: string): string {
  const place = line === null ? source : `${source}:${line}`;
  return `${severity}: ${place}:${key === "" ? "" : ` ${key}:`} ${message}; ${advice}`;
}
