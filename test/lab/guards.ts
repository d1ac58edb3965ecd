import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { projectRoot } from "../programs/build.ts";
import type { Scenario } from "./scenario.ts";

export type GuardName = "kernel" | "earlyoom" | "nohang" | "plimsoll";
export const GUARD_NAMES: readonly GuardName[] = ["kernel", "earlyoom", "nohang", "plimsoll"];

/** How a guard is started for one play. */
export interface GuardStart {
  readonly argv: readonly string[];
  /** In its output when it guards. */
  readonly ready: string;
}

/** Where test/lab/vm keeps what it fetched. */
export function labHome(): string {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return process.env["PLIMSOLL_LAB_HOME"] ?? join(cache, "plimsoll-lab");
}

/**
 * The command line of a guard, with its distribution's defaults; only `never` of the scenario is told to each in its
 * own way. `settings` are sections of Plimsoll's policy (TOML) or arguments of earlyoom, for the measurements that
 * need a line of their own. Files go to `folder`.
 */
export function startGuard(
  guard: GuardName,
  scenario: Scenario,
  folder: string,
  settings: { readonly toml?: string; readonly args?: readonly string[] } = {},
): GuardStart | null {
  const never = scenario.never ?? [];
  mkdirSync(folder, { recursive: true });
  if (guard === "kernel") return null;
  if (guard === "earlyoom") return startEarlyoom(never, settings.args ?? ["-r", "3600"]);
  if (guard === "nohang") return startNohang(never, folder);
  return startPlimsoll(never, folder, settings.toml ?? "");
}

/** Why a guard cannot be started here; null: it can. */
export function missingGuard(guard: GuardName): string | null {
  const path = guardProgram(guard);
  if (path === null || existsSync(path)) return null;
  return `no ${path}: ${guard === "plimsoll" ? "run npm run build" : "run test/lab/vm --setup"}`;
}

function guardProgram(guard: GuardName): string | null {
  if (guard === "kernel") return null;
  if (guard === "earlyoom") return join(labHome(), "guards/usr/bin/earlyoom");
  if (guard === "nohang") return join(labHome(), "guards/usr/sbin/nohang");
  return join(projectRoot, "dist/src/main/cli/bin.js");
}

// -r 3600 is what Debian's /etc/default/earlyoom says. --avoid is the strongest that 1.7 has.
function startEarlyoom(never: readonly string[], args: readonly string[]): GuardStart {
  const avoid = never.length > 0 ? ["--avoid", `^(${never.join("|")})$`] : [];
  return { argv: [guardProgram("earlyoom") ?? "", ...args, ...avoid], ready: "SIGKILL when" };
}

function startNohang(never: readonly string[], folder: string): GuardStart {
  const shipped = join(labHome(), "guards/etc/nohang/nohang.conf");
  const rules = never.map((name) => `@BADNESS_ADJ_RE_NAME -1000 /// ^${name}$\n`).join("");
  const config = join(folder, "nohang.conf");
  writeFileSync(config, `${readFileSync(shipped, "utf8")}\n${rules}`);
  const argv = ["/usr/bin/python3", guardProgram("nohang") ?? "", "--monitor", "--config", config];
  return { argv, ready: "Monitoring has started" };
}

function startPlimsoll(never: readonly string[], folder: string, settings: string): GuardStart {
  const rules = never.map((name) => `[[victim.never]]\nname = "${name}"\n`).join("\n");
  const config = join(folder, "plimsoll.toml");
  writeFileSync(config, `${settings}\n[record]\naudit = "${join(folder, "audit.jsonl")}"\n\n${rules}`);
  const argv = [process.execPath, guardProgram("plimsoll") ?? "", "run", "--config", config];
  return { argv, ready: "guarding" };
}
