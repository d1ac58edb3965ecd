/** What policy and command line say of applications beyond the policy's own text: files that must be there. */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { ExitCode, Fault } from "../../core/fault.ts";
import type { ApplicationsPolicy } from "../../core/policy/applications.ts";
import type { PolicyLayer } from "../../core/policy/document.ts";
import type { Policy } from "../../core/policy/policy.ts";
import { formatKey, type PolicyProblem } from "../../core/policy/problem.ts";
import { refusedModule } from "./callbacks-module.ts";

/** Options of `plimsoll run`; paths are absolute. What is undefined is as the policy says. */
export interface ApplicationOverrides {
  readonly callbacks?: string | undefined;
  readonly exitWithApplication?: boolean | undefined;
  readonly monitorLog?: string | undefined;
}

/** What is wrong with the module that the topmost `callbacks.module` names. */
export function lintNamedModule(layers: readonly PolicyLayer[]): readonly PolicyProblem[] {
  const layer = layers.findLast(({ document }) => document.callbacks?.module !== undefined);
  const path = layer?.document.callbacks?.module;
  if (layer === undefined || path === undefined || path === false) return [];
  const refusal = refusedModule(path);
  if (refusal === null) return [];
  const keys = ["callbacks", "module"];
  const place = { file: layer.file, line: layer.lineOf(keys), column: null, key: formatKey(keys) };
  const { expected, found, advice } = refusal;
  return [{ ...place, expected, found: `${path}: ${found}`, advice }];
}

/** @throws Fault (usage) for a file that cannot serve, and for what counts for nothing without an application */
export function overrideApplications(
  { app, scope }: Pick<Policy, "app" | "scope">,
  said: ApplicationOverrides,
): ApplicationsPolicy {
  const { callbacks, exitWithApplication, monitorLog } = said;
  const options: readonly (readonly [string, unknown])[] = [
    ["--callbacks", callbacks],
    ["--exit-with-application", exitWithApplication],
    ["--monitor-log", monitorLog],
  ];
  for (const [option, value] of options) if (value !== undefined) expectApplication(option, app, scope);
  if (callbacks !== undefined) {
    const refusal = refusedModule(callbacks);
    if (refusal !== null)
      usage("--callbacks", refusal.expected, `${callbacks}: ${refusal.found}; ${refusal.advice}`);
  }
  if (monitorLog !== undefined) expectPlace("--monitor-log", monitorLog);
  return {
    ...app,
    callbacksPath: callbacks ?? app.callbacksPath,
    exitWithApplication: exitWithApplication ?? app.exitWithApplication,
    monitorLogPath: monitorLog ?? app.monitorLogPath,
  };
}

function usage(option: string, expected: string, found: string): never {
  throw new Fault(ExitCode.usage, `${option}: expected ${expected}, found ${found}`);
}

function expectApplication(option: string, app: ApplicationsPolicy, scope: string): void {
  if (!app.enabled)
    usage(option, "an application in the policy", "none; take a profile (--profile nso), or name one");
  if (scope !== "host") {
    const advice = "applications are guarded with the whole host; leave --scope or the option out";
    usage(option, "the scope host", `${scope}; ${advice}`);
  }
}

/** A file may be written there, as far as can be told without doing it. */
function expectPlace(option: string, path: string): void {
  const what = (place: string): "a directory" | "a file" | "nothing" => {
    const status = statSync(place, { throwIfNoEntry: false });
    if (status === undefined) return "nothing";
    return status.isDirectory() ? "a directory" : "a file";
  };
  try {
    if (what(path) === "a directory")
      usage(option, "a file to write to", `${path}: a directory; name a file in it`);
    const parent = dirname(path);
    if (what(parent) === "a directory") return;
    usage(
      option,
      "a file in a directory that exists",
      `${path}: ${what(parent)} at ${parent}; make it first`,
    );
  } catch (error) {
    // ENOTDIR, EACCES, ELOOP: a path that leads nowhere.
    if (error instanceof Fault) throw error;
    usage(option, "a path to write to", `${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
