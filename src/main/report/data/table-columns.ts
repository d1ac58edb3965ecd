import { valueOf, type WordColumn } from "../../../core/calibration/columns.ts";
import type { TableName } from "../../../core/dataset/tables.ts";
import { Growing } from "../../../core/report/growing.ts";
import type { Columns } from "../../../core/report/recorded.ts";
import { type Batch, batches, type Dataset } from "../../../workers/common/dataset-reader.ts";

/** A uint64 column of a batch as pairs of words; valid as long as the batch is. */
export function wordsOf(batch: Batch, name: string): WordColumn {
  const { values, validity } = batch.column(name);
  return { words: new Uint32Array(values.buffer, values.byteOffset, values.length * 2), validity };
}

/** What was read of a table. */
export interface TableRead {
  /** Null: no row was taken. */
  readonly columns: Columns | null;
  /** All rows of the table, taken or not. */
  readonly rows: number;
  /** Rows that were not taken as they have no time, or one that had passed already. */
  readonly misplacedRows: number;
}

/** Which rows of a batch are wanted. */
export type Wanted = (batch: Batch) => (row: number) => boolean;

/**
 * Columns (uint64) of a table beside its times, whole, in memory: 8 bytes a value. Of rows that bear the same time only
 * the first is taken.
 */
export function readTable(
  dataset: Dataset,
  table: TableName,
  names: readonly string[],
  wanted: Wanted = () => () => true,
): TableRead {
  const all = ["timeUs", ...names];
  const taken = all.map(() => new Growing());
  const [times] = taken as [Growing];
  let rows = 0;
  let misplacedRows = 0;
  for (const batch of batches(dataset, table)) {
    rows += batch.rows;
    const columns = all.map((name) => wordsOf(batch, name));
    const isWanted = wanted(batch);
    for (let row = 0; row < batch.rows; row++) {
      if (!isWanted(row)) continue;
      const timeUs = valueOf(columns[0] as WordColumn, row);
      if (timeUs === times.last) continue;
      if (!(times.length === 0 ? timeUs >= 0 : timeUs > times.last)) {
        misplacedRows++;
        continue;
      }
      for (let i = 0; i < columns.length; i++)
        (taken[i] as Growing).push(valueOf(columns[i] as WordColumn, row));
    }
  }
  const columns = Object.fromEntries(all.map((name, i) => [name, (taken[i] as Growing).view()]));
  return { columns: times.length === 0 ? null : columns, rows, misplacedRows };
}

/** The rows whose int32 column has this value. */
export function whereEqual(name: string, wanted: number): Wanted {
  return (batch) => {
    const { values, validity } = batch.column(name);
    return (row) =>
      values[row] === wanted &&
      (validity === null || ((validity[row >> 3] as number) & (1 << (row & 7))) !== 0);
  };
}
