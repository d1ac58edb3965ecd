/** One cgroup, as far as rescues are concerned: what is known of it, and what it owes and is owed. */
import type { CgroupIdentity } from "../cgroups/columns.ts";
import { FillRate } from "../memory/fill-rate.ts";
import type { CgroupCalibration } from "../policy/policy.ts";
import { LiveStatistics } from "../statistics/live.ts";
import type { Lease } from "./lease.ts";

/** The live statistics stand for themselves when they are worth so many samples; before, the calibration does. */
const SAMPLES_KNOWN = 60;

export class Followed {
  readonly number: number;
  readonly path: string;
  statistics: LiveStatistics;
  readonly growth = new FillRate();
  calibration: CgroupCalibration | null = null;
  /** What the policy's patterns say of the path. */
  mayReceive = false;
  mayGive = false;

  /** The nearest cgroup above that is followed. Its place in a walk over the tree: `first` to `last` are its own. */
  parent: Followed | null = null;
  first = 0;
  last = 0;

  /** NaN: not known. */
  usageBytes = Number.NaN;
  usageUs = Number.NEGATIVE_INFINITY;
  /** Infinity: none; NaN: not known yet. */
  limitBytes = Number.NaN;
  limitUs = Number.NEGATIVE_INFINITY;
  /** v2 memory.min, memory.low; 0 when there is none. */
  minBytes = 0;
  lowBytes = 0;
  /** A limit that was seen and nobody has explained yet, and since when; NaN: none. */
  strangeBytes = Number.NaN;
  strangeSinceUs = Number.NaN;

  /** What it was lent. Null: nothing. */
  lease: Lease | null = null;
  /** When it was rescued, those within the policy's time; the guard's own doing only. */
  rescuesUs: number[] = [];
  /** What was not needed went back then; how many times longer than the policy says the next one waits. */
  returnedUs = Number.NEGATIVE_INFINITY;
  patience = 1;
  /** The recommendation has been given that belongs to the present cap, and to the present lease. */
  cappedSaid = false;
  keptSaid = false;
  /** What it lent, in all. */
  reducedBytes = 0;
  /** It needed back what it lent, or refused to be reduced: it is not asked before. */
  restsUntilUs = Number.NEGATIVE_INFINITY;
  /** Unused part of what cgroups below were lent; scratch of a plan (headroom.ts). */
  promisedBytes = 0;

  /** Held back for one sample: whether a rescue had begun is known only when its report is here. */
  #pendingUs = Number.NaN;
  #pendingBytes = Number.NaN;
  #ordinaryFromUs = Number.NEGATIVE_INFINITY;

  constructor(identity: CgroupIdentity, halfLifeUs: number) {
    this.number = identity.number;
    this.path = identity.path;
    this.statistics = new LiveStatistics(halfLifeUs);
  }

  /** Its limit is not its owner's: it was lent something, or lent something itself. */
  get inRescue(): boolean {
    return this.lease !== null || this.reducedBytes > 0;
  }

  get lentBytes(): number {
    return this.lease === null ? 0 : this.lease.totalBytes;
  }

  /** The limit that its owner gave it. */
  get originalLimitBytes(): number {
    return this.limitBytes - this.lentBytes + this.reducedBytes;
  }

  /** The lowest that its limit may be by all that was seen and asked. */
  get certainLimitBytes(): number {
    const limitBytes = this.limitBytes - (this.lease === null ? 0 : this.lease.askedBytes);
    return this.strangeBytes < limitBytes ? this.strangeBytes : limitBytes;
  }

  get hasLimit(): boolean {
    return Number.isFinite(this.limitBytes);
  }

  get #known(): boolean {
    return this.statistics.effectiveSamples >= SAMPLES_KNOWN;
  }

  /** What it usually uses; NaN when that is not known. */
  get medianBytes(): number {
    return this.#known ? this.statistics.medianBytes : (this.calibration?.medianBytes ?? Number.NaN);
  }

  /** The least it was seen to use; 0 when that is not known. */
  get leastBytes(): number {
    const least = this.#known ? this.statistics.minBytes : this.calibration?.minBytes;
    return least !== undefined && least > 0 ? least : 0;
  }

  isAbove(other: Followed): boolean {
    return this.first < other.first && other.first <= this.last;
  }

  /** One of the two lies in the other, or they are the same. */
  isRelatedTo(other: Followed): boolean {
    return this === other || this.isAbove(other) || other.isAbove(this);
  }

  /** Takes a sample of usage; what a rescue makes possible is not learned from, nor anything where `learn` is false. */
  sample(timeUs: number, bytes: number, learn: boolean): void {
    if (timeUs < this.usageUs) return;
    this.usageUs = timeUs;
    this.usageBytes = bytes;
    if (Number.isNaN(bytes)) return;
    this.growth.update(timeUs, -bytes);
    this.lease?.peak.add(timeUs, bytes);
    this.#settle();
    // Above its limit: the limit was raised, and the report is still on its way.
    if (!learn || this.inRescue || bytes > this.limitBytes || timeUs <= this.#ordinaryFromUs) {
      this.statistics.addApart(bytes);
    } else {
      this.#pendingUs = timeUs;
      this.#pendingBytes = bytes;
    }
  }

  /** A rescue began at `timeUs`: what was sampled from then on is kept apart. */
  rescueBegan(timeUs: number): void {
    if (!(this.#pendingUs >= timeUs)) return;
    this.statistics.addApart(this.#pendingBytes);
    this.#pendingUs = Number.NaN;
  }

  /** A limit was put back at `timeUs`; samples from before it may still be on their way. */
  rescueEnded(timeUs: number): void {
    this.#ordinaryFromUs = Math.max(this.#ordinaryFromUs, timeUs);
  }

  /** Its limit is known to be this, from somebody who looked at `timeUs`; NaN tells nothing. */
  limitIs(bytes: number, timeUs: number): void {
    if (Number.isNaN(bytes)) return;
    this.limitBytes = bytes;
    this.limitUs = Math.max(timeUs, this.limitUs);
    this.strangeBytes = Number.NaN;
    this.strangeSinceUs = Number.NaN;
  }

  #settle(): void {
    if (Number.isNaN(this.#pendingUs)) return;
    this.statistics.add(this.#pendingUs, this.#pendingBytes);
    this.#pendingUs = Number.NaN;
  }
}
