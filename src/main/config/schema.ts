/** The shape of a policy file, and what was expected where a file has another. docs/policy.md lists the keys. */
import { type PolicyDocument, RULE_LISTS } from "../../core/policy/document.ts";
import type { Parsed } from "../../core/units.ts";
import {
  absolutePath,
  countWithin,
  durationWithin,
  factorUpTo,
  readAmount,
  readAmountOrFalse,
  readBoolean,
  readCgroupPattern,
  readPattern,
  readRate,
  readScope,
  readShare,
  readUnit,
  sizeWithin,
  userKnownTo,
} from "./read-values.ts";
import type { UidOf } from "./passwd.ts";
import { readDirectoryOrBoolean } from "./read-application-values.ts";
import { ladderOf, MEMORY_RUNGS, RUNG_KEYS } from "./schema-ladder.ts";
import { APPLICATION_KEY_PLACES, applicationKeys } from "./schema-applications.ts";
import { choice, HOUR_MS, list, MINUTE_MS, scalar, table, tableOrFalse } from "./schema-parts.ts";
import { RESOURCE_KEY_PLACES, resourceTables } from "./schema-resources.ts";
import type { Schema } from "./zod.ts";

const KIB = 1024;
const TIB = 2 ** 40;

const pattern = scalar(readPattern);
const ladder = ladderOf(MEMORY_RUNGS);
const lasting = scalar(durationWithin(0, HOUR_MS));
const headroomShape = {
  available: scalar(readAmount),
  recover: scalar(readAmount),
  swap_free: scalar(readAmountOrFalse),
  for: lasting,
  ladder,
};
const thrashingShape = {
  pages_per_second: scalar(readRate),
  stall: scalar(readShare),
  available: scalar(readAmount),
  for: lasting,
  ladder,
};

const memoryShape = {
  enabled: scalar(readBoolean),
  interval: scalar(durationWithin(1, HOUR_MS)),
  interval_min: scalar(durationWithin(1, HOUR_MS)),
  walk_below: scalar(readAmount),
  walk_horizon: scalar(durationWithin(0, HOUR_MS)),
  walk_interval: scalar(durationWithin(1, HOUR_MS)),
  walk_interval_calm: scalar(durationWithin(100, 24 * HOUR_MS)),
  urgent_stall: scalar(readShare),
  warning: tableOrFalse(headroomShape),
  critical: tableOrFalse(headroomShape),
  thrashing: tableOrFalse(thrashingShape),
};
/** The parts of a rule: what it is about. */
const RULE_PATTERNS = { name: pattern, exe: pattern, cmdline: pattern, cgroup: pattern };
const RULE_PARTS = [...Object.keys(RULE_PATTERNS), "user"];

function victimTable(uidOf: UidOf) {
  const parts = { ...RULE_PATTERNS, user: scalar(userKnownTo(uidOf)) };
  const ruleTable = table({ ...parts, descendants: scalar(readBoolean) });
  // A rule without any part would match every process.
  const rule = choice<unknown>((value) => {
    const keys = typeof value === "object" && value !== null ? Object.keys(value) : null;
    if (keys === null || keys.some((key) => key !== "descendants")) return ruleTable;
    const expected = `at least one of ${RULE_PARTS.join(", ")}`;
    return scalar((): Parsed<never> => ({ ok: false, expected, found: "none" }));
  });
  const rules = list(rule, 'an array of tables, such as [{ name = "postgres" }]');
  return table({ ...victimShape, prefer: rules, avoid: rules, never: rules });
}

const victimShape = {
  unit: scalar(readUnit),
  minimum: scalar(sizeWithin(0, TIB)),
  inherit: scalar(readBoolean),
};
const recordShape = {
  audit: scalar(absolutePath("/var/log/plimsoll/audit.jsonl")),
  audit_limit: scalar(sizeWithin(64 * KIB, TIB)),
  kmsg: scalar(readBoolean),
  dataset: scalar(readDirectoryOrBoolean),
  dataset_limit: scalar(sizeWithin(16 * 1024 * KIB, TIB)),
};

const patterns = list(scalar(readCgroupPattern), 'an array of patterns, such as ["/machine/**"]');
const cgroupsShape = {
  enabled: scalar(readBoolean),
  watch: patterns,
  interval: scalar(durationWithin(1, HOUR_MS)),
  stat_every: scalar(countWithin(1, 1_000_000)),
  scan: scalar(durationWithin(10, HOUR_MS)),
  half_life: scalar(durationWithin(1000, 10_000 * HOUR_MS)),
  calibration: scalar(absolutePath("/var/lib/plimsoll/calibration.json")),
};
const rescueShape = {
  cgroups: patterns,
  donors: patterns,
  pause: patterns,
  global_threshold: scalar(readShare),
  host_reserve: scalar(readAmount),
  // 0: nobody is told before the limit is met; for those that may be paused at it.
  margin: scalar(sizeWithin(0, TIB)),
  add_min: scalar(sizeWithin(64 * KIB, TIB)),
  add_max: scalar(sizeWithin(64 * KIB, TIB)),
  reaction: scalar(durationWithin(1, MINUTE_MS)),
  donor_margin: scalar(readAmount),
  lend_max: scalar(factorUpTo(100)),
  rescues_max: scalar(countWithin(1, 1_000_000)),
  rescues_within: scalar(durationWithin(1000, 10_000 * HOUR_MS)),
  return_after: scalar(durationWithin(0, 10_000 * HOUR_MS)),
};

const topShape = { scope: scalar(readScope), dry_run: scalar(readBoolean) };
const memoryTable = table(memoryShape);
const recordTable = table(recordShape);
const cgroupsTable = table(cgroupsShape);
const rescueTable = table(rescueShape);

/** A whole policy file, on a host whose users `uidOf` knows. */
export function policySchema(uidOf: UidOf): Schema<PolicyDocument> {
  const tables = {
    memory: memoryTable,
    victim: victimTable(uidOf),
    cgroups: cgroupsTable,
    rescue: rescueTable,
    record: recordTable,
    ...resourceTables,
    ...applicationKeys,
  };
  return table({ ...topShape, ...tables }) as unknown as Schema<PolicyDocument>;
}

function placed(keys: readonly string[], place: string): (readonly [string, string])[] {
  return keys.map((key) => [key, place] as const);
}

/** Every key there is and where it belongs, for keys written in the wrong place. */
export const KEY_PLACES: readonly (readonly [key: string, place: string])[] = [
  ...placed(
    [
      ...Object.keys(topShape),
      "memory",
      "victim",
      "cgroups",
      "rescue",
      "record",
      ...Object.keys(resourceTables),
      ...Object.keys(applicationKeys),
    ],
    "the top of the file",
  ),
  ...placed(Object.keys(memoryShape), "[memory]"),
  ...placed([...Object.keys(victimShape), ...RULE_LISTS], "[victim]"),
  ...placed(Object.keys(cgroupsShape), "[cgroups]"),
  ...placed(Object.keys(rescueShape), "[rescue]"),
  ...placed(Object.keys(recordShape), "[record]"),
  ...placed(Object.keys(headroomShape), "[memory.critical] or [memory.warning]"),
  ...placed(Object.keys(thrashingShape), "[memory.thrashing]"),
  ...placed([...RULE_PARTS, "descendants"], "a rule of [victim]"),
  ...placed(RUNG_KEYS, "a step of a ladder"),
  ...RESOURCE_KEY_PLACES,
  ...APPLICATION_KEY_PLACES,
];
