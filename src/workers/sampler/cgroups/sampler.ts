import { cgroupNumber } from "../../../core/cgroups/number.ts";
import type { Policy } from "../../../core/policy/policy.ts";
import { RingWriter } from "../../../core/ring/writer.ts";
import { Gauge } from "../../../core/shared/board.ts";
import { findMemoryHierarchy, type MemoryHierarchy } from "../../common/cgroup-path.ts";
import { monotonicUs } from "../../common/clock.ts";
import { descriptorLimit } from "../../common/descriptor-limit.ts";
import type { WorkerContext } from "../../common/worker.ts";
import { Census } from "./census.ts";
import { idlePatterns } from "./find.ts";
import { FollowedCgroup } from "./followed.ts";
import { type Changes, Following, type Wanted } from "./following.ts";
import { Depth, HeldDescriptors } from "./held.ts";
import type { CgroupList } from "./list.ts";
import { Look, Rate } from "./rate.ts";
import { CgroupReader, CHUNK } from "./reader.ts";
import { Recording } from "./recording.ts";
import { SamplerClock } from "./sampler-clock.ts";
import { type CgroupNode, CgroupTree } from "./tree.ts";

/** Who may be rescued or lend is looked at at least so often, and their details so often. */
const RESCUE_INTERVAL_MS = 100;
const RESCUE_DETAIL_MS = 1000;
/** Details that are read at least so often are held open; else opening them is cheaper than the kernel's memory. */
const HOLD_DETAILS_US = 10_000_000;
/** At most this share of the descriptors that the process may have; a recording has no processes to hold. */
const HELD_SHARE = 0.25;
const HELD_SHARE_RECORDING = 0.75;
/** Looking for cgroups takes at most this share of the time between two ticks, but so much at least. */
const SCAN_SHARE = 0.2;
const SCAN_MIN_US = 200;
/** The kernel's count is believed so many times; then all is looked at whatever it says. */
const SCANS_BELIEVED = 9;
/** When one has gone, its successor may be there already. */
const SUCCESSOR_US = 100_000;

/** One cgroup, and not another that took its path, or was given its inode's number. */
function keyOf({ path, inode }: { readonly path: string; readonly inode: number }): string {
  return `${inode} ${path}`;
}

/** The thread that samples cgroups: whom to follow, when to look, and who is to know. worker.ts starts it. */
export class CgroupSampler {
  readonly #context: WorkerContext;
  readonly #clock: SamplerClock;
  readonly #usage: RingWriter;
  readonly #detail: RingWriter;
  readonly #recording: Recording | null;
  readonly #hierarchy: MemoryHierarchy | null;
  readonly #census: Census | null;
  readonly #held: HeldDescriptors;
  readonly #reader: CgroupReader;
  readonly #following: Following;
  #policy: Policy;
  #tree: CgroupTree | null = null;
  #slow: Rate;
  #fast: Rate;
  #numbered = 0;
  /** Numbers that an earlier life gave, by {@link keyOf}. */
  readonly #known: Map<string, number>;
  #scanDueUs = 0;
  #countSeen = Number.NaN;
  #believed = 0;
  #saidShort = false;
  /** A newer life of this worker has begun. */
  #over = false;

