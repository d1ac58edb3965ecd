import type { ActionReport } from "../../core/messages.ts";
import type { Policy } from "../../core/policy/policy.ts";
import { RESOURCES } from "../../core/resources/resource.ts";
import { type Board, Gauge, type WorkerName } from "../../core/shared/board.ts";
import type { DatasetFigures } from "../recording/guard-dataset.ts";
import type { Latencies, LatencySummary } from "./latencies.ts";

/** What the guard has done since its start. */
export interface Counts {
  decisions: number;
  /** On other resources than memory. */
  actions: number;
  readonly outcomes: Record<string, number>;
  levels: number;
  gaps: number;
}

export interface StatusSource {
  readonly board: Board;
  readonly policy: Policy;
  readonly counts: Counts;
  readonly latencies: Latencies;
  readonly version: string;
  readonly startedMs: number;
  readonly auditPath: string | null;
  readonly lastAction: ActionReport | null;
  readonly dataset: DatasetFigures | null;
  /** When it was over, in milliseconds since 1970. */
  readonly lastActionMs: number | null;
  /** The threads that this guard has. */
  readonly workers: readonly WorkerName[];
  readonly nowMs: number;
}

/** What `plimsoll status --json` prints; docs/formats.md describes it. Null is not known. */
export interface GuardStatus {
  readonly version: string;
  readonly pid: number;
  readonly policy: string;
  readonly scope: string;
  readonly dryRun: boolean;
  readonly uptimeMs: number;
  readonly auditPath: string | null;
  /** Where what is sampled is recorded; null: nowhere. */
  readonly dataset: DatasetFigures | null;
  /** What the policy has guarded: `memory`, `cpu` and so on. */
  readonly guards: readonly string[];
  readonly memory: {
    readonly level: string;
    readonly totalBytes: number | null;
    readonly availableBytes: number | null;
    readonly warningLineBytes: number | null;
    readonly criticalLineBytes: number | null;
    readonly swapTotalBytes: number | null;
    readonly swapFreeBytes: number | null;
    readonly fillBytesPerSecond: number | null;
    /** Null also when memory is not being used up. */
    readonly timeToExhaustionMs: number | null;
    readonly stallShare: number | null;
    readonly pagesPerSecond: number | null;
    readonly intervalMs: number | null;
    readonly samples: number;
    readonly missedTicks: number;
    readonly worstGapMs: number | null;
    readonly processes: number;
    readonly walkCostUs: number | null;
  };
  readonly counts: Counts;
  readonly latencies: Readonly<Record<string, LatencySummary>>;
  readonly lastAction: ActionReport | null;
  /** When it was over. ISO 8601. */
  readonly lastActionAt: string | null;
  readonly workers: readonly {
    readonly name: string;
    /** How often it has been started. */
    readonly life: number;
    readonly ready: boolean;
    /** It waits for something to do, and need not be heard of until there is. */
    readonly resting: boolean;
    readonly silentMs: number;
  }[];
  readonly residentBytes: number;
}

const LEVEL_WORDS = ["none", "warning", "critical"];

export function statusOf(source: StatusSource): GuardStatus {
  const { board, policy } = source;
  const figure = (index: number): number | null => finite(board.gauge(index));
  return {
    version: source.version,
    pid: process.pid,
    policy: policy.source,
    scope: policy.scope,
    dryRun: policy.dryRun,
    uptimeMs: Date.now() - source.startedMs,
    auditPath: source.auditPath,
    dataset: source.dataset,
    guards: [
      ...(policy.memory.enabled ? ["memory"] : []),
      // A scope of one cgroup has neither disks nor interfaces of its own.
      ...RESOURCES.filter((resource) => policy.scope === "host" && policy[resource].enabled),
    ],
    memory: {
      level: LEVEL_WORDS[board.worstLevel] ?? "none",
      totalBytes: figure(Gauge.totalBytes),
      availableBytes: figure(Gauge.availableBytes),
      warningLineBytes: figure(Gauge.warningLineBytes),
      criticalLineBytes: figure(Gauge.criticalLineBytes),
      swapTotalBytes: figure(Gauge.swapTotalBytes),
      swapFreeBytes: figure(Gauge.swapFreeBytes),
      fillBytesPerSecond: scaled(figure(Gauge.fillBytesPerUs), 1e6),
      timeToExhaustionMs: scaled(figure(Gauge.timeToExhaustionUs), 1e-3),
      stallShare: figure(Gauge.stallShare),
      pagesPerSecond: figure(Gauge.pagesPerSecond),
      intervalMs: scaled(figure(Gauge.intervalUs), 1e-3),
      samples: board.gauge(Gauge.samples),
      missedTicks: board.gauge(Gauge.missedTicks),
      worstGapMs: scaled(figure(Gauge.worstGapUs), 1e-3),
      processes: board.gauge(Gauge.processes),
      walkCostUs: figure(Gauge.walkCostUs),
    },
    counts: source.counts,
    latencies: source.latencies.summary(),
    lastAction: source.lastAction,
    lastActionAt: source.lastActionMs === null ? null : new Date(source.lastActionMs).toISOString(),
    workers: source.workers.map((name) => ({
      name,
      life: board.epoch(name),
      ready: board.isReady(name),
      resting: board.isResting(name),
      silentMs: Math.round(board.silentMs(name, source.nowMs)),
    })),
    residentBytes: process.memoryUsage.rss(),
  };
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function scaled(value: number | null, factor: number): number | null {
  return value === null ? null : Math.round(value * factor * 1000) / 1000;
}
