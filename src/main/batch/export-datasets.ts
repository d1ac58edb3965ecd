import path from "node:path";
import { rowsSaid } from "../../core/dataset/manifest.ts";
import { type TableName, tablesOf } from "../../core/dataset/tables.ts";
import { ExitCode } from "../../core/fault.ts";
import {
  type Exported,
  exportTable,
  type ExportFormat,
  type ExportTask,
} from "../../workers/batch/export.ts";
import type { Dataset } from "../../workers/common/dataset-reader.ts";
import { lossText, openDatasets } from "./datasets.ts";
import { type BatchPool, withBatchPool } from "./pool.ts";
import { ProgressLine, rowsText, tellLosses, tellRefused } from "./tell.ts";
import { makeDirectory, notWritten, refuseOverwriting } from "./write-result.ts";

/** One table, or all that a dataset has. */
export type TableChoice = TableName | "all";

export interface ExportOptions {
  readonly table: TableChoice;
  readonly format: ExportFormat;
  /** Where the files go; it is made. */
  readonly directory: string;
  readonly force: boolean;
  readonly progress: boolean;
}

const PROGRESS_MS = 200;

/**
 * Exports tables of datasets, a task for each, and tells what became of them: files on stdout, losses on stderr.
 * @throws Fault when nothing named can be read, a file is there already, or one cannot be written
 */
export async function exportDatasets(
  directories: readonly string[],
  { table: choice, format, directory, force, progress }: ExportOptions,
): Promise<void> {
  const opened = openDatasets(directories);
  tellRefused(opened);
  const { datasets } = opened;
  const word = new SharedArrayBuffer(4);
  const tasks = namesOf(datasets).flatMap(([dataset, name]) =>
    chosenTables(dataset, choice).map((table) => ({
      kind: "export" as const,
      directory: dataset.directory,
      table,
      format,
      file: path.join(directory, `${name}-${table}.${format}`),
      progress: word,
    })),
  );
  refuseOverwriting(
    tasks.map(({ file }) => file),
    force,
  );
  if (tasks.length > 0) makeDirectory(directory);
  const total = datasets.reduce((sum, dataset) => sum + rowsOf(dataset, choice), 0);
  const line = new ProgressLine(progress && process.stderr.isTTY);
  const timer = setInterval(() => {
    const rows = new Uint32Array(word)[0] as number;
    line.say(`exported ${rowsText(rows)} of ${rowsText(Math.max(rows, total))}`);
  }, PROGRESS_MS);
  let exported: readonly Exported[];
  try {
    exported = await withBatchPool((pool) => runAll(pool, tasks));
  } finally {
    clearInterval(timer);
    line.clear();
  }
  tasks.forEach((task, i) => tell(task, exported[i] as Exported));
}

/** Exports one table to standard output, on this thread. */
export async function exportToStdout(
  directories: readonly string[],
  choice: TableName,
  format: ExportFormat,
): Promise<void> {
  const opened = openDatasets(directories);
  tellRefused(opened);
  const [dataset] = opened.datasets;
  if (dataset === undefined) return;
  const [table] = chosenTables(dataset, choice);
  if (table === undefined) return;
  const task = { kind: "export", directory: dataset.directory, table, format, file: null } as const;
  const exported = await exportTable({ ...task, progress: new SharedArrayBuffer(4) });
  // Who read it has read enough.
  if (exported.refusal?.code === "EPIPE") return;
  tell({ ...task, file: "standard output" }, exported, false);
}

function runAll(pool: BatchPool, tasks: readonly ExportTask[]): Promise<Exported[]> {
  return Promise.all(tasks.map((task) => pool.run(task)));
}

function tell(
  { directory, file }: Pick<ExportTask, "directory" | "file">,
  { rows, losses, refusal }: Exported,
  named = true,
): void {
  tellLosses(losses.map((loss) => lossText(directory, loss)));
  if (refusal !== null) {
    const fault = notWritten(String(file), refusal);
    process.stderr.write(`plimsoll: ${fault.message}\n`);
    process.exitCode = fault.code;
  } else if (rows === 0 && losses.length > 0) {
    process.stderr.write(`plimsoll: ${directory}: expected rows, found none that can be read\n`);
    process.exitCode = ExitCode.fault;
  }
  if (refusal === null && named) process.stdout.write(`${file}: ${rowsText(rows)}\n`);
}

function rowsOf({ manifest }: Dataset, choice: TableChoice): number {
  const rows = rowsSaid(manifest);
  return choice === "all" ? Object.values(rows).reduce((sum, count) => sum + count, 0) : rows[choice];
}

/** Says so when a dataset was recorded without the table that is asked for. */
function chosenTables({ directory, manifest }: Dataset, choice: TableChoice): readonly TableName[] {
  const recorded = tablesOf(manifest.resources);
  if (choice === "all") return recorded;
  if (recorded.includes(choice)) return [choice];
  process.stderr.write(
    `plimsoll: ${directory}: expected the table ${choice}, found a recording of ${manifest.resources.join(", ")}; name --table ${recorded.join(" or ")}\n`,
  );
  process.exitCode = ExitCode.fault;
  return [];
}

/** What each dataset's files are named after: its directory, with a number where several have the same. */
function namesOf(datasets: readonly Dataset[]): (readonly [Dataset, string])[] {
  const taken = new Set<string>();
  return datasets.map((dataset) => {
    const base = path.basename(path.resolve(dataset.directory)) || "dataset";
    let name = base;
    for (let i = 2; taken.has(name); i++) name = `${base}-${i}`;
    taken.add(name);
    return [dataset, name];
  });
}
