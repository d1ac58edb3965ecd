import fs from "node:fs";
import path from "node:path";
import { CGROUPS_FILE } from "../../core/dataset/cgroup-lines.ts";
import { runName } from "../../core/dataset/runs.ts";
import type { Recordable } from "../../core/dataset/tables.ts";
import type { Policy } from "../../core/policy/policy.ts";
import { type Board, Gauge, type WorkerName } from "../../core/shared/board.ts";
import { writeManifest } from "../../workers/common/manifest-file.ts";
import type { HostRoots } from "../../workers/common/roots.ts";
import type { DatasetStart } from "../../workers/common/worker.ts";
import { makeDirectory } from "../coordinator/places.ts";
import { firstManifest } from "./first-manifest.ts";

/** Seldom, as it goes on for weeks; but what comes last is what is asked for when the host has died. */
const FLUSH_MS = 2000;

/** What `plimsoll status` says of it. */
export interface DatasetFigures {
  readonly directory: string;
  /** That are there; not those that were removed. */
  readonly rows: number;
  readonly bytes: number;
  readonly lostRows: number;
}

export interface GuardDatasetOptions {
  readonly roots: HostRoots;
  /** Where the policy names no place. */
  readonly usualDirectory: string;
  readonly auditPath: string | null;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
}

/** Below what the policy names, a dataset for each start of the guard: what its samplers sample anyway is recorded. */
export class GuardDataset {
  readonly start: DatasetStart;

  private constructor(start: DatasetStart) {
    this.start = start;
  }

  /**
   * Begins one, whose rows the dataset's thread then writes.
   * @param workers that the guard starts with: they say what is sampled
   * @returns null where the policy wants none
   * @throws Error when it cannot be written
   */
  static begin(
    policy: Policy,
    workers: readonly WorkerName[],
    { roots, usualDirectory, auditPath, startedMs }: GuardDatasetOptions,
  ): GuardDataset | null {
    const { samples, datasetDirectory, datasetLimitBytes: limitBytes } = policy.record;
    if (!samples) return null;
    // The sampler's rows are of the scope's memory, and the table is of the host's.
    if (policy.scope !== "host")
      throw new Error(`what is recorded is the host's, and the scope is ${policy.scope}`);
    const directory = path.join(datasetDirectory ?? usualDirectory, runName(startedMs));
    makeDirectory(directory, 0o755);
    fs.closeSync(fs.openSync(path.join(directory, CGROUPS_FILE), "wx", 0o644));
    const recorded = { ...samplingOf(policy, workers), auditPath: auditPath && path.resolve(auditPath) };
    writeManifest(directory, firstManifest(recorded, roots), true);
    return new GuardDataset({ directory, limitBytes, flushMs: FLUSH_MS, only: false });
  }

  figures(board: Board): DatasetFigures {
    return {
      directory: this.start.directory,
      rows: board.gauge(Gauge.datasetRows),
      bytes: board.gauge(Gauge.datasetBytes),
      lostRows: board.gauge(Gauge.datasetLostRows),
    };
  }
}

/** What a guard samples by this policy, and how often. */
function samplingOf(policy: Policy, workers: readonly WorkerName[]) {
  const { memory, cgroups, cpu, disk, io, net, vm, app } = policy;
  const host = workers.includes("host");
  const intervals: readonly (readonly [Recordable, boolean, number | undefined])[] = [
    ["cgroups", workers.includes("cgroups"), cgroups.intervalMs],
    ["cpu", host && cpu.enabled, cpu.intervalMs],
    ["disk", host && disk.enabled, disk.intervalMs],
    ["io", host && io.enabled, io.intervalMs],
    ["net", host && net.enabled && net.rates !== null, net.rates?.intervalMs],
    ["vm", workers.includes("vm"), vm.intervalMs],
    ["app", workers.includes("app"), Math.min(...app.applications.map(({ intervalMs }) => intervalMs))],
  ];
  const sampled = intervals.filter(([, isSampled]) => isSampled);
  return {
    resources: ["memory", ...sampled.map(([resource]) => resource)] as readonly Recordable[],
    intervalMs: memory.intervalMs,
    intervalsMs: Object.fromEntries(sampled.map(([resource, , intervalMs]) => [resource, intervalMs])),
    statEvery: cgroups.statEvery,
    patterns: cgroups.watch,
  };
}
