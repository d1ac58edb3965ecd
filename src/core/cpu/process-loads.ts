import type { Walk } from "../memory/decision.ts";
import type { ProcessRow } from "../victim/candidate.ts";

/** Shares of processors are counted in millionths, whole, so that sums do not depend on the order of the rows. */
export const PARTS_PER_CORE = 1_000_000;
const US_PER_SECOND = 1e6;
const US_PER_MS = 1000;
/** What processors can do at most, with room for the walk's own length and the kernel's rounding. */
const IMPOSSIBLE_FACTOR = 1.25;
const ROUNDING_TICKS = 2;
/** So far up an heir is looked for. */
const GENERATIONS = 64;

interface LoadTerms {
  readonly ticksPerSecond: number;
  /** Processors online; Infinity: not known. */
  readonly cores: number;
  readonly intervalMs: number;
  readonly window: number;
}

/** Use by those who are gone: all of it, and the most that one of them had. One death is no habit, many are. */
interface Departed {
  sum: number;
  most: number;
}

interface Track extends Departed {
  readonly startTicks: number;
  ppid: number;
  processGroup: number;
  cpuTicks: number;
  childTicks: number;
  walk: number;
  readonly firstWalk: number;
  /** Decayed sum of shares, of which {@link ProcessLoads} knows the weight. */
  average: number;
  /** Of this walk: what it has done since the last one, and what children did that it has waited for. */
  ownTicks: number;
  reapedTicks: number;
  /** Of those that are gone since the last walk, in this. */
  goneSum: number;
  goneMost: number;
}

/** What a process or a group used, in {@link PARTS_PER_CORE}: of its own, and by many that are gone. */
export interface Use {
  readonly ownParts: number;
  readonly departedParts: number;
}

const NO_USE: Use = { ownParts: 0, departedParts: 0 };

/**
 * Who uses the processors, as averages over the window that decay as the host's does: CPU time between walks by pid
 * and start. To a process belongs what its children did that ended within the walk's interval and were waited for; what
 * the kernel adds of a child that was seen before (proc_pid_stat(5), cutime) does not: it was the child's.
 * A process that is gone takes its past with it. Only where many are gone do they count, all but the largest, for their
 * process group and for the nearest living ancestor in it: a loop that starts one program after another.
 */
export class ProcessLoads {
  readonly #tracks = new Map<number, Track>();
  readonly #groups = new Map<number, Departed>();
  /** Of the walk that is being taken: who had a pid that is another's now; sums of the gone, not yet among the decaying. */
  readonly #replaced: { readonly pid: number; readonly track: Track }[] = [];
  readonly #gone = new Map<Departed, Departed>();
  #walk = 0;
  #lastUs = Number.NaN;
  #lastTicks = Number.NaN;
  #weight = 0;
  #historyUs = 0;

  /** Time between the first walk of what is known and the last. */
  get historyUs(): number {
    return this.#historyUs;
  }

  /** Begins anew, as after a long time without walks. */
  forget(): void {
    this.#tracks.clear();
    this.#groups.clear();
    this.#lastUs = Number.NaN;
    this.#weight = 0;
    this.#historyUs = 0;
  }

