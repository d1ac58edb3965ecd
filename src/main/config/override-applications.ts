/** What policy and command line say of applications beyond the policy's own text: files that must be there. */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { ExitCode, Fault } from "../../core/fault.ts";
import type { ApplicationsPolicy } from "../../core/policy/applications.ts";
import type { PolicyLayer } from "../../core/policy/document.ts";
import type { Finding } from "../../core/policy/finding.ts";
import type { Policy } from "../../core/policy/policy.ts";
import { formatKey, type PolicyProblem } from "../../core/policy/problem.ts";
import { readModule } from "./callbacks-module.ts";
import { writableByOthers } from "./writable-by-others.ts";

/** Options of `plimsoll run`; paths are absolute. What is undefined is as the policy says. */
export interface ApplicationOverrides {
  readonly callbacks?: string | undefined;
  readonly exitWithApplication?: boolean | undefined;
  readonly monitorLog?: string | undefined;
}

/** What is wrong with the module that the topmost `callbacks.module` names, or odd about it. */
export function readNamedModule(layers: readonly PolicyLayer[]): {
  readonly findings: readonly Finding[];
  readonly problems: readonly PolicyProblem[];
} {
  const layer = layers.findLast(({ document }) => document.callbacks?.module !== undefined);
  const path = layer?.document.callbacks?.module;
  if (layer === undefined || path === undefined || path === false) return { findings: [], problems: [] };
  const read = readModule(path);
  if (read.ok) {
    const advice = `whoever writes it has the guard run it: chmod go-w ${path}`;
    return { findings: read.writableByOthers ? [writableByOthers(path, advice)] : [], problems: [] };
  }
  const keys = ["callbacks", "module"];
  const place = { file: layer.file, line: layer.lineOf(keys), column: null, key: formatKey(keys) };
  const { expected, found, advice } = read;
  return { findings: [], problems: [{ ...place, expected, found: `${path}: ${found}`, advice }] };
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
    const read = readModule(callbacks);
    if (!read.ok) usage("--callbacks", read.expected, `${callbacks}: ${read.found}; ${read.advice}`);
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
