import fs from "node:fs";
import path from "node:path";
import { CGROUPS_FILE, type DatasetCgroup, parseCgroupLines } from "../../core/dataset/cgroup-lines.ts";
import { MANIFEST_FILE, type Manifest, parseManifest } from "../../core/dataset/manifest.ts";
import { DatasetNames, NAMES_FILE, parseNameLines } from "../../core/dataset/name-lines.ts";
import { runNames } from "../../core/dataset/runs.ts";
import {
  forEachTable,
  namedColumn,
  parseSegmentFile,
  type TableName,
  tablesOf,
} from "../../core/dataset/tables.ts";
import { ExitCode, Fault } from "../../core/fault.ts";
import { type Batch, segmentBatches } from "./segment-reader.ts";

export type { Batch, BatchColumn } from "./segment-reader.ts";

/** Something in a dataset that could not be read. The rest was. */
export interface Loss {
  readonly file: string;
  readonly offsetBytes: number;
  readonly what: string;
}

/** A recording, opened: see docs/datasets.md. */
export interface Dataset {
  readonly directory: string;
  readonly manifest: Manifest;
  /** By the number that stands in the tables' column `cgroup`. */
  readonly cgroups: ReadonlyMap<number, DatasetCgroup>;
  /** What the numbers of mounts, devices, interfaces and machines mean. */
  readonly names: DatasetNames;
  /** Names of each table's segment files, in order. */
  readonly files: Readonly<Record<TableName, readonly string[]>>;
  /** Grows while {@link batches} reads. */
  readonly losses: Loss[];
}

/**
 * Opens a dataset; one whose recorder was killed, or still records, as far as it is written.
 * @param named its directory; or one that a guard records into, which means its latest start
 * @throws Fault when the directory has no manifest that can be read
 */
export function openDataset(named: string): Dataset {
  const directory = latestRun(named) ?? named;
  const manifest = readManifest(directory);
  const files = forEachTable((): string[] => []);
  const names = new Set([...manifest.segments.map(({ file }) => file), ...fs.readdirSync(directory)]);
  const segments = [...names].flatMap((name) => {
    const parsed = parseSegmentFile(name);
    return parsed === null ? [] : [{ name, ...parsed }];
  });
  for (const { name, table } of segments.sort((a, b) => a.number - b.number)) files[table].push(name);
  const losses: Loss[] = [];
  const cgroups = readCgroups(directory, losses);
  return { directory, manifest, cgroups, names: readNames(directory, manifest, losses), files, losses };
}

/**
 * The rows of a table, batch by batch in the order they were recorded, in bounded memory. What cannot be read is passed
 * over and named in the dataset's losses.
 * @param files of the table's, to read some of them (on several threads); all when not given
 */
export function* batches(
  dataset: Dataset,
  table: TableName,
  files: readonly string[] = dataset.files[table],
): Generator<Batch, void, undefined> {
  for (const file of files) {
    const lose = (offsetBytes: number, what: string): void =>
      void dataset.losses.push({ file, offsetBytes, what });
    const expected = dataset.manifest.segments.find((segment) => segment.file === file)?.rows ?? 0;
    const lossesBefore = dataset.losses.length;
    const { rows, bytes } = yield* segmentBatches(path.join(dataset.directory, file), table, lose);
    // Whole batches cut off at the end leave no trace in the file itself.
    if (rows < expected && dataset.losses.length === lossesBefore)
      lose(bytes, `${expected - rows} rows fewer than the manifest says`);
  }
}

/** Null: there are none, or it is a dataset itself. */
function latestRun(directory: string): string | null {
  const has = (run: string): boolean => fs.existsSync(path.join(directory, run, MANIFEST_FILE));
  try {
    const latest = has("") ? undefined : runNames(fs.readdirSync(directory)).findLast(has);
    return latest === undefined ? null : path.join(directory, latest);
  } catch {
    // It cannot be read: the manifest cannot either, and why is said then.
    return null;
  }
}

function readManifest(directory: string): Manifest {
  const file = path.join(directory, MANIFEST_FILE);
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const permitted = code !== "EACCES" && code !== "EPERM";
    throw new Fault(
      permitted ? ExitCode.fault : ExitCode.notPermitted,
      `${directory}: expected a dataset that "plimsoll record" made, found: ${message}; name its directory`,
    );
  }
  const parsed = parseManifest(text);
  if (parsed.ok) return parsed.value;
  throw new Fault(
    ExitCode.fault,
    `${file}: expected ${parsed.expected}, found ${parsed.found}; read it with the plimsoll that recorded it`,
  );
}

function readNames(directory: string, { resources }: Manifest, losses: Loss[]): DatasetNames {
  // Older recordings have none, and no table that needs one.
  if (!tablesOf(resources).some((table) => namedColumn(table) !== null)) return new DatasetNames();
  const bytes = readWhole(directory, NAMES_FILE, losses);
  const { names, bad } = parseNameLines(bytes);
  for (const each of bad) losses.push({ file: NAMES_FILE, ...each });
  return names;
}

function readCgroups(directory: string, losses: Loss[]): ReadonlyMap<number, DatasetCgroup> {
  const { cgroups, bad } = parseCgroupLines(readWhole(directory, CGROUPS_FILE, losses));
  for (const each of bad) losses.push({ file: CGROUPS_FILE, ...each });
  return cgroups;
}

/** Nothing of one that cannot be read, which is a loss. */
function readWhole(directory: string, file: string, losses: Loss[]): Uint8Array {
  try {
    return fs.readFileSync(path.join(directory, file));
  } catch (error) {
    losses.push({ file, offsetBytes: 0, what: (error as Error).message });
    return new Uint8Array(0);
  }
}
