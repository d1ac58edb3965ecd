/** The single values of a policy file: from what TOML gave to a number or text, or what was expected instead. */
import { compilePattern } from "../../core/policy/pattern.ts";
import type { Amount, VictimUnit } from "../../core/policy/policy.ts";
import {
  describeValue,
  formatDuration,
  formatShare,
  formatSize,
  type Parsed,
  parseDuration,
  parseShare,
  parseSize,
} from "../../core/units.ts";
import type { UidOf } from "./passwd.ts";

const VICTIM_UNITS: readonly VictimUnit[] = ["auto", "process", "group", "cgroup"];
const UID_MAX = 2 ** 32 - 2;

export function ok<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

export function wrong(expected: string, value: unknown): Parsed<never> {
  return { ok: false, expected, found: describeValue(value) };
}

export function readBoolean(value: unknown): Parsed<boolean> {
  return typeof value === "boolean" ? ok(value) : wrong("true or false", value);
}

/** A reader of durations within bounds, in milliseconds. */
export function durationWithin(minMs: number, maxMs: number): (value: unknown) => Parsed<number> {
  return (value) => {
    const parsed = parseDuration(value);
    if (!parsed.ok || (parsed.value >= minMs && parsed.value <= maxMs)) return parsed;
    return wrong(`a duration from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`, value);
  };
}

/** A reader of sizes within bounds, in bytes. */
export function sizeWithin(minBytes: number, maxBytes: number): (value: unknown) => Parsed<number> {
  return (value) => {
    const parsed = parseSize(value);
    if (!parsed.ok || (parsed.value >= minBytes && parsed.value <= maxBytes)) return parsed;
    return wrong(`a size from ${formatSize(minBytes)} to ${formatSize(maxBytes)}`, value);
  };
}

/** A share above 0: one of 0 would never, or always, be exceeded. */
export function readShare(value: unknown): Parsed<number> {
  const parsed = parseShare(value);
  return parsed.ok && parsed.value === 0 ? wrong("a share above 0%", value) : parsed;
}

/** Less is never meant: `available = "10"` would be ten bytes, and the guard asleep. */
const AMOUNT_BYTES_MIN = 64 * 1024;
const AMOUNT_EXPECTED = `a share such as "10%" or a size such as "500MiB", of at least ${formatSize(AMOUNT_BYTES_MIN)}`;

/** A share of the total or a number of bytes, above 0. */
export function readAmount(value: unknown): Parsed<Amount> {
  if (typeof value === "string" && value.includes("%")) {
    const share = readShare(value);
    return share.ok ? ok({ share: share.value }) : share;
  }
  const size = parseSize(value);
  if (size.ok)
    return size.value >= AMOUNT_BYTES_MIN ? ok({ bytes: size.value }) : wrong(AMOUNT_EXPECTED, value);
  // A unit nearly right earns the particular message of parseSize.
  return typeof value === "string" && /^\d/.test(value.trim()) ? size : wrong(AMOUNT_EXPECTED, value);
}

/** An amount, or false for "not looked at". */
export function readAmountOrFalse(value: unknown): Parsed<Amount | false> {
  if (value === false) return ok(false);
  const amount = readAmount(value);
  return amount.ok ? amount : { ...amount, expected: `${amount.expected}, or false` };
}

export function readRate(value: unknown): Parsed<number> {
  return typeof value === "number" && Number.isFinite(value) && value > 0
    ? ok(value)
    : wrong("a number above 0", value);
}

export function readUnit(value: unknown): Parsed<VictimUnit> {
  const unit = VICTIM_UNITS.find((known) => known === value);
  return unit === undefined ? wrong(VICTIM_UNITS.map((known) => `"${known}"`).join(", "), value) : ok(unit);
}

/** `host`, or the path of a memory cgroup below the mount of its hierarchy (cgroups(7)). */
export function readScope(value: unknown): Parsed<string> {
  const scope = typeof value === "string" ? value.replace(/(?<=.)\/+$/, "") : "";
  const path = /^(?:\/[^/\0\n]+)+$/.test(scope) && !/\/\.{1,2}(?:\/|$)/.test(scope);
  return scope === "host" || path
    ? ok(scope)
    : wrong('"host", or a memory cgroup such as "/machine/build"', value);
}

