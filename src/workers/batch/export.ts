import type { TableName } from "../../core/dataset/tables.ts";
import { type Batch, batches, type Dataset, type Loss, openDataset } from "../common/dataset-reader.ts";
import { type Encode, exportShape } from "./export-rows.ts";
import { encodeCsv, encodeJsonLines } from "./export-text.ts";
import { openOutput, type Output, standardOutput } from "./output.ts";

export const EXPORT_FORMATS = ["arrow", "csv", "json", "parquet"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** One table of one dataset, into one file. */
export interface ExportTask {
  readonly kind: "export";
  readonly directory: string;
  readonly table: TableName;
  readonly format: ExportFormat;
  /** Null: standard output. */
  readonly file: string | null;
  /** Rows done so far, by all threads: a word of shared memory, modulo 2^32. */
  readonly progress: SharedArrayBuffer;
}

export interface Exported {
  readonly rows: number;
  readonly bytes: number;
  readonly losses: readonly Loss[];
  /** Why there is no file; null: there is. */
  readonly refusal: { readonly code: string | null; readonly message: string } | null;
}

/** Exports a table, batch by batch. What cannot be written is in the answer, and then no file is left. */
export async function exportTable(task: ExportTask): Promise<Exported> {
  const dataset = openDataset(task.directory);
  let output: Output | null = null;
  try {
    output = task.file === null ? standardOutput() : openOutput(task.file);
    const rows = await write(task, dataset, output);
    output.finish();
    return { rows, bytes: output.bytes, losses: dataset.losses, refusal: null };
  } catch (error) {
    output?.abandon();
    const { code, message } = error as NodeJS.ErrnoException;
    // What is not the system's word is a broken program.
    if (code === undefined) throw error;
    return { rows: 0, bytes: 0, losses: dataset.losses, refusal: { code, message } };
  }
}

async function write(task: ExportTask, dataset: Dataset, output: Output): Promise<number> {
  const done = new Int32Array(task.progress);
  let rows = 0;
  function* counted(): Generator<Batch, void, undefined> {
    for (const batch of batches(dataset, task.table)) {
      yield batch;
      rows += batch.rows;
      Atomics.add(done, 0, batch.rows);
    }
  }
  const encode = await encoderOf(task.format);
  await encode(counted(), exportShape(dataset, task.table), output);
  return rows;
}

/** Arrow and Parquet only when they are asked for: they are large. */
async function encoderOf(format: ExportFormat): Promise<Encode> {
  switch (format) {
    case "csv":
      return encodeCsv;
    case "json":
      return encodeJsonLines;
    case "arrow":
      return (await import("./export-arrow.ts")).encodeArrow;
    case "parquet":
      return (await import("./export-parquet.ts")).encodeParquet;
  }
}
