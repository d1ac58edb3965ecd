/** The shape of a policy file, and what was expected where a file has another. docs/policy.md lists the keys. */
import { DEADLINE_DEFAULT_MS, type PolicyDocument, RULE_LISTS } from "../../core/policy/document.ts";
import type { Rung } from "../../core/policy/policy.ts";
import { describeValue, type Parsed } from "../../core/units.ts";
import {
  absolutePath,
  countWithin,
  durationWithin,
  factorUpTo,
  readAmount,
  readAmountOrFalse,
  readBoolean,
  readCgroupPattern,
  readCommand,
  readPattern,
  readRate,
  readScope,
  readShare,
  readUnit,
  sizeWithin,
  userKnownTo,
} from "./read-values.ts";
import type { UidOf } from "./passwd.ts";
import { type Schema, z } from "./zod.ts";

type Shape = Readonly<Record<string, Schema<unknown>>>;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const KIB = 1024;
const TIB = 2 ** 40;

/** One value. What is wrong travels as the issue's params, as zod's own messages do not say what was found. */
function scalar<T>(read: (value: unknown) => Parsed<T>): Schema<T> {
  return z.pipe(
    z.unknown(),
    z.transform((value: unknown, context): T => {
      const parsed = read(value);
      if (parsed.ok) return parsed.value;
      const { expected, found } = parsed;
      context.issues.push({ code: "custom", input: value, params: { expected, found } });
      return z.NEVER;
    }),
  );
}

/** A table whose keys may all be left out, and has no others. The message of an unknown key lists the known. */
function table<T extends Shape>(shape: T, needed: readonly (keyof T)[] = []) {
  const entries = Object.entries(shape).map(([key, value]) => [
    key,
    needed.includes(key) ? value : z.optional(value),
  ]);
  return z.strictObject(
    Object.fromEntries(entries) as { [K in keyof T]: ReturnType<typeof z.optional<T[K]>> },
    {
      error: (issue) => (issue.code === "unrecognized_keys" ? Object.keys(shape).join(" ") : "a table"),
    },
  );
}

function list<T>(item: Schema<T>, expected: string): Schema<T[]> {
  return z.array(item, { error: expected });
}

/** A value whose schema is told by a look at it; so that a mistake is reported once, for the one it was meant to be. */
function choice<T>(choose: (value: unknown) => Schema<T>): Schema<T> {
  return z.pipe(
    z.unknown(),
    z.transform((value: unknown, context): T => {
      const result = z.safeParse(choose(value), value, { reportInput: true });
      if (result.success) return result.data;
      // An issue as reported is one as raised with its message settled; zod has two types for the two ends.
      for (const issue of result.error.issues) context.issues.push(issue as (typeof context.issues)[number]);
      return z.NEVER;
    }),
  );
}

const pattern = scalar(readPattern);
const deadline = scalar(durationWithin(1, HOUR_MS));
const ACTION_EXPECTED = '"log", "sigterm", "sigkill", or a table such as { action = "command", run = "…" }';
const anything = z.unknown() as Schema<unknown>;

const logRung = table({ action: anything });
const commandRung = table({ action: anything, run: scalar(readCommand), deadline }, ["run"]);
const signalRung = table({ action: anything, deadline });

/** A rung is a word, or a table with the word as its `action`. */
const rung: Schema<Rung> = choice((value) => {
  const isTable = typeof value === "object" && value !== null && !Array.isArray(value);
  const word: unknown = isTable ? (value as { action?: unknown }).action : value;
  switch (word) {
    case "log":
      return fromRung(isTable ? logRung : anything, () => ({ action: "log" }));
    case "sigterm":
    case "sigkill":
      return fromRung(isTable ? signalRung : anything, (said) => ({
        action: word,
        deadlineMs: said.deadline ?? DEADLINE_DEFAULT_MS[word],
      }));
    case "command":
      if (!isTable) break;
      return fromRung(commandRung, (said) => ({
        action: "command",
        command: said.run ?? "",
        deadlineMs: said.deadline ?? DEADLINE_DEFAULT_MS.command,
      }));
  }
  const expected = isTable ? '"log", "command", "sigterm" or "sigkill"' : ACTION_EXPECTED;
  const refused = scalar((): Parsed<never> => ({ ok: false, expected, found: describeValue(word) }));
  return isTable ? (z.looseObject({ action: refused }) as unknown as Schema<Rung>) : refused;
});

function fromRung(schema: Schema<unknown>, make: (said: RungSaid) => Rung): Schema<Rung> {
  const said = (value: unknown): RungSaid => (typeof value === "object" && value !== null ? value : {});
  return z.pipe(
    schema,
    z.transform((value: unknown) => make(said(value))),
  );
}

interface RungSaid {
  readonly run?: string;
  readonly deadline?: number;
}

const ladder = list(rung, `an array of steps: ${ACTION_EXPECTED}`);
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

/** A level's table, or false: the level is switched off. */
function level(shape: Shape): Schema<unknown> {
  const on = table(shape);
  const off = scalar(
    (value): Parsed<false> =>
      value === false
        ? { ok: true, value }
        : { ok: false, expected: "a table, or false", found: describeValue(value) },
  );
  return choice<unknown>((value) =>
    typeof value === "object" && value !== null && !Array.isArray(value) ? on : off,
  );
}

const memoryShape = {
  enabled: scalar(readBoolean),
  interval: scalar(durationWithin(1, HOUR_MS)),
  interval_min: scalar(durationWithin(1, HOUR_MS)),
  walk_below: scalar(readAmount),
  walk_horizon: scalar(durationWithin(0, HOUR_MS)),
  walk_interval: scalar(durationWithin(1, HOUR_MS)),
  walk_interval_calm: scalar(durationWithin(100, 24 * HOUR_MS)),
  urgent_stall: scalar(readShare),
  warning: level(headroomShape),
  critical: level(headroomShape),
  thrashing: level(thrashingShape),
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
  };
  return table({ ...topShape, ...tables }) as unknown as Schema<PolicyDocument>;
}

function placed(keys: readonly string[], place: string): (readonly [string, string])[] {
  return keys.map((key) => [key, place] as const);
}

/** Every key there is and where it belongs, for keys written in the wrong place. */
export const KEY_PLACES: readonly (readonly [key: string, place: string])[] = [
  ...placed(
    [...Object.keys(topShape), "memory", "victim", "cgroups", "rescue", "record"],
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
  ...placed(["action", "run", "deadline"], "a step of a ladder"),
];
