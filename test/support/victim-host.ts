import type { MemoryHolders, ProcessRow, VictimQuestion } from "../../src/core/victim/candidate.ts";
import { rankVictims } from "../../src/core/victim/rank.ts";

export const MiB = 2 ** 20;
export const GiB = 2 ** 30;
const HZ = 100;
export const MINUTE = 60;
export const HOUR = 3600;
export const DAY = 24 * HOUR;
const NOW_TICKS = 60 * DAY * HZ;

export type RowOptions = Partial<ProcessRow> & { readonly ageSeconds?: number };

/** A process of its own session and process group, child of init, an hour old, that holds nothing and does not grow. */
export function row(pid: number, { ageSeconds = HOUR, ...fields }: RowOptions = {}): ProcessRow {
  return {
    pid,
    startTicks: NOW_TICKS - ageSeconds * HZ,
    ppid: 1,
    processGroup: pid,
    session: pid,
    uid: 1000,
    kernelThread: false,
    zombie: false,
    residentBytes: fields.anonBytes ?? 0,
    anonBytes: 0,
    swapBytes: 0,
    ownSharedBytes: 0,
    oomScoreAdj: 0,
    cgroupId: null,
    cgroupAsOne: false,
    preference: 0,
    never: false,
    grownBytes: 0,
    cpuTicks: 0,
    childTicks: 0,
    ...fields,
  };
}

export const init = row(1, { ppid: 0, ageSeconds: 59 * DAY, anonBytes: 8 * MiB });
export const guard = row(50, { anonBytes: 60 * MiB, ageSeconds: 20 * DAY });

/** A host of 16 GiB at its critical line, all of it in processes unless said otherwise. */
export function ask(
  processes: readonly ProcessRow[],
  {
    holders,
    ...fields
  }: Partial<Omit<VictimQuestion, "holders">> & { holders?: Partial<MemoryHolders> } = {},
): VictimQuestion {
  return {
    processes: [init, guard, ...processes],
    holders: {
      totalBytes: 16 * GiB,
      availableBytes: 0.5 * GiB,
      anonBytes: 14 * GiB,
      sharedBytes: 64 * MiB,
      hugePagesBytes: 0,
      kernelBytes: 512 * MiB,
      swapUsedBytes: 0,
      ...holders,
    },
    shortfallBytes: 800 * MiB,
    nowTicks: NOW_TICKS,
    ticksPerSecond: HZ,
    unit: "auto",
    minimumBytes: 10 * MiB,
    ownPid: guard.pid,
    stuck: new Set(),
    ...fields,
  };
}

/** `count` rows with pids from `first` on. */
export function rows(first: number, count: number, options: (i: number) => RowOptions): ProcessRow[] {
  return Array.from({ length: count }, (_, i) => row(first + i, options(i)));
}

/** Who is ended, in a word: kind and number of the best candidate, or why nobody. */
export function winner(question: VictimQuestion): string {
  const { candidates, sparing } = rankVictims(question);
  const [best] = candidates;
  return sparing !== null ? sparing.why : best === undefined ? "nobody" : `${best.kind} ${best.id}`;
}

/** Old, big and innocent. */
export const database = row(200, { anonBytes: 9 * GiB, ageSeconds: 20 * DAY });