/** A reader of absolute paths of files. */
export function absolutePath(example: string): (value: unknown) => Parsed<string> {
  return (value) => {
    const right = typeof value === "string" && /^\/[^\0]*[^/\0]$/.test(value);
    return right ? ok(value) : wrong(`the absolute path of a file, such as "${example}"`, value);
  };
}

export function readCommand(value: unknown): Parsed<string> {
  const right = typeof value === "string" && value.trim() !== "" && !value.includes("\0");
  return right ? ok(value) : wrong("a command line for /bin/sh", value);
}

/** The source of a regular expression that must match the whole value. */
export function readPattern(value: unknown): Parsed<string> {
  if (typeof value !== "string" || value === "")
    return wrong("a regular expression that is not empty", value);
  try {
    compilePattern(value);
    return ok(value);
  } catch (error) {
    // "Invalid regular expression: /^(?:…)$/su: Unmatched ')'": only the end says something.
    const reason = error instanceof Error ? error.message.split(": ").at(-1) : "";
    return wrong(`a regular expression (JavaScript's, with flags s and u; ${reason})`, value);
  }
}

/** A reader of users, by name or number, as uids. */
export function userKnownTo(uidOf: UidOf): (value: unknown) => Parsed<number> {
  return (value) => {
    if (typeof value === "number") {
      const right = Number.isInteger(value) && value >= 0 && value <= UID_MAX;
      return right ? ok(value) : wrong(`a uid from 0 to ${UID_MAX}`, value);
    }
    if (typeof value !== "string") return wrong("a user's name, or a uid", value);
    const uid = uidOf(value);
    // Users of LDAP and the like stand in no file; asking for them could block on the network.
    return uid === null ? wrong("a user of /etc/passwd, or a uid (`id -u NAME` tells it)", value) : ok(uid);
  };
}

/** A reader of numbers above 0 and up to `max`, fractions too. */
export function numberUpTo(max: number): (value: unknown) => Parsed<number> {
  return (value) =>
    typeof value === "number" && value > 0 && value <= max
      ? ok(value)
      : wrong(`a number above 0 and up to ${max}`, value);
}

/** A reader of whole numbers within bounds. */
export function countWithin(min: number, max: number): (value: unknown) => Parsed<number> {
  return (value) =>
    typeof value === "number" && Number.isInteger(value) && value >= min && value <= max
      ? ok(value)
      : wrong(`a whole number from ${min} to ${max}`, value);
}

/** A share above 0 that may be more than the whole, up to `max`: "200%" is 2. */
export function factorUpTo(max: number): (value: unknown) => Parsed<number> {
  return (value) => {
    const match = typeof value === "string" ? /^(\d+(?:\.\d+)?) ?%$/.exec(value.trim()) : null;
    const factor = Number(match?.[1] ?? Number.NaN) / 100;
    const right = factor > 0 && factor <= max;
    return right
      ? ok(factor)
      : wrong(`a share above 0% and up to ${formatShare(max)}, such as "100%"`, value);
  };
}

/** PATH_MAX less the final zero (limits.h(0P)): no longer path can be opened. */
const CGROUP_PATTERN_CHARACTERS_MAX = 4095;

/** A pattern of cgroups' paths, see core/cgroups/pattern.ts. */
export function readCgroupPattern(value: unknown): Parsed<string> {
  const right =
    typeof value === "string" && /^(?:\/[^/\0\n]+)+$/.test(value) && !/\/\.{1,2}(?:\/|$)/.test(value);
  if (!right) return wrong('a pattern of cgroups such as "/machine/*" or "/machine/**"', value);
  if (value.length <= CGROUP_PATTERN_CHARACTERS_MAX) return ok(value);
  return wrong(`a pattern of cgroups of at most ${CGROUP_PATTERN_CHARACTERS_MAX} characters`, value);
}
