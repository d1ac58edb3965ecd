import { KERNEL_THREAD_FLAG, STAT_FIELDS, Stat } from "../../../core/parse/process-stat.ts";
import { ProcessRules } from "../../../core/policy/match.ts";
import type { Policy } from "../../../core/policy/policy.ts";
import { RingWriter } from "../../../core/ring/writer.ts";
import type { SharedRing } from "../../../core/ring/views.ts";
import { PROCESS_COLUMNS, PROCESS_ROWS_PER_SEGMENT, Proc, WalkStamp } from "../../../core/samples.ts";
import type { MemoryHierarchy } from "../../common/cgroup-path.ts";
import { monotonicUs } from "../../common/clock.ts";
import { Identifier, readUid } from "./identity.ts";
import type { PidSource } from "../../common/pid-source.ts";
import { ProcessEntry, STATUS_FIELDS, Status } from "./process-entry.ts";
import { ownAnonShare, ownSharedBytes, REFINE_LIMIT_BYTES } from "./proportional.ts";

/** How many of the largest processes are looked at closely in each walk. */
const DETAILED = 64;
/** Of these so many, one a walk, are asked for their proportional figures, each at most so often. */
const REFINED = 4;
const REFINE_EVERY_US = 2_000_000;
const CGROUPS_EVERY_US = 5_000_000;

export interface WalkerOptions {
  readonly procRoot: string;
  readonly source: PidSource;
  readonly ring: SharedRing;
  readonly policy: Policy;
  readonly hierarchy: MemoryHierarchy | null;
  readonly units: { readonly ticksPerSecond: number; readonly pageBytes: number };
  /** How many processes' stat may be held open, and beside it the status of the largest; 0: everything is opened anew. */
  readonly descriptors: number;
  /** The guard and its ancestors. Named here too because in a scope of one cgroup the chain between them is not seen. */
  readonly spared: ReadonlySet<number>;
  /** Without CAP_KILL only this user's processes can be ended; null: everybody's. */
  readonly onlyUid: number | null;
  /** Told who the largest are, once each. */
  readonly announce: (entries: readonly ProcessEntry[]) => void;
}

/** Walks over the processes: each walk becomes one segment of the ring. */
export class ProcessWalker {
  readonly #options: WalkerOptions;
  readonly #writer: RingWriter;
  readonly #entries = new Map<number, ProcessEntry>();
  readonly #pids = new Int32Array(PROCESS_ROWS_PER_SEGMENT);
  readonly #stats = new Float64Array(PROCESS_ROWS_PER_SEGMENT * STAT_FIELDS);
  /** The entries of this walk, beside their rows of {@link #stats}. */
  readonly #walked: ProcessEntry[] = [];
  /** Rows of the largest processes, largest first. */
  readonly #largest = new Int32Array(DETAILED);
  #largestCount = 0;
  readonly #status = new Float64Array(STATUS_FIELDS);
  readonly #frame = new Float64Array(PROCESS_COLUMNS.length);
  readonly #detailed = new Set<ProcessEntry>();
  #rules: ProcessRules;
  #identifier: Identifier;
  #walk = 0;
  #cgroupsUs = 0;

  constructor(options: WalkerOptions) {
    this.#options = options;
    this.#writer = new RingWriter(options.ring);
    this.#rules = new ProcessRules(options.policy.victim);
    this.#identifier = new Identifier(this.#rules, options.hierarchy, options.policy.victim.unit);
  }

  setPolicy(policy: Policy): void {
    this.#rules = new ProcessRules(policy.victim);
    this.#identifier = new Identifier(this.#rules, this.#options.hierarchy, policy.victim.unit);
    for (const entry of this.#entries.values()) {
      entry.verdict = null;
      entry.announced = false;
    }
  }

