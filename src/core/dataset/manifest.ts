import { describeValue, type Parsed } from "../units.ts";
import { TABLE_NAMES, type TableName } from "./tables.ts";

export const MANIFEST_FILE = "manifest.json";
/** Counts up with every change that an older reader would misread. */
export const SCHEMA_VERSION = 1;
const FORMAT = "plimsoll-dataset";

export interface SegmentEntry {
  readonly file: string;
  readonly table: TableName;
  readonly rows: number;
  readonly bytes: number;
}

/** What a dataset is: manifest.json in its directory. */
export interface Manifest {
  readonly format: typeof FORMAT;
  readonly schemaVersion: typeof SCHEMA_VERSION;
  /** Of the plimsoll that recorded. */
  readonly programVersion: string;
  readonly host: string;
  /** Kernel release, as of uname(2). */
  readonly kernel: string;
  /** /proc/sys/kernel/random/boot_id; null where it cannot be read. */
  readonly bootId: string | null;
  readonly cgroupVersion: 1 | 2;
  /** All times in the tables are of this clock; the anchor is one moment on it and on the wall clock. */
  readonly clock: {
    readonly name: "CLOCK_MONOTONIC";
    readonly anchorMonotonicUs: number;
    /** Milliseconds since 1970 (UTC). */
    readonly anchorWallMs: number;
  };
  readonly intervalMs: number;
  /** Every n-th tick has a row in the detail table. */
  readonly statEvery: number;
  readonly patterns: readonly string[];
  /** ISO 8601. */
  readonly startedAt: string;
  /** Null until the recording has ended in order. */
  readonly endedAt: string | null;
  /** The recording ended in order: nothing comes any more, and the counts below are final. */
  readonly complete: boolean;
  /** Ticks of the clock at which no sample was taken. */
  readonly missedTicks: number;
  /** Rows that were sampled and could not be written. */
  readonly lostRows: Readonly<Record<TableName, number>>;
  /** In the order they were begun. While `complete` is false, files may hold more than it says here. */
  readonly segments: readonly SegmentEntry[];
}

/** What is known of a recording when it begins. */
export type ManifestStart = Omit<
  Manifest,
  "format" | "schemaVersion" | "endedAt" | "complete" | "missedTicks" | "lostRows" | "segments"
>;

/** The manifest of a recording that has just begun. */
export function newManifest(start: ManifestStart): Manifest {
  return {
    format: FORMAT,
    schemaVersion: SCHEMA_VERSION,
    ...start,
    endedAt: null,
    complete: false,
    missedTicks: 0,
    lostRows: { usage: 0, detail: 0, host: 0 },
    segments: [],
  };
}

type Check = (value: unknown) => boolean;
const isString: Check = (value) => typeof value === "string";
const isBoolean: Check = (value) => typeof value === "boolean";
const isNumber: Check = (value) => typeof value === "number" && Number.isFinite(value);
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const arrayOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every((item) => check(item));
const shaped =
  (shape: Readonly<Record<string, Check>>): Check =>
  (value) => {
    if (typeof value !== "object" || value === null) return false;
    const fields = value as Readonly<Record<string, unknown>>;
    return Object.entries(shape).every(([key, check]) => check(fields[key]));
  };

const FIELDS: Readonly<Record<Exclude<keyof Manifest, "format" | "schemaVersion">, Check>> = {
  programVersion: isString,
  host: isString,
  kernel: isString,
  bootId: orNull(isString),
  cgroupVersion: (value) => value === 1 || value === 2,
  clock: shaped({ name: isString, anchorMonotonicUs: isNumber, anchorWallMs: isNumber }),
  intervalMs: isNumber,
  statEvery: isCount,
  patterns: arrayOf(isString),
  startedAt: isString,
  endedAt: orNull(isString),
  complete: isBoolean,
  missedTicks: isCount,
  lostRows: shaped(Object.fromEntries(TABLE_NAMES.map((name) => [name, isCount]))),
  segments: arrayOf(
    shaped({
      file: isString,
      table: (value) => TABLE_NAMES.includes(value as TableName),
      rows: isCount,
      bytes: isCount,
    }),
  ),
};

/** Reads manifest.json. Fields that a later version added are passed over. */
export function parseManifest(text: string): Parsed<Manifest> {
  const expected = `the manifest of a plimsoll dataset, schema version ${SCHEMA_VERSION}`;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, expected, found: `${describeValue(text)}, which is not JSON` };
  }
  if (typeof value !== "object" || value === null)
    return { ok: false, expected, found: describeValue(value) };
  const fields = value as Readonly<Record<string, unknown>>;
  if (fields["format"] !== FORMAT)
    return { ok: false, expected, found: `format ${describeValue(fields["format"])}` };
  if (fields["schemaVersion"] !== SCHEMA_VERSION)
    return { ok: false, expected, found: `schema version ${describeValue(fields["schemaVersion"])}` };
  for (const [key, check] of Object.entries(FIELDS)) {
    if (!check(fields[key])) return { ok: false, expected, found: `${key} ${describeValue(fields[key])}` };
  }
  return { ok: true, value: value as Manifest };
}

export function formatManifest(manifest: Manifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** A time of a table on the wall clock, in milliseconds since 1970. */
export function wallMsOf({ clock }: Manifest, timeUs: number): number {
  return clock.anchorWallMs + (timeUs - clock.anchorMonotonicUs) / 1000;
}

/** How many rows a dataset's tables have, by its manifest; of one that is not complete, what is said so far. */
export function rowsSaid({ segments }: Manifest): Readonly<Record<TableName, number>> {
  const rows: Record<TableName, number> = { usage: 0, detail: 0, host: 0 };
  for (const table of TABLE_NAMES) {
    for (const segment of segments) if (segment.table === table) rows[table] += segment.rows;
  }
  return rows;
}
