import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the project, from the sources as from dist/. */
export const projectRoot: string = findProject(dirname(fileURLToPath(import.meta.url)));

function findProject(from: string): string {
  const manifest = join(from, "package.json");
  if (existsSync(manifest) && readFileSync(manifest, "utf8").includes('"name": "plimsoll"')) return from;
  const above = dirname(from);
  if (above === from)
    throw new Error("no package.json of plimsoll above this file: run it inside the project");
  return findProject(above);
}

/** A built program's path, or why there is none. */
export type Built =
  | { readonly path: string; readonly reason?: never }
  | { readonly path?: never; readonly reason: string };

/**
 * Compiles C sources (paths below the project) to dist/programs/NAME, unless that is newer than all of them.
 * Static where the C library allows it: a static program does not thrash on the libraries that others share.
 */
export function buildProgram(name: string, sources: readonly string[]): Built {
  const inputs = sources.map((source) => join(projectRoot, source));
  const path = join(projectRoot, "dist", "programs", name);
  const newest = Math.max(...inputs.map((input) => statSync(input).mtimeMs));
  if (existsSync(path) && statSync(path).mtimeMs > newest) return { path };
  mkdirSync(dirname(path), { recursive: true });
  const units = inputs.filter((input) => input.endsWith(".c"));
  const common = ["-O2", "-Wall", "-Wextra", "-pthread", "-o", path, ...units];
  const first = compile(["-static", ...common]);
  const failure = first === null ? null : compile(common);
  return failure === null ? { path } : { reason: `cc cannot build ${name}: ${failure}` };
}

/** The program of known behaviour in memory that tests guard against: see the head of hog.c. */
export function buildHog(): Built {
  return buildProgram("hog", ["test/programs/hog.c"]);
}

/** Null: done. Otherwise the first line of what went wrong. */
function compile(args: readonly string[]): string | null {
  try {
    execFileSync("cc", args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
    return null;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return text.split("\n").slice(0, 4).join(" ").trim();
  }
}
