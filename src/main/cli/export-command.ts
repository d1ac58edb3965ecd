import { Command, Option } from "commander";
import { TABLE_NAMES, type TableName } from "../../core/dataset/tables.ts";
import { ExitCode, Fault } from "../../core/fault.ts";
import type { ExportFormat } from "../../workers/batch/export.ts";

const FORMATS = ["arrow", "csv", "json", "parquet"] as const satisfies readonly ExportFormat[];

const CONTENT = `
Each table becomes one file, DATASET-TABLE.FORMAT. Rows have the table's columns (bytes, microseconds, counters since
the cgroup or the host began; docs/formats.md) and before them: time, the wall clock's (UTC); of cgroups path and inode;
of mounts, devices, interfaces and machines name.
  arrow    Arrow IPC file (Feather v2); path and name are dictionary-encoded
  csv      RFC 4180, with a heading; absent is empty
  json     JSON lines; absent is null
  parquet  Snappy, row groups of 131,072 rows
Datasets and tables are exported side by side on all cores. A file is there once it is whole.`;

const EXAMPLES = `
Examples:
  plimsoll export --format parquet --out exported /var/lib/plimsoll/*
  plimsoll export --format csv --table usage --out - monday | head
  plimsoll export --format arrow --table all --progress monday tuesday

Exit codes: 0 done (what could not be read is named on stderr), 1 something was not exported, 2 usage, 5 not permitted.`;

interface ExportFlags {
  readonly format: ExportFormat;
  readonly out: string;
  readonly table: TableName | "all";
  readonly progress?: boolean;
  readonly force?: boolean;
}

/** `plimsoll export`: datasets in formats that other programs read. */
export function exportCommand(): Command {
  return new Command("export")
    .description("write recordings in formats that other programs read")
    .argument("<dataset...>", "directories that plimsoll record wrote")
    .addOption(new Option("--format <format>", "what to write").choices(FORMATS).makeOptionMandatory())
    .option(
      "--out <directory>",
      "where the files go; - writes one table of one dataset to standard output",
      ".",
    )
    .addOption(
      new Option("--table <table>", "which of the dataset's tables; all: those that it has")
        .choices([...TABLE_NAMES, "all"])
        .default("usage"),
    )
    .option("--progress", "show on the terminal how far it is")
    .option("--force", "replace files that are there")
    .addHelpText("after", CONTENT + EXAMPLES)
    .action(exportAll);
}

async function exportAll(directories: readonly string[], flags: ExportFlags): Promise<void> {
  const { format, out, table, progress = false, force = false } = flags;
  const toStdout = out === "-";
  if (toStdout && (directories.length > 1 || table === "all"))
    throw new Fault(
      ExitCode.usage,
      `--out - takes one dataset and one --table, found ${directories.length} and --table ${table}`,
    );
  // Here and not above: the guard shall not carry what only the batch commands need.
  const { exportDatasets, exportToStdout } = await import("../batch/export-datasets.ts");
  if (toStdout && table !== "all") await exportToStdout(directories, table, format);
  else await exportDatasets(directories, { table, format, directory: out, force, progress });
}
