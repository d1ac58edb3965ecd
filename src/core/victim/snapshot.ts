import type { MemoryHolders, ProcessRow, VictimQuestion } from "./candidate.ts";

/** Growth below this share of all memory is noise: it is what the growth of everybody is at least measured against. */
const GROWTH_NOISE_SHARE = 0.02;
/** A candidate that brings back less than this share of the shortfall is not worth its work. */
const NEGLIGIBLE_SHARE = 0.02;
/** USER_HZ of every Linux port in use (time(7)); only where the question does not say. */
const TICKS_PER_SECOND_USUAL = 100;

/** What everybody is measured against. Bytes, ticks; every number finite and above 0 unless said otherwise. */
export interface Scale {
  readonly totalBytes: number;
  readonly shortfallBytes: number;
  /** All growth of the snapshot but that of the stuck, at least the noise. */
  readonly growthBytes: number;
  /** Less than this is not a candidate; may be 0. */
  readonly worthBytes: number;
  /** More anonymous and swapped memory than this does not exist; Infinity where it is not known. */
  readonly privateLimitBytes: number;
  /** May be 0. */
  readonly nowTicks: number;
  readonly ticksPerSecond: number;
}

/**
 * The snapshot made safe and put into columns: one row a process, nothing but whole numbers at or above 0, so small
 * that a sum over all rows stays below 2^53 and does not depend on the order of the rows.
 */
export interface Snapshot {
  readonly rows: readonly ProcessRow[];
  /** Pid to row. */
  readonly indexOf: ReadonlyMap<number, number>;
  /** Row of the parent, -1: none in the snapshot. May hold cycles: the walk that made it was racy. */
  readonly parent: Int32Array;
  /** Anonymous and swapped: what comes back when the process alone ends. */
  readonly privateBytes: Float64Array;
  readonly ownSharedBytes: Float64Array;
  readonly grownBytes: Float64Array;
  readonly scale: Scale;
  readonly invalidCount: number;
  readonly duplicateCount: number;
}

/**
 * Reads a snapshot, whatever it holds: never throws. Rows without a usable identity are dropped; of rows with one pid
 * the one that started last stays, for a pid has one living owner.
 */
export function readSnapshot(question: VictimQuestion): Snapshot {
  const indexOf = new Map<number, number>();
  const rows: ProcessRow[] = [];
  let invalidCount = 0;
  for (const row of question.processes) {
    if (!hasIdentity(row)) {
      invalidCount++;
      continue;
    }
    const known = indexOf.get(row.pid);
    if (known === undefined) {
      indexOf.set(row.pid, rows.length);
      rows.push(row);
    } else if (compareSamePid(row, rows[known] as ProcessRow) < 0) rows[known] = row;
  }
  const parent = new Int32Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const p = indexOf.get((rows[i] as ProcessRow).ppid);
    parent[i] = p === undefined || p === i ? -1 : p;
  }
  return {
    rows,
    indexOf,
    parent,
    ...readBytes(rows, question),
    invalidCount,
    duplicateCount: question.processes.length - invalidCount - rows.length,
  };
}

/** The private and own shared bytes that end with a set of processes, never more than exist. */
export function recoverableBytes(scale: Scale, privateBytes: number, ownSharedBytes: number): number {
  return Math.min(privateBytes, scale.privateLimitBytes) + ownSharedBytes;
}

type Bytes = Pick<Snapshot, "privateBytes" | "ownSharedBytes" | "grownBytes" | "scale">;

