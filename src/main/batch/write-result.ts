import fs from "node:fs";
import { ExitCode, Fault } from "../../core/fault.ts";

/** @throws Fault that names those of the files that are there already */
export function refuseOverwriting(files: readonly string[], force: boolean): void {
  if (force) return;
  const there = files.filter((file) => fs.existsSync(file));
  if (there.length === 0) return;
  const named =
    there.length > 3 ? `${there.slice(0, 3).join(", ")} and ${there.length - 3} more` : there.join(", ");
  throw new Fault(
    ExitCode.fault,
    `expected new files to write to, found them there already: ${named}; name another --out, or say --force`,
  );
}

/**
 * Writes what a command has found out: to a file, which is whole or not there, or (null) to standard output.
 * @throws Fault when it cannot be written
 */
export function writeResult(file: string | null, content: string | Uint8Array): void {
  if (file === null) {
    process.stdout.write(content);
    return;
  }
  const beside = `${file}.part`;
  try {
    fs.writeFileSync(beside, content);
    fs.renameSync(beside, file);
  } catch (error) {
    fs.rmSync(beside, { force: true });
    throw notWritten(file, error as NodeJS.ErrnoException);
  }
}

/** @throws Fault when there is no such directory and none can be made */
export function makeDirectory(directory: string): void {
  try {
    fs.mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw notWritten(directory, error as NodeJS.ErrnoException);
  }
}

/** A fault in the words of whoever asked for a file. */
export function notWritten(
  file: string,
  { code, message }: { readonly code?: string | null | undefined; readonly message: string },
): Fault {
  const denied = code === "EACCES" || code === "EPERM";
  const advice = denied ? "write elsewhere, or as its owner" : "make room or name another --out";
  return new Fault(
    denied ? ExitCode.notPermitted : ExitCode.fault,
    `${file}: expected to write it, found: ${message}; ${advice}`,
  );
}
