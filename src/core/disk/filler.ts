import type { ProcessRow, VictimQuestion } from "../victim/candidate.ts";
import { readSnapshot } from "../victim/snapshot.ts";
import { judgeStandings, Standing } from "../victim/standing.ts";

/** A process that began so lately has no history to hold its writing against: what it does is what it does. */
const YOUNG_SECONDS = 600;
/** Who accounts for less than this share of the filling is not who fills. */
const WORTH_SHARE = 0.1;
/** Where the files that somebody has open account for this share of the filling, they are the measure. */
const EXPLAINED_SHARE = 0.25;
/** How much more, or less, the policy's preference makes of somebody's rate. */
const PREFERENCE_FACTOR = 4;

/** What one process was seen to do on a mount: bytes a second of space, or inodes. */
export interface WriterFigures {
  readonly pid: number;
  readonly startTicks: number;
  /** Written, or made, while it was looked at: by its own counters, wherever it went. */
  readonly perSecond: number;
  /** The same over its life before that. Null: not known. */
  readonly lifePerSecond: number | null;
  readonly ageSeconds: number;
  /** What the files grew by that it has open for writing on the mount. */
  readonly growthPerSecond: number;
  /** Their paths; or, of inodes, whatever shows that it makes files there. Empty: it has nothing to do with the mount. */
  readonly files: readonly string[];
}

export interface FillerQuestion {
  readonly processes: readonly ProcessRow[];
  readonly writers: readonly WriterFigures[];
  /** How fast the mount fills; 0: not known, or it is full. */
  readonly fillPerSecond: number;
  readonly abnormalFactor: number;
  readonly ownPid: number;
  /** Identities ("pid:startTicks") that would not end. */
  readonly stuck: ReadonlySet<string>;
}

/** How a writer is judged. */
export type Verdict = "fills" | "as-always" | "too-little" | "protected";

export interface JudgedWriter {
  readonly writer: WriterFigures;
  readonly verdict: Verdict;
  /** The rate by which it was judged. */
  readonly rate: number;
}

/**
 * Who fills a mount at an abnormal rate, fastest first; behind those, who was weighed and lost. Those who must not be
 * ended for memory must not be ended for a disk. Pure.
 */
export function judgeWriters(question: FillerQuestion): JudgedWriter[] {
  const { writers, fillPerSecond, abnormalFactor } = question;
  const victims = questionOf(question);
  const snapshot = readSnapshot(victims);
  const standings = judgeStandings(snapshot, victims);
  const here = writers.filter(({ files }) => files.length > 0);
  const growth = here.reduce((most, writer) => Math.max(most, writer.growthPerSecond), 0);
  const byGrowth = growth > 0 && growth >= EXPLAINED_SHARE * fillPerSecond;
  const rateOf = (writer: WriterFigures): number => (byGrowth ? writer.growthPerSecond : writer.perSecond);
  const all = Math.max(fillPerSecond, ...here.map(rateOf));
  const judged = here.map((writer): JudgedWriter & { weight: number } => {
    const at = snapshot.indexOf.get(writer.pid);
    const row = at === undefined ? undefined : snapshot.rows[at];
    const rate = rateOf(writer);
    const free = row?.startTicks === writer.startTicks && standings.of[at as number] === Standing.free;
    const verdict = !free
      ? "protected"
      : !(rate > WORTH_SHARE * all)
        ? "too-little"
        : isAbnormal(writer, rate, abnormalFactor)
          ? "fills"
          : "as-always";
    return { writer, verdict, rate, weight: rate * PREFERENCE_FACTOR ** (row?.preference ?? 0) };
  });
  return judged
    .sort(
      (a, b) =>
        ORDER[a.verdict] - ORDER[b.verdict] ||
        b.weight - a.weight ||
        b.writer.startTicks - a.writer.startTicks,
    )
    .map(({ writer, verdict, rate }) => ({ writer, verdict, rate }));
}

const ORDER: Readonly<Record<Verdict, number>> = { fills: 0, "as-always": 1, protected: 2, "too-little": 3 };

function isAbnormal({ lifePerSecond, ageSeconds }: WriterFigures, rate: number, factor: number): boolean {
  return lifePerSecond === null || ageSeconds < YOUNG_SECONDS || rate >= factor * lifePerSecond;
}

/** What the exclusions ask; what else a question of memory holds is not used. */
function questionOf({ processes, ownPid, stuck }: FillerQuestion): VictimQuestion {
  return {
    processes,
    holders: {
      totalBytes: 1,
      availableBytes: 0,
      anonBytes: null,
      sharedBytes: null,
      hugePagesBytes: null,
      kernelBytes: null,
      swapUsedBytes: null,
    },
    shortfallBytes: 1,
    nowTicks: 0,
    ticksPerSecond: 1,
    unit: "process",
    minimumBytes: 0,
    ownPid,
    stuck,
  };
}