  /** Walks once, and seals the segment. @returns how many processes there were */
  walk(request: number): number {
    const beganUs = monotonicUs();
    this.#walk++;
    if (beganUs - this.#cgroupsUs > CGROUPS_EVERY_US) {
      this.#identifier.forgetCgroups();
      this.#cgroupsUs = beganUs;
    }
    const { leftOut } = this.#readStats();
    for (const entry of this.#walked) this.#resolve(entry);
    this.#findLargest();
    this.#writeRows(beganUs);
    this.#forgetGone();
    const endedUs = monotonicUs();
    this.#writer.stamp(WalkStamp.beganUs, beganUs);
    this.#writer.stamp(WalkStamp.endedUs, endedUs);
    this.#writer.stamp(WalkStamp.nowTicks, (endedUs / 1e6) * this.#options.units.ticksPerSecond);
    this.#writer.stamp(WalkStamp.leftOut, leftOut);
    this.#writer.stamp(WalkStamp.request, request);
    this.#writer.seal();
    return this.#walked.length;
  }

  close(): void {
    for (const entry of this.#entries.values()) entry.close();
    this.#entries.clear();
  }

  #readStats(): { leftOut: number } {
    const listed = this.#options.source.list(this.#pids);
    const count = Math.min(listed, this.#pids.length);
    let rows = 0;
    for (let i = 0; i < count; i++) {
      const entry = this.#readEntry(this.#pids[i] as number, rows * STAT_FIELDS);
      if (entry === null) continue;
      entry.walk = this.#walk;
      entry.ppid = this.#stats[rows * STAT_FIELDS + Stat.ppid] as number;
      const kernelThread =
        ((this.#stats[rows * STAT_FIELDS + Stat.flags] as number) & KERNEL_THREAD_FLAG) !== 0;
      if (entry.verdict === null && !kernelThread) this.#identifier.judge(entry);
      this.#walked[rows++] = entry;
    }
    this.#walked.length = rows;
    return { leftOut: listed - count };
  }

  /** Reads a process's stat into row `at`, through what is held of it; a pid that has a new owner begins anew. */
  #readEntry(pid: number, at: number): ProcessEntry | null {
    const known = this.#entries.get(pid);
    if (known !== undefined) {
      if (known.readStat(this.#stats, at, this.#mayHold)) {
        if (known.startTicks === this.#stats[at + Stat.startTicks]) return known;
      }
      known.close();
      this.#entries.delete(pid);
      this.#detailed.delete(known);
    }
    const entry = new ProcessEntry(this.#options.procRoot, pid);
    if (!entry.readStat(this.#stats, at, this.#mayHold)) {
      entry.close();
      return null;
    }
    entry.startTicks = this.#stats[at + Stat.startTicks] as number;
    this.#entries.set(pid, entry);
    return entry;
  }

  get #mayHold(): boolean {
    return this.#entries.size < this.#options.descriptors;
  }

  /** The rows of the largest processes by what is resident, kept in order by insertion. */
  #findLargest(): void {
    let count = 0;
    const residentOf = (row: number): number => this.#stats[row * STAT_FIELDS + Stat.residentPages] as number;
    for (let row = 0; row < this.#walked.length; row++) {
      const resident = residentOf(row);
      if (resident === 0) continue;
      if (count === DETAILED && resident <= residentOf(this.#largest[DETAILED - 1] as number)) continue;
      let at = count < DETAILED ? count++ : DETAILED - 1;
      for (; at > 0 && residentOf(this.#largest[at - 1] as number) < resident; at--) {
        this.#largest[at] = this.#largest[at - 1] as number;
      }
      this.#largest[at] = row;
    }
    this.#largestCount = count;
  }

  #writeRows(nowUs: number): void {
    const place = new Map<number, number>();
    for (let i = 0; i < this.#largestCount; i++) place.set(this.#largest[i] as number, i);
    const news: ProcessEntry[] = [];
    let refineBudget = 1;
    for (let row = 0; row < this.#walked.length; row++) {
      const entry = this.#walked[row] as ProcessEntry;
      this.#startRow(row, entry);
      const rank = place.get(row);
      if (rank !== undefined) {
        const refine = rank < REFINED && refineBudget > 0 && nowUs - entry.refinedUs > REFINE_EVERY_US;
        if (this.#detail(entry, refine, nowUs) && refine) refineBudget--;
        if (!entry.announced) {
          entry.announced = true;
          this.#identifier.describe(entry);
          news.push(entry);
        }
        this.#frame[Proc.cgroupId] = entry.cgroupId;
        this.#frame[Proc.cgroupAsOne] = entry.cgroupAsOne;
      }
      this.#writer.append(this.#frame);
    }
    if (news.length > 0) this.#options.announce(news);
  }

  #startRow(row: number, entry: ProcessEntry): void {
    const { pageBytes } = this.#options.units;
    const at = row * STAT_FIELDS;
    const stats = this.#stats;
    const frame = this.#frame;
    const kernelThread = ((stats[at + Stat.flags] as number) & KERNEL_THREAD_FLAG) !== 0;
    const parent = this.#entries.get(entry.ppid);
    frame[Proc.pid] = entry.pid;
    frame[Proc.startTicks] = stats[at + Stat.startTicks] as number;
    frame[Proc.ppid] = stats[at + Stat.ppid] as number;
    frame[Proc.processGroup] = stats[at + Stat.processGroup] as number;
    frame[Proc.session] = stats[at + Stat.session] as number;
    frame[Proc.state] = stats[at + Stat.state] as number;
    frame[Proc.kernelThread] = kernelThread ? 1 : 0;
    frame[Proc.uid] = entry.uid ?? Number.NaN;
    frame[Proc.residentBytes] = (stats[at + Stat.residentPages] as number) * pageBytes;
    frame[Proc.anonBytes] = Number.NaN;
    frame[Proc.swapBytes] = Number.NaN;
    frame[Proc.ownSharedBytes] = Number.NaN;
    frame[Proc.oomScoreAdj] = Number.NaN;
    frame[Proc.cgroupId] = entry.cgroupId;
    frame[Proc.cgroupAsOne] = entry.cgroupAsOne;
    frame[Proc.preference] = entry.preference;
    frame[Proc.never] = entry.never ? 1 : 0;
    frame[Proc.cpuTicks] = (stats[at + Stat.userTicks] as number) + (stats[at + Stat.systemTicks] as number);
    frame[Proc.childTicks] =
      (stats[at + Stat.childUserTicks] as number) + (stats[at + Stat.childSystemTicks] as number);
    frame[Proc.forked] = parent !== undefined && parent.name === entry.name ? 1 : 0;
  }

  /** Fills in a large process's figures. @returns whether its proportional figures were read */
  #detail(entry: ProcessEntry, refine: boolean, nowUs: number): boolean {
    const frame = this.#frame;
    if (!entry.readMemory(this.#status, this.#options.descriptors > 0)) return false;
    this.#detailed.add(entry);
    const anonBytes = this.#status[Status.anonBytes] as number;
    const sharedBytes = this.#status[Status.sharedBytes] as number;
    const resident = frame[Proc.residentBytes] as number;
    let refined = false;
    if (refine && resident < REFINE_LIMIT_BYTES) {
      entry.refinedUs = nowUs;
      if (frame[Proc.forked] === 1 || this.#hasForked(entry)) {
        entry.sharedAnonShare = ownAnonShare(entry, anonBytes) || 1;
        refined = true;
      }
      if (sharedBytes > anonBytes) {
        entry.ownSharedBytes = ownSharedBytes(entry);
        refined = true;
      }
    }
    frame[Proc.anonBytes] = Math.round(anonBytes * entry.sharedAnonShare);
    frame[Proc.swapBytes] = this.#status[Status.swapBytes] as number;
    frame[Proc.ownSharedBytes] = entry.ownSharedBytes;
    frame[Proc.oomScoreAdj] = entry.readOomScoreAdj();
    return refined;
  }

  /** A child that bears the same name may share its memory. */
  #hasForked(entry: ProcessEntry): boolean {
    for (let row = 0; row < this.#walked.length; row++) {
      if (this.#stats[row * STAT_FIELDS + Stat.ppid] === entry.pid && this.#walked[row]?.name === entry.name)
        return true;
    }
    return false;
  }

  /**
   * What the rules say of a process, with what its ancestors hand down. Each process is resolved once a walk, after its
   * parent; it is marked first, so that a circle, which a racy walk may show, ends.
   */
  #resolve(entry: ProcessEntry): void {
    if (entry.resolvedWalk === this.#walk) return;
    entry.resolvedWalk = this.#walk;
    const verdict = entry.verdict;
    const parent = this.#entries.get(entry.ppid);
    if (parent !== undefined) this.#resolve(parent);
    entry.handsDownNever = parent?.handsDownNever === true || verdict?.neverInherits === true;
    entry.never =
      verdict?.never === true ||
      entry.handsDownNever ||
      this.#options.spared.has(entry.pid) ||
      this.#outOfReach(entry);
    const own = verdict?.preference ?? 0;
    entry.preference = own !== 0 ? own : (parent?.handsDownPreference ?? 0);
    entry.handsDownPreference =
      verdict?.preferenceInherits === true ? own : (parent?.handsDownPreference ?? 0);
  }

  /** Another user's, and no privilege to signal it (kill(2)): choosing it would only cost the time of a refusal. */
  #outOfReach(entry: ProcessEntry): boolean {
    const { onlyUid } = this.#options;
    if (onlyUid === null) return false;
    entry.uid ??= readUid(entry);
    return entry.uid !== onlyUid;
  }

  #forgetGone(): void {
    for (const [pid, entry] of this.#entries) {
      if (entry.walk === this.#walk) continue;
      entry.close();
      this.#entries.delete(pid);
      this.#detailed.delete(entry);
    }
    if (this.#detailed.size <= 2 * DETAILED) return;
    for (const entry of this.#detailed) entry.releaseMemory();
    this.#detailed.clear();
  }
}
