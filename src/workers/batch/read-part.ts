import type {
  CgroupColumns,
  DetailColumns,
  UsageColumns,
  WordColumn,
} from "../../core/calibration/columns.ts";
import { DatasetNames } from "../../core/dataset/name-lines.ts";
import { forEachTable } from "../../core/dataset/tables.ts";
import { type Batch, batches, type Dataset, type Loss } from "../common/dataset-reader.ts";
import type { Part, Progress } from "./task.ts";

/** A part as the dataset's reader wants it: without the cgroups' names, which the numbers stand for here. */
function datasetOf({ directory, manifest }: Part, losses: Loss[]): Dataset {
  const files = forEachTable(() => []);
  return { directory, manifest, cgroups: new Map(), names: new DatasetNames(), files, losses };
}

/** Batches of one file, as far as `rowsMax`; valid until the next one is asked for. */
export function* fileBatches(
  part: Part,
  file: string,
  losses: Loss[],
  progress: Progress,
  rowsMax = Number.POSITIVE_INFINITY,
): Generator<{ readonly batch: Batch; readonly rows: number }, number, undefined> {
  const done = new Int32Array(progress);
  let rows = 0;
  for (const batch of batches(datasetOf(part, losses), part.table, [file])) {
    const wanted = Math.min(batch.rows, rowsMax - rows);
    if (wanted <= 0) break;
    yield { batch, rows: wanted };
    rows += wanted;
    Atomics.add(done, 0, wanted);
  }
  return rows;
}

function wordsOf(batch: Batch, name: string): WordColumn {
  const { values, validity } = batch.column(name);
  return { words: new Uint32Array(values.buffer, values.byteOffset, values.length * 2), validity };
}

function cgroupColumns(batch: Batch, rows: number): CgroupColumns {
  const { values, validity } = batch.column("cgroup");
  return {
    rows,
    time: wordsOf(batch, "timeUs"),
    cgroups: values as Int32Array,
    cgroupValidity: validity,
  };
}

export function usageColumns(batch: Batch, rows: number): UsageColumns {
  return { ...cgroupColumns(batch, rows), usage: wordsOf(batch, "usageBytes") };
}

export function detailColumns(batch: Batch, rows: number): DetailColumns {
  return {
    ...cgroupColumns(batch, rows),
    limit: wordsOf(batch, "limitBytes"),
    peak: wordsOf(batch, "peakBytes"),
    hits: wordsOf(batch, "limitHits"),
  };
}
