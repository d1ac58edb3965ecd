import { INEXACT_HIGH_WORD, WORD } from "../../core/calibration/columns.ts";
import { TABLE_COLUMNS, type TableName } from "../../core/dataset/tables.ts";
import type { Column } from "../../core/ring/layout.ts";
import type { Batch, BatchColumn, Dataset } from "../common/dataset-reader.ts";
import type { Output } from "./output.ts";

/** Who a cgroup's number stands for; both null where the dataset does not tell. */
export interface Bearer {
  readonly path: string | null;
  readonly inode: number | null;
}

const NOBODY: Bearer = { path: null, inode: null };

/** What an export makes of a table: the table's columns, and before them what they are joined with. */
export interface ExportShape {
  readonly columns: readonly Column[];
  /** Rows are of cgroups: they have `path` and `inode`. */
  readonly ofCgroups: boolean;
  /** To be added to the dataset's clock for microseconds since 1970. */
  readonly offsetUs: number;
  /** Of a number; the same object for the same number each time. */
  readonly bearerOf: (number: number) => Bearer;
  /** All that bearers have. */
  readonly paths: readonly string[];
}

export function exportShape(dataset: Dataset, table: TableName): ExportShape {
  const { anchorWallMs, anchorMonotonicUs } = dataset.manifest.clock;
  const columns = TABLE_COLUMNS[table];
  return {
    columns,
    ofCgroups: columns.some(({ name }) => name === "cgroup"),
    offsetUs: Math.round(anchorWallMs * 1000 - anchorMonotonicUs),
    bearerOf: (number) => dataset.cgroups.get(number) ?? NOBODY,
    paths: [...new Set([...dataset.cgroups.values()].map(({ path }) => path))],
  };
}

/** A column's value at a row; a uint64 that a double cannot hold is a BigInt. Null for null, and for what is no number. */
export function cellOf(column: BatchColumn, words: Uint32Array | null, row: number): number | bigint | null {
  const { values, validity } = column;
  if (validity !== null && ((validity[row >> 3] as number) & (1 << (row & 7))) === 0) return null;
  if (words === null) {
    const value = values[row] as number;
    return Number.isFinite(value) ? value : null;
  }
  const high = words[row * 2 + 1] as number;
  return high < INEXACT_HIGH_WORD ? high * WORD + (words[row * 2] as number) : (values[row] as bigint);
}

/** The words of a uint64 column; null for others. */
export function wordsOf({ values }: BatchColumn): Uint32Array | null {
  return values instanceof BigUint64Array
    ? new Uint32Array(values.buffer, values.byteOffset, values.length * 2)
    : null;
}

/** Turns batches into bytes of a format; takes the next batch when it is done with the one before. */
export type Encode = (batches: Iterable<Batch>, shape: ExportShape, output: Output) => void | Promise<void>;
