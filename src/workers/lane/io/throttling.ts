import fs from "node:fs";
import path from "node:path";
import type { IoAction, IoLimits } from "../../../core/io/action.ts";
import { describeLimits } from "../../../core/io/action.ts";
import { effectOf } from "../../../core/io/effect.ts";
import { type IoLeverValue, ioLeverFiles, ioLeverValues } from "../../../core/io/lever-values.ts";
import type { CgroupLever } from "../../../core/levers/lever.ts";
import { majorMinor } from "../../../core/parse/diskstats.ts";
import type { IoPolicy } from "../../../core/policy/resources.ts";
import type { ResourceOutcome } from "../../../core/resources/report.ts";
import type { Figures } from "../../../core/resources/resource.ts";
import { findIoHierarchy, type IoHierarchy } from "../../common/cgroup-io.ts";
import type { HostRoots } from "../../common/roots.ts";
import { type Levers, readLever, type UndoResult } from "../levers.ts";
import { cgroupFigures, measure } from "./measure.ts";
import type { StepLog } from "./step-log.ts";

/** What was queued before a limit goes through unlimited: it is measured after this time, for this time at most. */
const SETTLE_MS = 200;
const MEASURE_MS = 2000;
const MEASURE_MIN_MS = 300;
const RELEASED_MEASURE_MS = 500;

type ThrottleAction = Extract<IoAction, { kind: "throttle" }>;
type ReleaseAction = Extract<IoAction, { kind: "release" }>;

/** How an action went, for its report. */
export interface Done {
  readonly outcome: ResourceOutcome;
  readonly before: Figures;
  readonly after: Figures;
}

/** Imposes limits of I/O on cgroups, and takes them back. */
export class Throttling {
  readonly #roots: HostRoots;
  readonly #levers: Levers;
  readonly #policy: () => IoPolicy;
  readonly #hierarchy: IoHierarchy | null;

  constructor(roots: HostRoots, levers: Levers, policy: () => IoPolicy) {
    this.#roots = roots;
    this.#levers = levers;
    this.#policy = policy;
    this.#hierarchy = findIoHierarchy(roots.cgroup);
  }

