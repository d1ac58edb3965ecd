/** From files to the policy: the built-in one, a profile over it, the user's file over that. */
import { compilePolicy } from "../../core/policy/compile.ts";
import type { PolicyLayer } from "../../core/policy/document.ts";
import type { Finding, HostFacts } from "../../core/policy/finding.ts";
import { lintPolicy } from "../../core/policy/lint.ts";
import type { LineOf } from "../../core/policy/locate.ts";
import type { Policy } from "../../core/policy/policy.ts";
import { PolicyFault, type PolicyProblem } from "../../core/policy/problem.ts";
import { ExitCode, Fault } from "../../core/fault.ts";
import { parsePolicy } from "./parse-policy.ts";
import { passwdLookup } from "./passwd.ts";
import { PROFILE_DEFAULT, profilePath } from "./profiles.ts";
import { readPolicyText } from "./read-text.ts";
import { readScope } from "./read-values.ts";

export interface PolicyRequest {
  /** The user's policy file. Without one the profile alone counts. */
  readonly file?: string | undefined;
  /** Name of the profile underneath; `default` when not given. */
  readonly profile?: string | undefined;
  /** What the command line says counts before any file. */
  readonly overrides?:
    | { readonly scope?: string | undefined; readonly dryRun?: boolean | undefined }
    | undefined;
  /** Where users' names are looked up (passwd(5)). */
  readonly passwdPath?: string | undefined;
}

export interface CheckedPolicy {
  readonly policy: Policy;
  /** Advice; never of severity error. */
  readonly findings: readonly Finding[];
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
  const policy = withOverrides(compilePolicy(layers), request.overrides ?? {});
  const lineOf: LineOf = (path) => layers.at(-1)?.lineOf(path) ?? null;
  const all = [...lintPolicy(policy, factsOf?.(policy.scope) ?? null, lineOf), ...findings];
  const errors = all.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new PolicyFault(errors.map((error) => asProblem(error, policy.source)));
  return { policy, findings: all };
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
    if (text.writableByOthers && !builtIn) findings.push(writableByOthers(file));
    const parsed = parsePolicy(text.text, file, uidOf, builtIn);
    if (parsed.ok) layers.push(parsed.layer);
    else problems.push(...parsed.problems);
  };
  for (const name of names) read(profilePath(name), `built-in:${name}`, true);
  if (request.file !== undefined) read(request.file, request.file, false);
  if (problems.length > 0) throw new PolicyFault(problems);
  return { layers, findings };
}

function writableByOthers(file: string): Finding {
  const expected = "a file that its owner alone may write";
  const found = `${file}, which others may write`;
  const message = `expected ${expected}, found ${found}`;
  const advice = `whoever writes it chooses what the guard ends and runs: chmod go-w ${file}`;
  return { severity: "warning", line: null, key: "", expected, found, message, advice };
}

function withOverrides(policy: Policy, overrides: NonNullable<PolicyRequest["overrides"]>): Policy {
  const scope = overrides.scope === undefined ? null : readScope(overrides.scope);
  if (scope !== null && !scope.ok) {
    throw new Fault(ExitCode.usage, `--scope: expected ${scope.expected}, found ${scope.found}`);
  }
  return { ...policy, scope: scope?.value ?? policy.scope, dryRun: overrides.dryRun ?? policy.dryRun };
}

function asProblem({ line, key, expected, found, advice }: Finding, file: string): PolicyProblem {
  return { file, line, column: null, key, expected, found, advice };
}
