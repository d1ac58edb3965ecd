/** From what the files say to the policy every thread works from. */
import {
  type CgroupsDocument,
  type HeadroomDocument,
  type MemoryDocument,
  type PolicyDocument,
  type PolicyLayer,
  type RecordDocument,
  type RescueDocument,
  RULE_LISTS,
  type RuleList,
  type ThrashingDocument,
  type VictimDocument,
} from "./document.ts";
import { compileResources } from "./compile-resources.ts";
import { merged, needed, recoverDefault } from "./layers.ts";
import type {
  Amount,
  CgroupCalibration,
  CgroupsPolicy,
  HeadroomLevel,
  MemoryPolicy,
  Policy,
  ProcessRule,
  RecordPolicy,
  RescuePolicy,
  ThrashingLevel,
} from "./policy.ts";

/**
 * Lays documents over each other, the most general first. Tables are merged key by key, ladders replaced, rules
 * added to those underneath (unless `inherit = false`).
 * @param layers the lowest must say every key that has no default here, as profiles/default.toml does.
 * @param calibration what stands in the file that `cgroups.calibration` names
 */
export function compilePolicy(
  layers: readonly PolicyLayer[],
  calibration: Readonly<Record<string, CgroupCalibration>> = {},
): Policy {
  const top = merged<PolicyDocument>(layers.map(({ document }) => document));
  const victim = merged<VictimDocument>(layers.map(({ document }) => document.victim));
  const rescue = rescueOf(layers);
  return {
    source: needed(layers.at(-1)?.file, "a file"),
    scope: needed(top.scope, "scope"),
    dryRun: needed(top.dry_run, "dry_run"),
    memory: memoryOf(layers),
    victim: {
      unit: needed(victim.unit, "victim.unit"),
      minimumBytes: needed(victim.minimum, "victim.minimum"),
      prefer: rulesOf(layers, "prefer"),
      avoid: rulesOf(layers, "avoid"),
      never: rulesOf(layers, "never"),
    },
    cgroups: cgroupsOf(layers, rescue, calibration),
    rescue,
    record: recordOf(layers),
    ...compileResources(layers),
  };
}

function memoryOf(layers: readonly PolicyLayer[]): MemoryPolicy {
  const tables = layers.map(({ document }) => document.memory);
  const said = merged<MemoryDocument>(tables);
  const need = <K extends keyof MemoryDocument>(key: K): NonNullable<MemoryDocument[K]> =>
    needed(said[key], `memory.${key}`);
  const enabled = need("enabled");
  // Without levels nothing can be decided.
  const headroom = (name: "warning" | "critical"): HeadroomLevel | null =>
    !enabled || need(name) === false ? null : headroomOf(tables.map((table) => table?.[name]));
  const thrashes = enabled && need("thrashing") !== false;
  return {
    enabled,
    intervalMs: need("interval"),
    intervalMinMs: need("interval_min"),
    walkBelow: need("walk_below"),
    walkHorizonMs: need("walk_horizon"),
    walkIntervalMs: need("walk_interval"),
    walkIntervalCalmMs: need("walk_interval_calm"),
    urgentStallShare: need("urgent_stall"),
    warning: headroom("warning"),
    critical: headroom("critical"),
    thrashing: thrashes ? thrashingOf(tables.map((table) => table?.thrashing)) : null,
  };
}

function headroomOf(tables: readonly (HeadroomDocument | false | undefined)[]): HeadroomLevel {
  // A `recover` that belongs to an `available` which was overridden says nothing about the new one.
  let recover: Amount | undefined;
  for (const table of tables) {
    if (table === undefined || table === false) continue;
    recover = table.recover ?? (table.available === undefined ? recover : undefined);
  }
  const said = merged<HeadroomDocument>(tables);
  const available = needed(said.available, "available");
  return {
    available,
    recover: recover ?? recoverDefault(available),
    swapFree: needed(said.swap_free, "swap_free") || null,
    forMs: needed(said.for, "for"),
    ladder: needed(said.ladder, "ladder"),
  };
}

