import { DETAIL_COLUMNS, USAGE_COLUMNS } from "../cgroups/columns.ts";
import type { Column } from "../ring/layout.ts";
import { MEMORY_COLUMNS } from "../samples.ts";

/** The tables of a dataset: each cgroup's usage at each tick, the rest of it at each n-th, and the host beside them. */
export const TABLE_NAMES = ["usage", "detail", "host"] as const;
export type TableName = (typeof TABLE_NAMES)[number];

export const TABLE_COLUMNS: Readonly<Record<TableName, readonly Column[]>> = {
  usage: USAGE_COLUMNS,
  detail: DETAIL_COLUMNS,
  host: MEMORY_COLUMNS,
};

const NUMBER_DIGITS = 6;
const SEGMENT_FILE = /^(usage|detail|host)-(\d{6,})\.arrow$/;

/** The file of a table's n-th segment, from 1: `usage-000001.arrow`. */
export function segmentFile(table: TableName, number: number): string {
  return `${table}-${String(number).padStart(NUMBER_DIGITS, "0")}.arrow`;
}

/** What {@link segmentFile} made the name of; null for any other name. */
export function parseSegmentFile(
  name: string,
): { readonly table: TableName; readonly number: number } | null {
  const match = SEGMENT_FILE.exec(name);
  return match === null ? null : { table: match[1] as TableName, number: Number(match[2]) };
}
