/** From files to the policy: the built-in one, a profile over it, the user's file over that. */
import { compilePolicy } from "../../core/policy/compile.ts";
import type { PolicyLayer } from "../../core/policy/document.ts";
import type { Finding, HostFacts } from "../../core/policy/finding.ts";
import { lintPolicy } from "../../core/policy/lint.ts";
import type { LineOf } from "../../core/policy/locate.ts";
import type { CgroupsPolicy, Policy } from "../../core/policy/policy.ts";
import { formatKey, PolicyFault, type PolicyProblem } from "../../core/policy/problem.ts";
import { ExitCode, Fault } from "../../core/fault.ts";
import { type ApplicationOverrides, lintNamedModule, overrideApplications } from "./override-applications.ts";
import { parsePolicy } from "./parse-policy.ts";
import { passwdLookup } from "./passwd.ts";
import { PROFILE_DEFAULT, profilePath } from "./profiles.ts";
import { readCalibration } from "./read-calibration.ts";
import { readPolicyText } from "./read-text.ts";
import { readScope } from "./read-values.ts";

export interface PolicyRequest {
  /** The user's policy file. Without one the profile alone counts. */
  readonly file?: string | undefined;
  /** Name of the profile underneath; `default` when not given. */
  readonly profile?: string | undefined;
  /** What the command line says counts before any file. */
  readonly overrides?:
    | {
        readonly scope?: string | undefined;
        readonly dryRun?: boolean | undefined;
        readonly app?: ApplicationOverrides | undefined;
        /** Absolute. */
        readonly dataset?: string | undefined;
      }
    | undefined;
  /** Where users' names are looked up (passwd(5)). */
  readonly passwdPath?: string | undefined;
}

export interface CheckedPolicy {
  readonly policy: Policy;
  /** Advice; never of severity error. */
  readonly findings: readonly Finding[];
  /** What it was held against; null when nothing was asked of the host. */
  readonly host: HostFacts | null;
}

/**
 * The policy to guard by.
 * @throws PolicyFault (exit code 3) with all that is wrong; Fault (usage) for an unknown profile or a bad scope.
 */
export function loadPolicy(request: PolicyRequest = {}): Policy {
  return checkPolicy(request).policy;
}

/**
 * The policy, and what lint says of it.
 * @param factsOf what is known of the host, asked once the policy's scope is known.
 * @throws as loadPolicy.
 */
export function checkPolicy(
  request: PolicyRequest = {},
  factsOf?: (scope: string) => HostFacts,
): CheckedPolicy {
  const { layers, findings } = readLayers(request);
  const said = readNamedCalibration(layers);
  const moduleProblems = request.overrides?.app?.callbacks === undefined ? lintNamedModule(layers) : [];
  const policy = withOverrides(compilePolicy(layers, said.calibration), request.overrides ?? {});
  const lineOf: LineOf = (path) => layers.at(-1)?.lineOf(path) ?? null;
  const host = factsOf?.(policy.scope) ?? null;
  const all = [...lintPolicy(policy, host, lineOf), ...findings, ...said.findings];
  const errors = all.filter(({ severity }) => severity === "error");
  const problems = [
    ...said.problems,
    ...moduleProblems,
    ...errors.map((error) => asProblem(error, policy.source)),
  ];
  if (problems.length > 0) throw new PolicyFault(problems);
  return { policy, findings: all, host };
}

/** What stands in the file that the topmost `cgroups.calibration` names, or what is wrong with it. */
function readNamedCalibration(layers: readonly PolicyLayer[]): {
  readonly calibration: CgroupsPolicy["calibration"];
  readonly findings: readonly Finding[];
  readonly problems: readonly PolicyProblem[];
} {
  const layer = layers.findLast(({ document }) => document.cgroups?.calibration !== undefined);
  const path = layer?.document.cgroups?.calibration;
  if (layer === undefined || path === undefined) return { calibration: {}, findings: [], problems: [] };
  const read = readCalibration(path);
  if (read.ok) {
    const advice = `whoever writes it moves the floors of who lends: chmod go-w ${path}`;
    const findings = read.writableByOthers ? [writableByOthers(path, advice)] : [];
    return { calibration: read.calibration, findings, problems: [] };
  }
  const keys = ["cgroups", "calibration"];
  const place = { file: layer.file, line: layer.lineOf(keys), column: null, key: formatKey(keys) };
  return { calibration: {}, findings: [], problems: read.refusals.map((each) => ({ ...place, ...each })) };
}

function readLayers(request: PolicyRequest): { layers: PolicyLayer[]; findings: Finding[] } {
  const names = new Set([PROFILE_DEFAULT, request.profile ?? PROFILE_DEFAULT]);
  const uidOf = passwdLookup(request.passwdPath ?? "/etc/passwd");
  const problems: PolicyProblem[] = [];
  const layers: PolicyLayer[] = [];
  const findings: Finding[] = [];
  const read = (path: string, file: string, builtIn: boolean): void => {
    const text = readPolicyText(path);
    if (!text.ok) {
      const { expected, found, advice } = text;
      problems.push({ file, line: null, column: null, key: "", expected, found, advice });
      return;
    }
    if (text.writableByOthers && !builtIn) {
      findings.push(
        writableByOthers(file, `whoever writes it chooses what the guard ends and runs: chmod go-w ${file}`),
      );
    }
    const parsed = parsePolicy(text.text, file, uidOf, builtIn);
    if (parsed.ok) layers.push(parsed.layer);
    else problems.push(...parsed.problems);
  };
  for (const name of names) read(profilePath(name), `built-in:${name}`, true);
  if (request.file !== undefined) read(request.file, request.file, false);
  if (problems.length > 0) throw new PolicyFault(problems);
  return { layers, findings };
}

function writableByOthers(file: string, advice: string): Finding {
  const expected = "a file that its owner alone may write";
  const found = `${file}, which others may write`;
  const message = `expected ${expected}, found ${found}`;
  return { severity: "warning", line: null, key: "", expected, found, message, advice };
}

function withOverrides(policy: Policy, overrides: NonNullable<PolicyRequest["overrides"]>): Policy {
  const scope = overrides.scope === undefined ? null : readScope(overrides.scope);
  if (scope !== null && !scope.ok) {
    throw new Fault(ExitCode.usage, `--scope: expected ${scope.expected}, found ${scope.found}`);
  }
  const said = { ...policy, scope: scope?.value ?? policy.scope, dryRun: overrides.dryRun ?? policy.dryRun };
  if (overrides.dataset !== undefined && said.scope !== "host") {
    const advice = "the tables are the host's; leave --scope or the option out";
    throw new Fault(ExitCode.usage, `--dataset: expected the scope host, found ${said.scope}; ${advice}`);
  }
  const dataset =
    overrides.dataset === undefined ? {} : { samples: true, datasetDirectory: overrides.dataset };
  return {
    ...said,
    app: overrideApplications(said, overrides.app ?? {}),
    record: { ...policy.record, ...dataset },
  };
}

function asProblem({ line, key, expected, found, advice }: Finding, file: string): PolicyProblem {
  return { file, line, column: null, key, expected, found, advice };
}