  async throttle(action: ThrottleAction, log: StepLog): Promise<Done> {
    const { cgroup, numbers, load } = action;
    const before = { ...numbers, ...cgroupFigures(load) };
    const end = (outcome: ResourceOutcome, after: Figures = {}): Done => ({ outcome, before, after });
    if (this.#hierarchy === null) {
      log.add("throttle", "no I/O controller of cgroups is mounted: nothing can be limited");
      return end("failed");
    }
    const inode = inodeOf(this.#directory(this.#hierarchy, cgroup));
    if (inode === null) {
      log.add("throttle", `${cgroup} is gone`);
      return end("gone");
    }
    const limits = atLeast(action.limits, this.#policy());
    const values = this.#values(this.#hierarchy, action, inode, limits);
    if (values.length === 0) {
      log.add("throttle", "its own limits are as low, or its files cannot be read: they are left");
      return end("failed");
    }
    if (action.dryRun) {
      log.add(`would limit to ${describeLimits(limits)}`, "dry run");
      return end("dry-run");
    }
    const refusal = await this.#impose(this.#hierarchy, action, inode, values, log);
    if (refusal) return end("refused");
    return this.#judge(this.#hierarchy, action, limits, log, end);
  }

  async release({ cgroup, device, numbers }: ReleaseAction, log: StepLog): Promise<Done> {
    const held = this.#levers.held().flatMap(({ lever }) => {
      if (lever.kind !== "cgroup" || this.#hierarchy === null) return [];
      const same = lever.directory === this.#directory(this.#hierarchy, cgroup);
      return same && lever.device === majorMinor(device.number) ? [lever] : [];
    });
    if (held.length === 0) log.add("release", "nothing was imposed");
    const ends = new Set<UndoResult["end"]>();
    for (const lever of held) {
      const result = await this.#levers.undo(lever);
      log.add(`release ${lever.file}`, result.text);
      ends.add(result.end);
    }
    const outcome = ends.has("waits") ? "failed" : ends.size === 1 && ends.has("gone") ? "gone" : "released";
    if (this.#hierarchy === null || outcome !== "released") return { outcome, before: numbers, after: {} };
    const { figures } = await this.#measure(this.#hierarchy, cgroup, device.number, RELEASED_MEASURE_MS);
    return { outcome, before: numbers, after: figures };
  }

  async releaseAll(log: StepLog): Promise<Done> {
    const results = await this.#levers.undoAll();
    if (results.length === 0) log.add("release", "nothing was imposed");
    for (const { text } of results) log.add("release", text);
    const failed = results.some(({ end }) => end === "waits");
    return { outcome: failed ? "partly" : "released", before: {}, after: {} };
  }

  #directory({ root }: IoHierarchy, cgroup: string): string {
    return path.join(root, cgroup);
  }

  #values(
    hierarchy: IoHierarchy,
    { cgroup, device }: ThrottleAction,
    inode: number,
    limits: IoLimits,
  ): IoLeverValue[] {
    const directory = this.#directory(hierarchy, cgroup);
    const id = majorMinor(device.number);
    return ioLeverValues(hierarchy.version, limits, (file) =>
      readLever(this.#roots.proc, { kind: "cgroup", directory, inode, file, device: id }),
    );
  }

  /** @returns whether it was refused: then nothing of it stands */
  async #impose(
    hierarchy: IoHierarchy,
    { cgroup, device }: ThrottleAction,
    inode: number,
    values: readonly IoLeverValue[],
    log: StepLog,
  ): Promise<boolean> {
    const directory = this.#directory(hierarchy, cgroup);
    const done: CgroupLever[] = [];
    for (const { file, value } of values) {
      const lever: CgroupLever = {
        kind: "cgroup",
        directory,
        inode,
        file,
        device: majorMinor(device.number),
        value,
      };
      const refusal = await this.#levers.impose(lever);
      log.add(`${file} of ${device.name} to ${value}`, refusal ?? "done");
      if (refusal === null) {
        done.push(lever);
        continue;
      }
      for (const each of done) log.add("take back", (await this.#levers.undo(each)).text);
      return true;
    }
    return false;
  }

  /** Whether it has helped; a limit without effect is taken back, as it would only stand about. */
  async #judge(
    hierarchy: IoHierarchy,
    action: ThrottleAction,
    limits: IoLimits,
    log: StepLog,
    end: (outcome: ResourceOutcome, after?: Figures) => Done,
  ): Promise<Done> {
    const { cgroup, device, load, deadlineMs } = action;
    await log.time("let it settle", SETTLE_MS);
    const overMs = Math.max(MEASURE_MIN_MS, Math.min(MEASURE_MS, deadlineMs / 2));
    const { load: after, figures, gone } = await this.#measure(hierarchy, cgroup, device.number, overMs);
    const effect = after === null ? "held" : effectOf(limits, load, after);
    log.add(`measure over ${overMs} ms`, gone ? "the cgroup is gone" : WORDS[effect]);
    if (effect !== "none") return end(effect === "held" ? "done" : "partly", figures);
    for (const file of ioLeverFiles(hierarchy.version)) {
      for (const { lever } of this.#levers.held()) {
        const own =
          lever.kind === "cgroup" && lever.file === file && lever.device === majorMinor(device.number);
        if (own && lever.directory === this.#directory(hierarchy, cgroup))
          log.add("take back", (await this.#levers.undo(lever)).text);
      }
    }
    return end("failed", figures);
  }

  #measure(hierarchy: IoHierarchy, cgroup: string, device: number, overMs: number) {
    const policy = this.#policy();
    return measure({ procRoot: this.#roots.proc, hierarchy, cgroup, device, policy }, overMs);
  }
}

const WORDS = {
  held: "it keeps to its limits",
  slower: "it does less than it did, and more than its limits",
  none: "no effect: its I/O is not its own to the kernel (buffered writes on cgroup v1)",
} as const;

/** Whatever was asked for, nobody is given less than the policy's minimum. */
function atLeast({ readBytes, writtenBytes, reads, writes }: IoLimits, policy: IoPolicy): IoLimits {
  const { bytesMinPerSecond: bytes, operationsMinPerSecond: operations } = policy;
  const up = (limit: number | null, minimum: number): number | null =>
    limit === null ? null : Math.max(limit, Math.ceil(minimum), 1);
  return {
    readBytes: up(readBytes, bytes),
    writtenBytes: up(writtenBytes, bytes),
    reads: up(reads, operations),
    writes: up(writes, operations),
  };
}

function inodeOf(directory: string): number | null {
  return fs.statSync(directory, { throwIfNoEntry: false })?.ino ?? null;
}
