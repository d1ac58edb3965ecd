import fs from "node:fs";
import { libc } from "./libc.ts";

const LOCK_EX_NB = 2 | 4;

/**
 * Takes an exclusive lock on a file, made when it is not there: flock(2). The kernel gives it back when the process
 * ends, however it ends.
 * @returns the descriptor that holds the lock, or null when somebody else has it
 * @throws as fs.openSync does
 */
export function lockFile(path: string): number | null {
  const descriptor = fs.openSync(
    path,
    fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_NOFOLLOW,
    0o600,
  );
  if (libc.flock([descriptor, LOCK_EX_NB]).value === 0) return descriptor;
  fs.closeSync(descriptor);
  return null;
}
