import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import type { HeldLever, LeverProblem, LeversState } from "../../core/levers/journal.ts";
import { type Lever, leverKey } from "../../core/levers/lever.ts";
import { LeverJournal, readLeverJournal } from "../../workers/lane/lever-journal.ts";
import type { Duty } from "./guardian.ts";
import { leave } from "./recover.ts";
import { LEVERS_SCRIPT } from "./levers-script.ts";
import { type GuardianMode, spawnScript } from "./spawn.ts";
import { takeJournalLock } from "./takeover.ts";

/** What a guardian of levers is about: all journals of one directory. */
export interface LeversGuardianOptions {
  /** Where the lanes' journals are, `levers-LANE.journal`. */
  readonly directory: string;
  /** Where proc(5) is. */
  readonly procRoot: string;
  /** Where it says that it had to act. Null: only on stderr. */
  readonly kernelLogPath: string | null;
}

/** What an earlier guard left imposed, and what became of it. */
export interface LeversRecovery {
  readonly putBack: readonly Lever[];
  readonly abandoned: LeversState["abandoned"];
  /** What cannot be put back now: the lane whose it is takes it over. */
  readonly outstanding: readonly HeldLever[];
  readonly problems: readonly (LeverProblem & { readonly journal: string })[];
}

/** The duty to put back what lanes impose. */
export function leversDuty(options: LeversGuardianOptions): Duty<HeldLever, LeversRecovery> {
  const { directory, procRoot } = options;
  return {
    path: path.join(directory, "levers"),
    procRoot,
    doing: "acts on this host's resources",
    spawn: (mode, input, lock) => spawnLevers(options, mode, input, lock),
    recover: (lock) => recoverLevers(options, lock),
    // Written anew: who waited for an earlier guard does not wait for this one.
    open: () => {
      for (const journal of journalsIn(directory)) LeverJournal.open(journal).release();
    },
    outstanding: () => statesIn(directory).flatMap(({ held }) => held),
  };
}

/**
 * For a guard that imposes nothing itself, but finds journals: puts back what can be, and leaves a guardian behind for
 * what has to wait.
 * @returns null when another guard or its guardian has the journals
 * @throws as fs does
 */
export async function recoverAbandonedLevers(options: LeversGuardianOptions): Promise<LeversRecovery | null> {
  if (journalsIn(options.directory).length === 0)
    return { putBack: [], abandoned: [], outstanding: [], problems: [] };
  const lock = await takeJournalLock(path.join(options.directory, "levers"), options.procRoot);
  if (lock === null) return null;
  try {
    const recovery = await recoverLevers(options, lock);
    if (recovery.outstanding.length > 0) leave(spawnLevers(options, "stay", null, lock));
    return recovery;
  } finally {
    fs.closeSync(lock);
  }
}

/** @throws as fs does, and when the shell cannot be started: nothing may be imposed then */
async function recoverLevers(options: LeversGuardianOptions, lock: number): Promise<LeversRecovery> {
  const { directory } = options;
  const found = statesIn(directory).flatMap(({ held }) => held);
  if (found.length > 0) {
    const child = spawnLevers(options, "once", null, lock);
    child.stdout?.resume();
    // Rejects when it cannot be started.
    await once(child, "exit");
  }
  const states = statesIn(directory);
  const outstanding = states.flatMap(({ held }) => held);
  const abandoned = states.flatMap((state) => state.abandoned);
  const open = new Set([...outstanding, ...abandoned].map(({ lever }) => leverKey(lever)));
  const putBack = found.map(({ lever }) => lever).filter((lever) => !open.has(leverKey(lever)));
  const problems = states.flatMap((state) =>
    state.problems.map((problem) => ({ ...problem, journal: path.basename(state.journal) })),
  );
  // Told once.
  for (const { journal, held } of states) if (held.length === 0) fs.rmSync(journal, { force: true });
  return { putBack, abandoned, outstanding, problems };
}

function spawnLevers(
  { directory, procRoot, kernelLogPath }: LeversGuardianOptions,
  mode: GuardianMode,
  input: number | null,
  lock: number,
): ChildProcess {
  return spawnScript(LEVERS_SCRIPT, [directory, procRoot, mode, kernelLogPath ?? ""], input, lock);
}

function journalsIn(directory: string): string[] {
  return fs
    .readdirSync(directory)
    .filter((name) => /^levers-[a-z]+\.journal$/.test(name))
    .map((name) => path.join(directory, name));
}

function statesIn(directory: string): (LeversState & { readonly journal: string })[] {
  return journalsIn(directory).map((journal) => ({ journal, ...readLeverJournal(journal) }));
}
