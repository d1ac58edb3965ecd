import fs from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { Stat } from "../../core/parse/process-stat.ts";
import { lockFile } from "../../native/file-lock.ts";
import { readProcessStat } from "../../workers/common/target.ts";

/** A guardian that waits looks this often, at the longest, whether it is asked for the journal. */
const LEAVE_LIMIT_MS = 3000;
const LOOK_MS = 10;

/**
 * The right to the journal: a lock on a file beside it, which a guardian inherits, so that it is held as long as a guard
 * or its guardian lives. A guardian that outlived its guard, and only waits for cgroups to shrink, is asked to leave by a
 * file `JOURNAL.handover` that bears the pid of who asks; one whose guard lives never looks, and is not asked.
 * @returns the descriptor that holds the lock; null when another guard's guardian keeps it
 * @throws as fs.openSync does
 */
export async function takeJournalLock(journalPath: string, procRoot: string): Promise<number | null> {
  const lockPath = `${journalPath}.lock`;
  const first = lockFile(lockPath);
  if (first !== null) return unsigned(first);
  if (signerLives(lockPath, procRoot)) return null;
  const handoverPath = `${journalPath}.handover`;
  // Whole at once: a guardian must not read half a pid.
  fs.writeFileSync(`${handoverPath}.new`, `${process.pid}\n`, { mode: 0o600 });
  fs.renameSync(`${handoverPath}.new`, handoverPath);
  try {
    for (let waitedMs = 0; waitedMs < LEAVE_LIMIT_MS; waitedMs += LOOK_MS) {
      await pause(LOOK_MS);
      const descriptor = lockFile(lockPath);
      if (descriptor !== null) return unsigned(descriptor);
    }
    return null;
  } finally {
    fs.rmSync(handoverPath, { force: true });
  }
}

/** Writes into the lock who holds it for as long as it lives, so that nobody waits for it. */
export function signLock(lock: number, procRoot: string): void {
  const started = readProcessStat(procRoot, process.pid)?.[Stat.startTicks];
  if (started !== undefined) fs.writeSync(lock, `${process.pid} ${started}\n`, 0);
}

/** Takes the signature out: whoever holds the lock now will not for long. @returns the lock */
export function unsigned(lock: number): number {
  fs.ftruncateSync(lock);
  return lock;
}

function signerLives(lockPath: string, procRoot: string): boolean {
  const signature = /^(\d+) (\d+)\n$/.exec(fs.readFileSync(lockPath, "utf8"));
  if (signature === null) return false;
  const started = readProcessStat(procRoot, Number(signature[1]))?.[Stat.startTicks];
  return started === Number(signature[2]);
}
