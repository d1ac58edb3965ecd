import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import type { AbandonedChange, JournalProblem, OutstandingChange } from "../../core/rescue/journal.ts";
import { readJournal } from "../../workers/rescue/journal.ts";
import { type GuardianOptions, spawnGuardian } from "./spawn.ts";
import { takeJournalLock } from "./takeover.ts";

/** What an earlier guard left behind, and what became of it. */
export interface Recovery {
  /** Changes that stood in the journal, and are back. */
  readonly putBack: readonly OutstandingChange[];
  /** Not put back: somebody else has changed the file since, or its cgroup is gone. */
  readonly abandoned: readonly AbandonedChange[];
  /** Raised limits whose cgroups use more than the original: whoever may change limits takes them over as loans. */
  readonly outstanding: readonly OutstandingChange[];
  /** Lines of the journal that said nothing. */
  readonly problems: readonly JournalProblem[];
}

const NOTHING_TO_RECOVER: Recovery = { putBack: [], abandoned: [], outstanding: [], problems: [] };

/**
 * Puts back what a journal says is outstanding, as far as it can be now, by the guardian's own script. The journal's lock
 * must be held ({@link takeJournalLock}).
 * @throws as fs.readFileSync does, and when the shell cannot be started: nothing may be changed then
 */
export async function recoverLocked(options: GuardianOptions, lock: number): Promise<Recovery> {
  const { journalPath } = options;
  const found = readJournal(journalPath);
  if (found.outstanding.length > 0) {
    const child = spawnGuardian(options, "once", null, lock);
    child.stdout?.resume();
    // Rejects when it cannot be started.
    await once(child, "exit");
  }
  const { outstanding, abandoned, problems } = readJournal(journalPath);
  const open = new Set([...outstanding, ...abandoned].map(keyOf));
  const putBack = found.outstanding.filter((change) => !open.has(keyOf(change)));
  // Told once.
  if (outstanding.length === 0 && fs.existsSync(journalPath)) fs.truncateSync(journalPath);
  return { putBack, abandoned, outstanding, problems };
}

/**
 * For a program that changes no limits itself, but finds a journal: puts back what can be, and leaves a guardian behind
 * for what has to wait.
 * @returns null when another guard or its guardian has the journal
 * @throws as {@link recoverLocked} and {@link takeJournalLock} do
 */
export async function recoverJournal(options: GuardianOptions): Promise<Recovery | null> {
  if (!fs.existsSync(options.journalPath)) return NOTHING_TO_RECOVER;
  const lock = await takeJournalLock(options.journalPath, options.procRoot);
  if (lock === null) return null;
  try {
    const recovery = await recoverLocked(options, lock);
    if (recovery.outstanding.length > 0) leaveGuardian(options, lock);
    return recovery;
  } finally {
    fs.closeSync(lock);
  }
}

/** A guardian without a guard: it waits until everything is back, or until a guard asks for the journal. */
export function leaveGuardian(options: GuardianOptions, lock: number): void {
  leave(spawnGuardian(options, "stay", null, lock));
}

/** Lets a guardian that was started go its way. */
export function leave(child: ChildProcess): void {
  child.on("error", () => undefined);
  child.stdout?.destroy();
  child.unref();
}

function keyOf({ inode, path }: { readonly inode: number; readonly path: string }): string {
  return `${inode} ${path}`;
}