function readBytes(rows: readonly ProcessRow[], question: VictimQuestion): Bytes {
  // Two summands a row (anonymous, swapped) and a factor 2 to spare keep every sum exact.
  const exactBytes = Math.floor(2 ** 51 / Math.max(1, rows.length));
  const { holders } = question;
  const totalBytes = whole(holders.totalBytes, exactBytes) || exactBytes;
  const limitBytes = Math.min(exactBytes, totalBytes + whole(holders.swapUsedBytes, totalBytes));
  const anonShare = anonShareOfResident(rows, holders, totalBytes, limitBytes);
  const privateBytes = new Float64Array(rows.length);
  const ownSharedBytes = new Float64Array(rows.length);
  const grownBytes = new Float64Array(rows.length);
  const stuck = stuckTest(question.stuck);
  let grownSum = 0;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as ProcessRow;
    const anonBytes = Number.isFinite(row.anonBytes)
      ? whole(row.anonBytes, limitBytes)
      : Math.floor(whole(row.residentBytes, limitBytes) * anonShare);
    privateBytes[i] = anonBytes + whole(row.swapBytes, limitBytes);
    ownSharedBytes[i] = whole(row.ownSharedBytes, limitBytes);
    const grown = whole(row.grownBytes, limitBytes);
    grownBytes[i] = grown;
    // What was signalled already has its answer: its growth must not hide who else is growing.
    if (!stuck(row)) grownSum += grown;
  }
  const shortfallBytes =
    question.shortfallBytes === Infinity ? totalBytes : whole(question.shortfallBytes, totalBytes) || 1;
  const scale: Scale = {
    totalBytes,
    shortfallBytes,
    growthBytes: Math.max(1, grownSum, totalBytes * GROWTH_NOISE_SHARE),
    worthBytes: Math.max(whole(question.minimumBytes, totalBytes), shortfallBytes * NEGLIGIBLE_SHARE),
    privateLimitBytes: privateLimit(holders),
    nowTicks: whole(question.nowTicks, Number.MAX_SAFE_INTEGER),
    ticksPerSecond: whole(question.ticksPerSecond, Number.MAX_SAFE_INTEGER) || TICKS_PER_SECOND_USUAL,
  };
  return { privateBytes, ownSharedBytes, grownBytes, scale };
}

function privateLimit(holders: MemoryHolders): number {
  const { anonBytes, swapUsedBytes } = holders;
  if (!Number.isFinite(anonBytes) || !Number.isFinite(swapUsedBytes)) return Infinity;
  return whole(anonBytes, Number.MAX_SAFE_INTEGER) + whole(swapUsedBytes, Number.MAX_SAFE_INTEGER);
}

/**
 * How much of what is resident is anonymous, over all processes: the guess for a row whose anonymous memory was not
 * read. Where many processes map one shared segment the resident sizes sum up to a multiple of what exists, and the
 * share becomes small: shared memory is not counted to each that maps it.
 */
function anonShareOfResident(
  rows: readonly ProcessRow[],
  holders: MemoryHolders,
  totalBytes: number,
  limitBytes: number,
): number {
  let residentSum = 0;
  for (const row of rows) residentSum += whole(row.residentBytes, limitBytes);
  if (residentSum === 0) return 0;
  const anonBytes = Number.isFinite(holders.anonBytes)
    ? whole(holders.anonBytes, totalBytes)
    : totalBytes - whole(holders.availableBytes, totalBytes);
  return Math.min(1, anonBytes / residentSum);
}

/** Tells the stuck from the rest; makes a string only for the few whose pid is among theirs. */
export function stuckTest(stuck: ReadonlySet<string>): (row: ProcessRow) => boolean {
  const pids = new Set<number>();
  for (const identity of stuck) pids.add(Number.parseInt(identity, 10));
  return (row) => pids.has(row.pid) && stuck.has(`${row.pid}:${row.startTicks}`);
}

/** A whole number from 0 to `most`; 0 for what is absent, negative or no number. */
export function whole(value: number | null | undefined, most: number): number {
  if (value === null || value === undefined || !(value > 0) || value === Infinity) return 0;
  return Math.min(Math.floor(value), most);
}

function hasIdentity(row: ProcessRow): boolean {
  return (
    Number.isSafeInteger(row.pid) &&
    row.pid > 0 &&
    Number.isSafeInteger(row.startTicks) &&
    row.startTicks >= 0
  );
}

/**
 * Below 0: `a` is to be kept of two rows with one pid. The later start first; for one identity twice, the row that
 * protects more, then any order as long as it is always the same.
 */
function compareSamePid(a: ProcessRow, b: ProcessRow): number {
  if (a.startTicks !== b.startTicks) return b.startTicks - a.startTicks;
  const left = canonical(a);
  const right = canonical(b);
  for (let i = 0; i < left.length; i++) {
    const difference = (left[i] as number) - (right[i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

function canonical(row: ProcessRow): number[] {
  const fields = [
    row.never ? 0 : 1,
    row.oomScoreAdj ?? 0,
    row.preference,
    row.kernelThread ? 0 : 1,
    row.zombie ? 0 : 1,
    row.cgroupAsOne ? 0 : 1,
    row.anonBytes ?? -1,
    row.swapBytes ?? -1,
    row.ownSharedBytes ?? -1,
    row.residentBytes,
    row.grownBytes,
    row.ppid,
    row.processGroup,
    row.session,
    row.cgroupId ?? -1,
  ];
  return fields.map((field) =>
    Number.isNaN(field) ? -2 : Math.max(-Number.MAX_VALUE, Math.min(field, Number.MAX_VALUE)),
  );
}
