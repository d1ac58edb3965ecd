/** Reads what `plimsoll calibrate` wrote: what each cgroup used while it was recorded. docs/policy.md shows the form. */
import type { CgroupCalibration } from "../../core/policy/policy.ts";
import { describeValue } from "../../core/units.ts";
import { readSmallText, type Refusal, type TextKind } from "./read-text.ts";

export type CalibrationRead =
  | {
      readonly ok: true;
      readonly calibration: Readonly<Record<string, CgroupCalibration>>;
      readonly writableByOthers: boolean;
    }
  | { readonly ok: false; readonly refusals: readonly Omit<Refusal, "ok">[] };

/** 100,000 cgroups with every statistic of `--full`. */
const CALIBRATION_BYTES_MAX = 64 * 2 ** 20;
/** A file of another kind is wrong in every line; the first few say so. */
const REFUSALS_MAX = 10;

const CALIBRATION: TextKind = {
  expected: "a calibration (JSON)",
  what: "the calibration",
  bytesMax: CALIBRATION_BYTES_MAX,
  absent: "plimsoll calibrate --out FILE DATASET writes one",
};
const REWRITE = "write it anew: plimsoll calibrate --out FILE DATASET";

/** Keys of the file, and where they go. Others are passed over: `calibrate --full` writes more. */
const KEYS = [
  ["min_consumption", "minBytes"],
  ["median_consumption", "medianBytes"],
  ["max_consumption", "maxBytes"],
] as const satisfies readonly (readonly [string, keyof CgroupCalibration])[];

/** Reads a calibration, or tells what is wrong with it, each mistake by itself. Never throws. */
export function readCalibration(path: string): CalibrationRead {
  const read = readSmallText(path, CALIBRATION);
  if (!read.ok) {
    const { expected, found, advice } = read;
    return { ok: false, refusals: [{ expected, found: `${found}: ${path}`, advice }] };
  }
  const parsed = parseCalibration(read.text, path);
  return parsed.ok ? { ...parsed, writableByOthers: read.writableByOthers } : parsed;
}

/** The text of a calibration. `path` is used in messages only. */
export function parseCalibration(
  text: string,
  path: string,
):
  | { readonly ok: true; readonly calibration: Readonly<Record<string, CgroupCalibration>> }
  | { readonly ok: false; readonly refusals: readonly Omit<Refusal, "ok">[] } {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch (error) {
    // The message quotes the text, whatever is in it.
    const reason = (error instanceof Error ? error.message : String(error)).replace(/[\0-\x1f\x7f]+/g, " ");
    const found = `${path}, which is no JSON (${reason})`;
    return { ok: false, refusals: [{ expected: CALIBRATION.expected, found, advice: REWRITE }] };
  }
  if (!isObject(said)) {
    const found = `${inJson(said)} in ${path}`;
    return { ok: false, refusals: [{ expected: "an object with cgroups as keys", found, advice: REWRITE }] };
  }
  const refusals: Omit<Refusal, "ok">[] = [];
  const entries: [string, CgroupCalibration][] = [];
  for (const [cgroup, value] of Object.entries(said)) {
    const entry = entryOf(cgroup, value, (expected, found) =>
      refusals.push({ expected, found: `${found} in ${path}`, advice: REWRITE }),
    );
    if (entry !== null) entries.push([cgroup, entry]);
    if (refusals.length >= REFUSALS_MAX) break;
  }
  return refusals.length > 0
    ? { ok: false, refusals }
    : { ok: true, calibration: Object.fromEntries(entries) };
}

function entryOf(
  cgroup: string,
  value: unknown,
  refuse: (expected: string, found: string) => void,
): CgroupCalibration | null {
  if (isObject(value) && Object.keys(value).some((key) => key.startsWith("/"))) {
    refuse("one calibration over all datasets", `one of each, such as of ${describeValue(cgroup)}`);
    return null;
  }
  if (!cgroup.startsWith("/")) {
    refuse('cgroups by their paths, such as "/machine/build"', describeValue(cgroup));
    return null;
  }
  const of = `of ${describeValue(cgroup)}`;
  if (!isObject(value)) {
    refuse(`an object with ${KEYS.map(([key]) => key).join(", ")} ${of}`, inJson(value));
    return null;
  }
  const entry = { minBytes: Number.NaN, maxBytes: Number.NaN, medianBytes: Number.NaN };
  for (const [key, field] of KEYS) {
    const bytes = Object.hasOwn(value, key) ? value[key] : undefined;
    if (typeof bytes === "number" && bytes >= 0 && bytes <= Number.MAX_SAFE_INTEGER) entry[field] = bytes;
    else refuse(`${key} ${of} in bytes, from 0`, inJson(bytes));
  }
  const { minBytes, medianBytes, maxBytes } = entry;
  if (Number.isNaN(minBytes + medianBytes + maxBytes)) return null;
  if (minBytes <= medianBytes && medianBytes <= maxBytes) return entry;
  refuse(
    `min_consumption <= median_consumption <= max_consumption ${of}`,
    `${minBytes}, ${medianBytes}, ${maxBytes}`,
  );
  return null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** As {@link describeValue}, in JSON's words. */
function inJson(value: unknown): string {
  return isObject(value) ? "an object" : describeValue(value);
}
