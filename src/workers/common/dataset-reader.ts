import fs from "node:fs";
import path from "node:path";
import { CGROUPS_FILE, type DatasetCgroup, parseCgroupLines } from "../../core/dataset/cgroup-lines.ts";
import { MANIFEST_FILE, type Manifest, parseManifest } from "../../core/dataset/manifest.ts";
import { parseSegmentFile, type TableName } from "../../core/dataset/tables.ts";
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
  /** Names of each table's segment files, in order. */
  readonly files: Readonly<Record<TableName, readonly string[]>>;
  /** Grows while {@link batches} reads. */
  readonly losses: Loss[];
}

/**
 * Opens a dataset; one whose recorder was killed, or still records, as far as it is written.
 * @throws Fault when the directory has no manifest that can be read
 */
export function openDataset(directory: string): Dataset {
  const manifest = readManifest(directory);
  const files: Record<TableName, string[]> = { usage: [], detail: [], host: [] };
  const names = new Set([...manifest.segments.map(({ file }) => file), ...fs.readdirSync(directory)]);
  const segments = [...names].flatMap((name) => {
    const parsed = parseSegmentFile(name);
    return parsed === null ? [] : [{ name, ...parsed }];
  });
  for (const { name, table } of segments.sort((a, b) => a.number - b.number)) files[table].push(name);
  const losses: Loss[] = [];
  return { directory, manifest, cgroups: readCgroups(directory, losses), files, losses };
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

function readCgroups(directory: string, losses: Loss[]): ReadonlyMap<number, DatasetCgroup> {
  let bytes: Uint8Array;
  try {
    bytes = fs.readFileSync(path.join(directory, CGROUPS_FILE));
  } catch (error) {
    losses.push({ file: CGROUPS_FILE, offsetBytes: 0, what: (error as Error).message });
    return new Map();
  }
  const { cgroups, bad } = parseCgroupLines(bytes);
  for (const each of bad) losses.push({ file: CGROUPS_FILE, ...each });
  return cgroups;
}
