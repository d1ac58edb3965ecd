import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Capability, effectiveCapabilities, holds } from "../../workers/common/capabilities.ts";
import { lockProgramText } from "../../native/memory-lock.ts";

/** What a fork bomb leaves to a thread of this priority is enough. */
const PRIORITY = os.constants.priority.PRIORITY_HIGHEST;

/** What the guard would like to be for the kernel's OOM killer, most wished first: never a victim, or a late one. */
const OOM_SCORE_ADJ_WISHES = [-1000, -900, -500, -100];

/** Something the guard could not have, and why. */
export interface Limitation {
  readonly what: string;
  readonly why: string;
}

/**
 * Has the scheduler prefer the guard: setpriority(2), for this thread and those that it starts afterwards.
 * To be called after the helper is started, whose commands are nobody to prefer, and before the workers are.
 * @returns what could not be done
 */
export function raisePriority(): Limitation[] {
  try {
    os.setPriority(PRIORITY);
    return [];
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    return [{ what: "the guard's priority is not raised: on a busy host it acts late", why }];
  }
}

/** Makes the guard hard to kill by accident. @returns what could not be done */
export function protectOurselves(procRoot: string): Limitation[] {
  return [...reach(procRoot), ...lowerOomScore(procRoot), ...lockText(procRoot)];
}

function reach(procRoot: string): Limitation[] {
  if (holds(effectiveCapabilities(procRoot), Capability.kill)) return [];
  return [
    { what: "other users' processes cannot be ended, only this user's are candidates", why: "no CAP_KILL" },
  ];
}

/** Lowering needs CAP_SYS_RESOURCE below what it was at the start of the session (proc(5), oom_score_adj). */
function lowerOomScore(procRoot: string): Limitation[] {
  const file = path.join(procRoot, "self/oom_score_adj");
  let why = "";
  for (const wish of OOM_SCORE_ADJ_WISHES) {
    try {
      fs.writeFileSync(file, String(wish));
      return [];
    } catch (error) {
      why = (error as NodeJS.ErrnoException).code ?? String(error);
    }
  }
  return [{ what: "own oom_score_adj is not lowered: the kernel's OOM killer may choose the guard", why }];
}

function lockText(procRoot: string): Limitation[] {
  const lock = lockProgramText(path.join(procRoot, "self/maps"));
  if (lock.refusal === null) return [];
  const what = `${lock.refusedMappings} of ${lock.refusedMappings + lock.lockedMappings} mappings of program text are not locked: the guard may stall while the host thrashes`;
  return [{ what, why: lock.refusal }];
}
