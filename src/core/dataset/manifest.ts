import { describeValue, type Parsed } from "../units.ts";
import {
  forEachTable,
  RECORDABLE,
  type Recordable,
  RECORDED_BY_DEFAULT,
  TABLE_NAMES,
  type TableName,
} from "./tables.ts";

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

/** One moment on both clocks. */
export interface ClockChange {
  readonly monotonicUs: number;
  /** Milliseconds since 1970 (UTC). */
  readonly wallMs: number;
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
  /** Of the memory controller; null: the host has none, and cgroups were not recorded. */
  readonly cgroupVersion: 1 | 2 | null;
  /** What was asked for. Manifests before there was a choice do not say it: cgroups and memory. */
  readonly resources: readonly Recordable[];
  /** All times in the tables are of this clock; the anchor is one moment on it and on the wall clock. */
  readonly clock: {
    readonly name: "CLOCK_MONOTONIC";
    readonly anchorMonotonicUs: number;
    /** Milliseconds since 1970 (UTC). */
    readonly anchorWallMs: number;
  };
  /** When the wall clock was found to say otherwise than that, by a second or more: it was set, or the host slept. */
  readonly clockChanges: readonly ClockChange[];
  /** The host's time zone, a name of the IANA's; null: not known. */
  readonly zone: string | null;
  readonly intervalMs: number;
  /** Of resources that are looked at less often than that. */
  readonly intervalsMs: Readonly<Partial<Record<Recordable, number>>>;
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
  /** Rows of segments that were removed later, so that the dataset does not grow over its limit. */
  readonly removedRows: Readonly<Record<TableName, number>>;
  /** The audit log of the guard that recorded; null: no guard did, or it has none. */
  readonly auditPath: string | null;
  /** In the order they were begun. While `complete` is false, files may hold more than it says here. */
  readonly segments: readonly SegmentEntry[];
}

/** What may be missing, as it was not there from the beginning; and what it then is. */
const ADDED = {
  resources: RECORDED_BY_DEFAULT,
  intervalsMs: {},
  clockChanges: [],
  zone: null,
  removedRows: {},
  auditPath: null,
} as const;
/** What is known of a recording when it begins. */
export type ManifestStart = Omit<
  Manifest,
  | "format"
  | "schemaVersion"
  | "endedAt"
  | "complete"
  | "missedTicks"
  | "lostRows"
  | "segments"
  | "removedRows"
  | keyof typeof ADDED
> &
  Partial<Pick<Manifest, Exclude<keyof typeof ADDED, "removedRows">>>;

/** The manifest of a recording that has just begun. */
export function newManifest(start: ManifestStart): Manifest {
  return {
    format: FORMAT,
    schemaVersion: SCHEMA_VERSION,
    ...start,
    resources: start.resources ?? ADDED.resources,
    intervalsMs: start.intervalsMs ?? ADDED.intervalsMs,
    clockChanges: start.clockChanges ?? ADDED.clockChanges,
    zone: start.zone ?? ADDED.zone,
    auditPath: start.auditPath ?? ADDED.auditPath,
    endedAt: null,
    complete: false,
    missedTicks: 0,
    lostRows: forEachTable(() => 0),
    removedRows: forEachTable(() => 0),
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

const isEach =
  (check: Check): Check =>
  (value) =>
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((each) => check(each));

const FIELDS: Readonly<Record<Exclude<keyof Manifest, "format" | "schemaVersion">, Check>> = {
  programVersion: isString,
  host: isString,
  kernel: isString,
  bootId: orNull(isString),
  cgroupVersion: (value) => value === 1 || value === 2 || value === null,
  resources: arrayOf((value) => RECORDABLE.includes(value as Recordable)),
  clock: shaped({ name: isString, anchorMonotonicUs: isNumber, anchorWallMs: isNumber }),
  clockChanges: arrayOf(shaped({ monotonicUs: isNumber, wallMs: isNumber })),
  zone: orNull(isString),
  intervalMs: isNumber,
  intervalsMs: isEach(isNumber),
  statEvery: isCount,
  patterns: arrayOf(isString),
  startedAt: isString,
  endedAt: orNull(isString),
  complete: isBoolean,
  missedTicks: isCount,
  // Tables that were added later are not in older ones.
  lostRows: isEach(isCount),
  removedRows: isEach(isCount),
  auditPath: orNull(isString),
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
  const fields: Record<string, unknown> = { ...value };
  for (const [key, otherwise] of Object.entries(ADDED)) fields[key] ??= otherwise;
  if (fields["format"] !== FORMAT)
    return { ok: false, expected, found: `format ${describeValue(fields["format"])}` };
  if (fields["schemaVersion"] !== SCHEMA_VERSION)
    return { ok: false, expected, found: `schema version ${describeValue(fields["schemaVersion"])}` };
  for (const [key, check] of Object.entries(FIELDS)) {
    if (!check(fields[key])) return { ok: false, expected, found: `${key} ${describeValue(fields[key])}` };
  }
  const manifest = fields as unknown as Manifest;
  const { lostRows, removedRows } = manifest;
  return {
    ok: true,
    value: {
      ...manifest,
      lostRows: forEachTable((table) => lostRows[table] ?? 0),
      removedRows: forEachTable((table) => removedRows[table] ?? 0),
    },
  };
}

export function formatManifest(manifest: Manifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** Less is what a network's time server does to a clock. */
const CLOCK_CHANGE_MS = 1000;

/** With what is told of the clocks now, if the wall clock says otherwise than it did at last. */
export function withClock(manifest: Manifest, now: ClockChange): Manifest {
  const last = manifest.clockChanges.at(-1);
  const saidMs = last === undefined ? 0 : last.wallMs - wallMsOf(manifest, last.monotonicUs);
  const offMs = now.wallMs - wallMsOf(manifest, now.monotonicUs);
  if (Math.abs(offMs - saidMs) < CLOCK_CHANGE_MS) return manifest;
  return { ...manifest, clockChanges: [...manifest.clockChanges, now] };
}

/** A time of a table on the wall clock, in milliseconds since 1970. */
export function wallMsOf({ clock }: Manifest, timeUs: number): number {
  return clock.anchorWallMs + (timeUs - clock.anchorMonotonicUs) / 1000;
}

/** How many rows a dataset's tables have, by its manifest; of one that is not complete, what is said so far. */
export function rowsSaid({ segments }: Manifest): Readonly<Record<TableName, number>> {
  const rows = forEachTable(() => 0);
  for (const table of TABLE_NAMES) {
    for (const segment of segments) if (segment.table === table) rows[table] += segment.rows;
  }
  return rows;
}
