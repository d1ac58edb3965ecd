import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type KernelSwitches, NO_SWITCHES, parseSwitches } from "../../core/policy/switches.ts";

/**
 * What the kernel command line switches off. One that cannot be read switches nothing off: a guard that could be
 * silenced by an unreadable file would be none.
 * @param environment may name another file, for tests: PLIMSOLL_CMDLINE (docs/operating.md)
 */
export function readSwitches(procRoot: string, environment: NodeJS.ProcessEnv): KernelSwitches {
  try {
    return parseSwitches(readFileSync(environment["PLIMSOLL_CMDLINE"] ?? join(procRoot, "cmdline"), "utf8"));
  } catch {
    return NO_SWITCHES;
  }
}
