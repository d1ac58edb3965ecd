/** The ready policies shipped with the package, in profiles/. */
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ExitCode, Fault, invariant } from "../../core/fault.ts";
import { nearestWord } from "../../core/policy/problem.ts";

export const PROFILE_DEFAULT = "default";

/** The directory of profiles: beside src/ in the sources, beside dist/ in the package. */
function profilesDirectory(): string {
  for (let directory = dirname(fileURLToPath(import.meta.url)); ; directory = dirname(directory)) {
    const profiles = join(directory, "profiles");
    if (existsSync(join(profiles, `${PROFILE_DEFAULT}.toml`))) return profiles;
    invariant(directory !== dirname(directory), "profiles/default.toml is shipped with the program");
  }
}

/**
 * The path of a profile by name.
 * @throws Fault (usage) for a name that is none, with the nearest.
 */
export function profilePath(name: string): string {
  const directory = profilesDirectory();
  const names = readdirSync(directory)
    .filter((file) => file.endsWith(".toml"))
    .map((file) => file.slice(0, -".toml".length))
    .toSorted();
  if (names.includes(name)) return join(directory, `${name}.toml`);
  const nearest = nearestWord(name, names);
  const advice = nearest === null ? "" : `; did you mean ${nearest}?`;
  throw new Fault(
    ExitCode.usage,
    `--profile: expected one of ${names.join(", ")}, found ${JSON.stringify(name)}${advice}`,
  );
}
