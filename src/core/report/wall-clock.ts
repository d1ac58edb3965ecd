import { type Manifest, wallMsOf } from "../dataset/manifest.ts";
import { formatDuration } from "../units.ts";
import type { ReportNote } from "./model.ts";

/** A host that slept, or a clock that was set by hand; less is what a network's time server does. */
const STEP_MIN_MS = 1000;

/** A change is noticed a little later than it is made. */
const SLACK_MS = 5000;

/** Where on the wall clock's axis the dataset's times are. */
export interface WallClock {
  /** Milliseconds since 1970; later times are never before earlier ones. */
  readonly at: (timeUs: number) => number;
  /** The same of many. */
  readonly axis: (timesUs: Float64Array) => Float64Array;
  /** The place on that axis of what was recorded elsewhere under the wall clock's time of then. */
  readonly placeOf: (wallMs: number) => number;
  /** What is to be said of it. */
  readonly notes: readonly ReportNote[];
  /** When the clock was found changed, on the axis, and by how much. */
  readonly steps: readonly { readonly timeMs: number; readonly byMs: number }[];
}

interface Piece {
  readonly fromUs: number;
  /** On the axis: what is added to the time as it was counted from the begin. */
  readonly shiftMs: number;
  /** What the wall clock said more than the axis. */
  readonly wallMs: number;
}

/**
 * The monotonic clock neither sleeps with the host nor is set (clock_gettime(2)): the manifest says at which moments the
 * wall clock was found otherwise than it counts. Forward the axis goes along (the host slept, or its clock was late);
 * back it does not, as then two moments would bear the same time.
 */
export function wallClock(manifest: Manifest): WallClock {
  const pieces: Piece[] = [{ fromUs: Number.NEGATIVE_INFINITY, shiftMs: 0, wallMs: 0 }];
  const notes: ReportNote[] = [];
  const steps: { timeMs: number; byMs: number }[] = [];
  let saidMs = 0;
  for (const { monotonicUs, wallMs } of manifest.clockChanges) {
    const offMs = wallMs - wallMsOf(manifest, monotonicUs);
    const byMs = offMs - saidMs;
    saidMs = offMs;
    if (Math.abs(byMs) < STEP_MIN_MS) continue;
    const last = pieces.at(-1) as Piece;
    const shiftMs = Math.max(last.shiftMs, offMs);
    pieces.push({ fromUs: monotonicUs, shiftMs, wallMs: offMs - shiftMs });
    const timeMs = wallMsOf(manifest, monotonicUs) + shiftMs;
    steps.push({ timeMs, byMs });
    notes.push(noteOf(byMs, shiftMs > last.shiftMs));
  }
  const pieceAt = (timeUs: number): Piece => pieces.findLast(({ fromUs }) => fromUs <= timeUs) as Piece;
  return {
    at: (timeUs) => wallMsOf(manifest, timeUs) + pieceAt(timeUs).shiftMs,
    axis: (timesUs) => axisOf(timesUs, pieces, manifest),
    placeOf: (wallMs) => placeOf(wallMs, pieces, manifest),
    notes,
    steps,
  };
}

/** @param timesUs rising */
function axisOf(timesUs: Float64Array, pieces: readonly Piece[], manifest: Manifest): Float64Array {
  let piece = 0;
  return timesUs.map((timeUs) => {
    while ((pieces[piece + 1]?.fromUs ?? Number.POSITIVE_INFINITY) <= timeUs) piece++;
    return wallMsOf(manifest, timeUs) + (pieces[piece] as Piece).shiftMs;
  });
}

function noteOf(byMs: number, followed: boolean): ReportNote {
  const by = formatDuration(Math.round(Math.abs(byMs) / 1000) * 1000);
  if (followed) {
    const text = `The wall clock went ${by} ahead of the time that was counted: the host slept, or its clock was set. The time axis goes along from there on.`;
    return { weight: "warning", text };
  }
  const way = byMs < 0 ? "back" : "forward again";
  const text = `The wall clock was set ${way} by ${by} while it was recorded. The time axis goes on as time was counted, so that it still rises; marks are shown where they belong on it.`;
  return { weight: "warning", text };
}

/** Where a wall time is said twice, as after a clock that was set back, it is taken for the earlier one. */
function placeOf(wallMs: number, pieces: readonly Piece[], manifest: Manifest): number {
  for (const [i, piece] of pieces.entries()) {
    const place = wallMs - piece.wallMs;
    const next = pieces[i + 1];
    const beginMs = i === 0 ? manifest.clock.anchorWallMs : wallMsOf(manifest, piece.fromUs) + piece.shiftMs;
    const endMs =
      next === undefined ? Number.POSITIVE_INFINITY : wallMsOf(manifest, next.fromUs) + piece.shiftMs;
    if (place >= beginMs - SLACK_MS && place < endMs) return place;
  }
  return wallMs;
}

/**
 * Of a recording that ended in order: whether the wall clock said at its end what was counted. Of recordings that do not
 * say when it changed, it is all there is to see.
 */
export function endNote(manifest: Manifest, clock: WallClock, lastUs: number): ReportNote | null {
  if (manifest.endedAt === null || clock.steps.length > 0) return null;
  const countedMs = clock.at(lastUs);
  const slackMs = STEP_MIN_MS * 2 + 2 * Math.max(manifest.intervalMs, ...Object.values(manifest.intervalsMs));
  const offMs = Date.parse(manifest.endedAt) - countedMs;
  if (Number.isNaN(offMs) || Math.abs(offMs) <= slackMs) return null;
  const by = formatDuration(Math.round(Math.abs(offMs) / 1000) * 1000);
  return {
    weight: "warning",
    text: `By the wall clock the recording ended ${by} ${offMs > 0 ? "later" : "earlier"} than by the time that was counted: the host slept, its clock was set, or nothing was sampled in the end. Times are as counted from its begin.`,
  };
}