function thrashingOf(tables: readonly (ThrashingDocument | false | undefined)[]): ThrashingLevel {
  const said = merged<ThrashingDocument>(tables);
  return {
    pagesPerSecond: needed(said.pages_per_second, "pages_per_second"),
    stallShare: needed(said.stall, "stall"),
    available: needed(said.available, "available"),
    forMs: needed(said.for, "for"),
    ladder: needed(said.ladder, "ladder"),
  };
}

/** Between two looks at each cgroup: to learn, that is often; to move limits by, it would be old. */
const INTERVAL_MS = 5000;
export const INTERVAL_RESCUE_MS = 1000;

function cgroupsOf(
  layers: readonly PolicyLayer[],
  rescue: RescuePolicy,
  calibration: CgroupsPolicy["calibration"],
): CgroupsPolicy {
  const said = merged<CgroupsDocument>(layers.map(({ document }) => document.cgroups));
  const need = <K extends keyof CgroupsDocument>(key: K): NonNullable<CgroupsDocument[K]> =>
    needed(said[key], `cgroups.${key}`);
  return {
    enabled: need("enabled"),
    watch: [...new Set([...need("watch"), ...rescue.cgroups, ...rescue.donors])],
    intervalMs: said.interval ?? (rescue.cgroups.length > 0 ? INTERVAL_RESCUE_MS : INTERVAL_MS),
    statEvery: need("stat_every"),
    scanMs: need("scan"),
    halfLifeMs: need("half_life"),
    calibrationPath: said.calibration ?? null,
    calibration,
  };
}

function rescueOf(layers: readonly PolicyLayer[]): RescuePolicy {
  const said = merged<RescueDocument>(layers.map(({ document }) => document.rescue));
  const need = <K extends keyof RescueDocument>(key: K): NonNullable<RescueDocument[K]> =>
    needed(said[key], `rescue.${key}`);
  const cgroups = need("cgroups");
  return {
    cgroups,
    donors: said.donors ?? cgroups,
    pause: need("pause"),
    globalThreshold: need("global_threshold"),
    hostReserve: need("host_reserve"),
    marginBytes: need("margin"),
    addMinBytes: need("add_min"),
    addMaxBytes: need("add_max"),
    reactionMs: need("reaction"),
    donorMargin: need("donor_margin"),
    lendShareMax: need("lend_max"),
    rescuesMax: need("rescues_max"),
    rescuesWithinMs: need("rescues_within"),
    returnAfterMs: need("return_after"),
  };
}

function recordOf(layers: readonly PolicyLayer[]): RecordPolicy {
  const said = merged<RecordDocument>(layers.map(({ document }) => document.record));
  return {
    auditPath: said.audit ?? null,
    auditLimitBytes: needed(said.audit_limit, "record.audit_limit"),
    kmsg: needed(said.kmsg, "record.kmsg"),
    samples: needed(said.dataset, "record.dataset") !== false,
    datasetDirectory: typeof said.dataset === "string" ? said.dataset : null,
    datasetLimitBytes: needed(said.dataset_limit, "record.dataset_limit"),
  };
}

function rulesOf(layers: readonly PolicyLayer[], list: RuleList): ProcessRule[] {
  const begin = layers.findLastIndex(({ document }) => document.victim?.inherit === false);
  return layers.slice(Math.max(begin, 0)).flatMap((layer) =>
    (layer.document.victim?.[list] ?? []).map((rule, index) => ({
      name: rule.name ?? null,
      exe: rule.exe ?? null,
      cmdline: rule.cmdline ?? null,
      cgroup: rule.cgroup ?? null,
      uid: rule.user ?? null,
      descendants: rule.descendants ?? list === "never",
      line: layer.builtIn ? 0 : (layer.lineOf(["victim", list, index]) ?? 0),
    })),
  );
}

/** All lists of rules with their names, in the order of docs/policy.md. */
export function ruleLists(policy: Policy): readonly (readonly [RuleList, readonly ProcessRule[]])[] {
  return RULE_LISTS.map((list) => [list, policy.victim[list]]);
}