  constructor(context: WorkerContext) {
    const { start } = context;
    this.#context = context;
    this.#policy = start.policy;
    this.#known = new Map(start.knownCgroups.map((each) => [keyOf(each), each.number]));
    this.#clock = new SamplerClock(context);
    this.#usage = new RingWriter(start.usageRing);
    this.#detail = new RingWriter(start.detailRing);
    const recording = start.dataset?.only === true;
    this.#recording = recording
      ? new Recording(start.roots.proc, start.memoryRing, [this.#usage, this.#detail])
      : null;
    this.#hierarchy = findMemoryHierarchy(start.roots.cgroup);
    this.#census = this.#hierarchy === null ? null : new Census(start.roots.proc, this.#hierarchy);
    const share = recording ? HELD_SHARE_RECORDING : HELD_SHARE;
    this.#held = new HeldDescriptors(Math.floor(descriptorLimit(start.roots.proc) * share));
    const rings = { usage: this.#usage, detail: this.#detail };
    this.#following = new Following(this.#wanted(), {
      open: (node, onlyAncestor) => this.#open(node, onlyAncestor),
      close: (cgroup) => this.#held.give(cgroup.close()),
    });
    this.#reader = new CgroupReader(
      this.#hierarchy?.version ?? 2,
      rings,
      this.#held,
      () => this.#following.all,
    );
    [this.#slow, this.#fast] = this.#rates();
  }

  run(): void {
    this.#plant();
    const { appeared, gone } = this.#following.everything();
    // Whom an earlier life knew and nobody finds any more is gone.
    this.#tell({ appeared, gone: [...gone, ...this.#known.values()] });
    this.#known.clear();
    this.#context.ready();
    this.#setClock();
    for (;;) {
      const tick = this.#clock.wait();
      if (!this.#context.alive()) return;
      if (!this.#takeLetters()) return this.#close();
      if (tick.ticks === 0) continue;
      if (this.#recording !== null) this.#countMissed(tick.ticks - 1);
      this.#recording?.tick(tick.ticks - 1, tick.latenessUs, tick.wokenUs);
      this.#look(tick.wokenUs);
      if (this.#over) return;
      this.#finish();
    }
  }

  /** For the dataset's manifest. In a guard the memory sampler's ticks are counted there. */
  #countMissed(ticks: number): void {
    const { board } = this.#context;
    board.setGauge(Gauge.missedTicks, board.gauge(Gauge.missedTicks) + ticks);
  }

  /** Begins to know the cgroups: all that are there are looked for at once. */
  #plant(): void {
    if (this.#hierarchy === null) {
      const why = `no memory controller is mounted below ${this.#context.start.roots.cgroup}`;
      return this.#sayLimited("no cgroup is followed", why);
    }
    this.#tree = new CgroupTree(this.#hierarchy, this.#policy.scope, this.#following);
    this.#countSeen = this.#census?.count() ?? Number.NaN;
    this.#scanDueUs = monotonicUs() + this.#policy.cgroups.scanMs * 1000;
    this.#tree.beginScan();
    this.#tree.scan(() => this.#context.alive());
    this.#following.tidy();
    // The first tick looks at everybody.
    this.#following.takeFresh();
    this.#sayIdlePatterns();
  }

  /** @returns false when the worker is to stop */
  #takeLetters(): boolean {
    for (let message = this.#context.receive(); message !== null; message = this.#context.receive()) {
      if (message.type === "stop") return false;
      if (message.type !== "policy") throw new Error(`the cgroup sampler knows no message ${message.type}`);
      this.#setPolicy(message.policy);
    }
    return true;
  }

  /** Whoever reads the rings may have begun anew: all are told of again. */
  #setPolicy(policy: Policy): void {
    const { scope } = this.#policy;
    this.#policy = policy;
    [this.#slow, this.#fast] = this.#rates();
    if (policy.scope !== scope) {
      this.#tree?.clear();
      this.#following.want(this.#wanted(), []);
      this.#plant();
    } else {
      this.#following.want(this.#wanted(), [...(this.#tree?.nodes() ?? [])]);
      this.#sayIdlePatterns();
    }
    this.#tell(this.#following.everything());
    this.#setClock();
  }

  #wanted(): Wanted {
    const { cgroups, rescue } = this.#policy;
    const fast = this.#recording === null ? [...rescue.cgroups, ...rescue.donors] : [];
    return { watch: cgroups.watch, fast };
  }

  #rates(): [slow: Rate, fast: Rate] {
    const { intervalMs, statEvery } = this.#policy.cgroups;
    const fastMs = Math.min(intervalMs, RESCUE_INTERVAL_MS);
    const fastEvery = Math.min(statEvery, Math.floor(RESCUE_DETAIL_MS / fastMs));
    return [new Rate(intervalMs * 1000, statEvery), new Rate(fastMs * 1000, fastEvery)];
  }

  #setClock(): void {
    const scanUs = this.#policy.cgroups.scanMs * 1000;
    const slowUs = this.#slow.intervalUs;
    if (this.#recording !== null) return this.#clock.set(slowUs);
    const { fast } = this.#following;
    this.#clock.set(Math.min(slowUs, scanUs, fast.length > 0 ? this.#fast.intervalUs : slowUs));
  }