  /**
   * Takes a walk in. One that comes sooner than half an interval after the last is passed over: ticks are too coarse.
   * @param settled identities ("pid:startTicks") that were acted on: their end is no part of anybody's habit
   * @returns whether it was taken
   */
  take(walk: Walk, terms: LoadTerms, settled: ReadonlySet<string>): boolean {
    const elapsedUs = walk.endedUs - this.#lastUs;
    const first = Number.isNaN(this.#lastUs);
    if (!first && elapsedUs < (terms.intervalMs * US_PER_MS) / 2) return false;
    this.#walk++;
    const possibleTicks = first ? 0 : possible(terms, elapsedUs);
    for (const row of walk.rows) this.#see(row, first, possibleTicks);
    this.#bury(settled);
    this.#lastUs = walk.endedUs;
    this.#lastTicks = walk.nowTicks;
    if (!first) this.#decay(terms, elapsedUs, possibleTicks);
    return true;
  }

  /** What a process used; nothing of one that is not known. */
  of(row: ProcessRow): Use {
    const track = this.#tracks.get(row.pid);
    if (track === undefined || track.startTicks !== row.startTicks || this.#weight === 0) return NO_USE;
    return { ownParts: this.#parts(track.average), departedParts: this.#departed(track) };
  }

  /** What those of a process group used that are gone. */
  departedOfGroup(processGroup: number): number {
    const group = this.#groups.get(processGroup);
    return group === undefined || this.#weight === 0 ? 0 : this.#departed(group);
  }

  #departed({ sum, most }: Departed): number {
    return Math.max(0, this.#parts(sum) - this.#parts(most));
  }

  #parts(average: number): number {
    return Math.round((average / this.#weight) * PARTS_PER_CORE);
  }

  #see(row: ProcessRow, first: boolean, possibleTicks: number): void {
    const cpuTicks = ticks(row.cpuTicks);
    const childTicks = ticks(row.childTicks);
    const known = this.#tracks.get(row.pid);
    if (known !== undefined && known.startTicks === row.startTicks) {
      // One that is there twice counts once, whichever comes first.
      const again = known.walk === this.#walk;
      known.ownTicks = (again ? known.ownTicks : 0) + Math.max(0, cpuTicks - known.cpuTicks);
      known.reapedTicks = (again ? known.reapedTicks : 0) + Math.max(0, childTicks - known.childTicks);
      known.cpuTicks = Math.max(known.cpuTicks, cpuTicks);
      known.childTicks = Math.max(known.childTicks, childTicks);
      known.ppid = again ? Math.max(known.ppid, row.ppid) : row.ppid;
      known.processGroup = again ? Math.max(known.processGroup, row.processGroup) : row.processGroup;
      known.walk = this.#walk;
      return;
    }
    if (known !== undefined) {
      // Of two with one pid the one that started later lives.
      if (known.startTicks > row.startTicks) return;
      if (known.firstWalk !== this.#walk) this.#replaced.push({ pid: row.pid, track: known });
    }
    // Who began after the last walk has done all of it since; of another it is not known when.
    const isNew = !first && row.startTicks >= Math.floor(this.#lastTicks) && cpuTicks <= possibleTicks;
    this.#tracks.set(row.pid, {
      startTicks: row.startTicks,
      ppid: row.ppid,
      processGroup: row.processGroup,
      cpuTicks,
      childTicks,
      walk: this.#walk,
      firstWalk: this.#walk,
      average: 0,
      sum: 0,
      most: 0,
      ownTicks: isNew ? cpuTicks : 0,
      reapedTicks: isNew ? childTicks : 0,
      goneSum: 0,
      goneMost: 0,
    });
  }

  /** Those that are gone: what was known of their time is not their parents', and their past is. */
  #bury(settled: ReadonlySet<string>): void {
    for (const [pid, track] of this.#tracks) if (track.walk !== this.#walk) this.#leave(pid, track, settled);
    for (const { pid, track } of this.#replaced) this.#leave(pid, track, settled);
    this.#replaced.length = 0;
    for (const [pid, track] of this.#tracks) if (track.walk !== this.#walk) this.#tracks.delete(pid);
  }

  #leave(pid: number, track: Track, settled: ReadonlySet<string>): void {
    const heir = this.#heirOf(track);
    if (heir !== null) heir.reapedTicks -= track.cpuTicks + track.childTicks;
    // Whole numbers: the order in which they are added does not matter.
    const parts = Math.round(track.average * PARTS_PER_CORE);
    if (parts === 0 || settled.has(`${pid}:${track.startTicks}`)) return;
    let group = this.#groups.get(track.processGroup);
    if (group === undefined) {
      group = { sum: 0, most: 0 };
      this.#groups.set(track.processGroup, group);
    }
    this.#gone.set(group, addGone(this.#gone.get(group), parts));
    if (heir === null || heir.processGroup !== track.processGroup) return;
    heir.goneSum += parts;
    heir.goneMost = Math.max(heir.goneMost, parts);
  }

  /** The nearest ancestor that lives, as the last walks showed it. Ends on a circle, by the number of its steps. */
  #heirOf(track: Track): Track | null {
    let below = track;
    for (let steps = 0; steps < GENERATIONS; steps++) {
      const above = this.#tracks.get(below.ppid);
      // Nobody has a parent that started later: that pid is another's now.
      if (above === undefined || above === below || above.startTicks > below.startTicks) return null;
      if (above.walk === this.#walk) return above;
      below = above;
    }
    return null;
  }

  #decay({ ticksPerSecond, intervalMs, window }: LoadTerms, elapsedUs: number, possibleTicks: number): void {
    const intervals = elapsedUs / (intervalMs * US_PER_MS);
    const keep = ((window - 1) / (window + 1)) ** intervals;
    const share = (US_PER_SECOND / ticksPerSecond / elapsedUs) * (1 - keep);
    this.#weight = this.#weight * keep + (1 - keep);
    this.#historyUs += elapsedUs;
    const present = new Set<number>();
    for (const track of this.#tracks.values()) {
      present.add(track.processGroup);
      // More than can have been done since the last walk was done before it, by somebody who was not seen then.
      const reaped = track.reapedTicks > 0 && track.reapedTicks <= possibleTicks ? track.reapedTicks : 0;
      track.average = track.average * keep + (track.ownTicks + reaped) * share;
      track.sum = track.sum * keep + (track.goneSum / PARTS_PER_CORE) * keep;
      track.most = Math.max(track.most, track.goneMost / PARTS_PER_CORE) * keep;
      track.goneSum = 0;
      track.goneMost = 0;
    }
    for (const [number, group] of this.#groups) {
      const gone = this.#gone.get(group);
      if (!present.has(number)) this.#groups.delete(number);
      group.sum = (group.sum + (gone?.sum ?? 0) / PARTS_PER_CORE) * keep;
      group.most = Math.max(group.most, (gone?.most ?? 0) / PARTS_PER_CORE) * keep;
    }
    this.#gone.clear();
  }
}

function addGone(known: Departed | undefined, parts: number): Departed {
  return { sum: (known?.sum ?? 0) + parts, most: Math.max(known?.most ?? 0, parts) };
}

function possible({ cores, ticksPerSecond }: LoadTerms, elapsedUs: number): number {
  return (elapsedUs / US_PER_SECOND) * ticksPerSecond * cores * IMPOSSIBLE_FACTOR + ROUNDING_TICKS;
}

function ticks(value: number): number {
  return Number.isFinite(value) && value > 0 ? Math.floor(value) : 0;
}
