import { INEXACT_HIGH_WORD, WORD } from "../../core/calibration/columns.ts";
import { namedColumn, TABLE_COLUMNS, type TableName } from "../../core/dataset/tables.ts";
import type { Column } from "../../core/ring/layout.ts";
import type { Batch, BatchColumn, Dataset } from "../common/dataset-reader.ts";
import type { Output } from "./output.ts";

/** What a row's number stands for; null where the dataset does not tell. */
export interface Bearer {
  /** A cgroup's path; where it is mounted; a device's, interface's or machine's name. */
  readonly name: string | null;
  /** A cgroup's. */
  readonly inode: number | null;
}

const NOBODY: Bearer = { name: null, inode: null };

/** Who the rows of a table are of. */
export interface Bearers {
  /** The column with their numbers. */
  readonly column: string;
  /** Columns that the export has of them: cgroups have an inode too. */
  readonly joined: readonly ("path" | "inode" | "name")[];
  /** Of a number at a time (microseconds of the dataset's clock); the same object for the same answer. */
  readonly at: (number: number, timeUs: number) => Bearer;
  /** All names there are. */
  readonly names: readonly string[];
}

/** What an export makes of a table: the table's columns, and before them what they are joined with. */
export interface ExportShape {
  readonly columns: readonly Column[];
  /** Null: rows are of nobody in particular. */
  readonly bearers: Bearers | null;
  /** To be added to the dataset's clock for microseconds since 1970. */
  readonly offsetUs: number;
}

export function exportShape(dataset: Dataset, table: TableName): ExportShape {
  const { anchorWallMs, anchorMonotonicUs } = dataset.manifest.clock;
  const columns = TABLE_COLUMNS[table];
  const ofCgroups = columns.some(({ name }) => name === "cgroup");
  return {
    columns,
    bearers: ofCgroups ? cgroupBearers(dataset) : namedBearers(dataset, table),
    offsetUs: Math.round(anchorWallMs * 1000 - anchorMonotonicUs),
  };
}

function cgroupBearers({ cgroups }: Dataset): Bearers {
  const bearers = new Map<number, Bearer>();
  for (const { number, path, inode } of cgroups.values()) bearers.set(number, { name: path, inode });
  return {
    column: "cgroup",
    joined: ["path", "inode"],
    at: (number) => bearers.get(number) ?? NOBODY,
    names: namesOf(bearers.values()),
  };
}

function namedBearers({ names }: Dataset, table: TableName): Bearers | null {
  const named = namedColumn(table);
  if (named === null) return null;
  const { resource, column } = named;
  const bearers = new Map<string, Bearer>();
  for (const { name } of names.of(resource)) bearers.set(name, { name, inode: null });
  return {
    column,
    joined: ["name"],
    at: (number, timeUs) => {
      const found = names.at(resource, number, timeUs);
      return found === null ? NOBODY : (bearers.get(found.name) ?? NOBODY);
    },
    names: namesOf(bearers.values()),
  };
}

function namesOf(bearers: Iterable<Bearer>): string[] {
  return [...new Set([...bearers].flatMap(({ name }) => (name === null ? [] : [name])))];
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