  /** A tick: reads what is due, then looks whether others have come. All rows bear the time at which it began. */
  #look(nowUs: number): void {
    const timeUs = Math.floor(nowUs);
    const tickUs = this.#clock.intervalUs;
    const { slow, fast } = this.#following;
    const fastRead = this.#read(fast, this.#fast, this.#fast.take(nowUs, tickUs), timeUs);
    const look = this.#slow.take(nowUs, tickUs);
    const slowRead = this.#read(slow, this.#slow, look, timeUs);
    if (look === Look.details) this.#recording?.readMemory(timeUs);
    if (this.#over) return;
    this.#scan();
    this.#following.tidy();
    const fresh = this.#following.takeFresh();
    // Whoever has come is known at once, limit and all; a recording keeps to its beat.
    const freshRead = this.#recording === null && this.#read(fresh, this.#slow, Look.details, timeUs);
    if (this.#recording === null && (fastRead || slowRead || freshRead)) this.#context.board.ring();
  }

  /** @returns whether there was anything to read */
  #read(list: CgroupList, rate: Rate, look: Look, timeUs: number): boolean {
    if (look === Look.none || list.length === 0) return false;
    const hold = rate.detailIntervalUs <= HOLD_DETAILS_US ? Depth.details : Depth.usage;
    // A sign of life after each chunk.
    for (let from = 0; from < list.length; from += CHUNK) {
      const to = Math.min(from + CHUNK, list.length);
      this.#reader.readUsage(list, from, to, timeUs);
      for (let i = from; look === Look.details && i < to; i++) {
        this.#reader.readDetails(list.cgroups[i] as FollowedCgroup, timeUs, hold);
      }
      if (to < list.length && !this.#context.alive()) {
        this.#over = true;
        return true;
      }
    }
    return true;
  }

  /** Looks for cgroups that appeared or vanished, as far as there is time for it in this tick. */
  #scan(): void {
    const tree = this.#tree;
    if (tree === null) return;
    const nowUs = monotonicUs();
    if (this.#reader.takeFoundGone()) {
      this.#following.dropGone(tree.nodes());
      this.#scanDueUs = Math.min(this.#scanDueUs, nowUs + SUCCESSOR_US);
      this.#countSeen = Number.NaN;
    }
    if (!tree.scanning) {
      if (nowUs < this.#scanDueUs - this.#clock.intervalUs / 2) return;
      this.#scanDueUs = nowUs + this.#policy.cgroups.scanMs * 1000;
      if (!this.#mayHaveChanged()) return;
      tree.beginScan();
    }
    const untilUs = nowUs + Math.max(SCAN_MIN_US, this.#clock.intervalUs * SCAN_SHARE);
    tree.scan(() => monotonicUs() < untilUs);
  }

  /** By the kernel's count, which is a hint: one that has come may be made up for by one that is gone at last. */
  #mayHaveChanged(): boolean {
    const count = this.#census?.count() ?? Number.NaN;
    const same = count === this.#countSeen && this.#believed < SCANS_BELIEVED;
    this.#countSeen = count;
    this.#believed = same ? this.#believed + 1 : 0;
    return !same;
  }

  /** After a tick: tells what has changed, and sets the clock for it. */
  #finish(): void {
    const changes = this.#following.takeChanges();
    if (changes !== null) {
      this.#tell(changes);
      this.#setClock();
    }
    if (this.#held.short && !this.#saidShort) this.#sayShort();
    this.#recording?.finish(this.#clock.nextUs);
  }

  #open(node: CgroupNode, onlyAncestor: boolean): FollowedCgroup | null {
    const known = this.#known.get(keyOf(node));
    const cgroup = new FollowedCgroup({
      number: known ?? cgroupNumber(this.#context.start.epoch, this.#numbered),
      path: node.path,
      inode: node.inode,
      onlyAncestor,
      directory: node.directory,
      lines: this.#reader.newLines(),
      detailFiles: this.#reader.detailFiles,
    });
    if (!this.#reader.openFirst(cgroup)) return null;
    if (known === undefined) this.#numbered++;
    else this.#known.delete(keyOf(node));
    return cgroup;
  }

  #tell(changes: Changes): void {
    const message = { type: "cgroups", ...changes } as const;
    for (const to of ["analysis", "rescue", "dataset"] as const) this.#context.send(to, message);
  }

  #sayIdlePatterns(): void {
    const { watch } = this.#policy.cgroups;
    const paths = Array.from(this.#tree?.nodes() ?? [], ({ path }) => path);
    for (const pattern of idlePatterns(watch, paths)) {
      this.#context.log("warn", `the pattern ${pattern} matches no cgroup now`);
    }
  }

  #sayShort(): void {
    this.#saidShort = true;
    const what = "files of cgroups are opened for each look, at several times the cost";
    const why = `of the open files that the process may have, ${this.#held.limit} are for cgroups; raise the limit (LimitNOFILE)`;
    this.#sayLimited(what, why);
  }

  #sayLimited(what: string, why: string): void {
    this.#context.log("warn", `${what} (${why})`);
    this.#context.send("recorder", { type: "event", event: { event: "limited", what, why } });
  }

  #close(): void {
    this.#recording?.close();
    this.#tree?.clear();
    this.#census?.close();
  }
}
