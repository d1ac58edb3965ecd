import type { Recordable } from "../../core/dataset/tables.ts";
import type { Policy } from "../../core/policy/policy.ts";
import type { RatesPolicy } from "../../core/policy/resources.ts";

/** What the command line says about the sampling. */
export interface RecordRequest {
  readonly recorded: readonly Recordable[];
  /** Of cgroups; empty when they are not recorded. */
  readonly patterns: readonly string[];
  readonly intervalMs: number;
  readonly statEvery: number;
}

/** Cgroups that appear are found so soon. */
const SCAN_MS = 1000;
/** Space changes slowly, and each look asks every file system. */
const SPACE_MS = 5000;
/** Machines are asked for by a program that takes its time. */
const MACHINES_MS = 1000;

/** Of what is looked at less often than `--interval` says, how often. Milliseconds. */
export function intervalsMs({
  recorded,
  intervalMs,
}: RecordRequest): Partial<Readonly<Record<Recordable, number>>> {
  return {
    ...(recorded.includes("disk") ? { disk: Math.max(SPACE_MS, intervalMs) } : {}),
    ...(recorded.includes("vm") ? { vm: Math.max(MACHINES_MS, intervalMs) } : {}),
  };
}

/** A policy that has exactly what is asked for sampled, at these intervals; no thread that acts is started by it. */
export function recordingPolicy(base: Policy, request: RecordRequest): Policy {
  const { recorded, patterns, intervalMs, statEvery } = request;
  const has = (what: Recordable): boolean => recorded.includes(what);
  const { disk: spaceMs = SPACE_MS, vm: machinesMs = MACHINES_MS } = intervalsMs(request);
  return {
    ...base,
    scope: "host",
    // Its interval does not change with what is there, so that it is the same as the others'.
    memory: { ...base.memory, intervalMs, intervalMinMs: intervalMs },
    cgroups: {
      ...base.cgroups,
      enabled: has("cgroups"),
      watch: patterns,
      intervalMs,
      statEvery,
      scanMs: SCAN_MS,
    },
    cpu: { ...base.cpu, enabled: has("cpu"), intervalMs, fairUse: null },
    disk: {
      ...base.disk,
      enabled: has("disk"),
      intervalMs: spaceMs,
      intervalMinMs: spaceMs,
      mounts: [],
      places: [],
    },
    io: { ...base.io, enabled: has("io"), intervalMs, devices: ["*"] },
    net: {
      ...base.net,
      enabled: has("net"),
      interfaces: ["*"],
      never: [],
      rates: has("net") ? ratesAt(intervalMs) : null,
    },
    vm: {
      ...base.vm,
      enabled: has("vm"),
      intervalMs: machinesMs,
      never: [],
      hibernateAt: null,
      freezeOnCpu: false,
      destroy: false,
    },
    app: {
      enabled: has("app"),
      applications: has("app") ? base.app.applications.map((each) => ({ ...each, intervalMs })) : [],
      callbacksPath: null,
      callbackDeadlineMs: base.app.callbackDeadlineMs,
      exitWithApplication: false,
      monitorLogPath: null,
    },
  };
}

/** All interfaces, and no rate that is too high. */
function ratesAt(intervalMs: number): RatesPolicy {
  const most = Number.MAX_SAFE_INTEGER;
  return {
    intervalMs,
    interfaces: ["*"],
    window: 1,
    bytesPerSecond: most,
    packetsPerSecond: most,
    downBytesPerSecond: most,
    downPacketsPerSecond: most,
    steps: [],
    stepMs: intervalMs,
    relaxMs: intervalMs,
    down: false,
  };
}
