import fs from "node:fs";
import path from "node:path";
import { CGROUPS_FILE } from "../../core/dataset/cgroup-lines.ts";
import { MANIFEST_FILE } from "../../core/dataset/manifest.ts";
import { ExitCode, Fault } from "../../core/fault.ts";
import { makeDirectory } from "../coordinator/places.ts";

/**
 * Makes a directory for a dataset and takes it, so that no other recording does.
 * @throws Fault when it holds something already, or cannot be written
 */
export function claimDirectory(directory: string): void {
  let names: readonly string[];
  try {
    makeDirectory(directory, 0o755);
    names = fs.readdirSync(directory);
  } catch (error) {
    throw asFault(directory, error as NodeJS.ErrnoException);
  }
  if (names.includes(MANIFEST_FILE) || names.includes(CGROUPS_FILE))
    throw new Fault(
      ExitCode.usage,
      `--out ${directory}: expected a new or empty directory, found a dataset already; name another one`,
    );
  if (names.length > 0)
    throw new Fault(
      ExitCode.usage,
      `--out ${directory}: expected a new or empty directory, found one with ${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""}; name another one`,
    );
  try {
    fs.closeSync(fs.openSync(path.join(directory, CGROUPS_FILE), "wx", 0o644));
  } catch (error) {
    throw asFault(directory, error as NodeJS.ErrnoException);
  }
}

/** Takes back what {@link claimDirectory} did, when nothing was recorded. */
export function releaseDirectory(directory: string): void {
  fs.rmSync(path.join(directory, CGROUPS_FILE), { force: true });
  try {
    fs.rmdirSync(directory);
  } catch {
    // Somebody has put something into it, or may not remove what somebody else made.
  }
}

function asFault(directory: string, { code, message }: NodeJS.ErrnoException): Fault {
  const notPermitted = code === "EACCES" || code === "EPERM" || code === "EROFS";
  return new Fault(
    notPermitted ? ExitCode.notPermitted : ExitCode.fault,
    `--out ${directory}: expected a directory that can be written, found: ${message}; name another one`,
  );
}
