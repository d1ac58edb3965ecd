import { DETAIL_COLUMNS, USAGE_COLUMNS } from "../cgroups/columns.ts";
import { RESOURCES, type Resource } from "../resources/resource.ts";
import { RESOURCE_COLUMNS } from "../resources/tables.ts";
import type { Column } from "../ring/layout.ts";
import { MEMORY_COLUMNS } from "../samples.ts";

/**
 * The tables of a dataset: each cgroup's usage at each tick, the rest of it at each n-th, the host's memory; and one of
 * each other resource, under its name.
 */
export const TABLE_NAMES = ["usage", "detail", "host", ...RESOURCES] as const;
export type TableName = (typeof TABLE_NAMES)[number];

export const TABLE_COLUMNS: Readonly<Record<TableName, readonly Column[]>> = {
  usage: USAGE_COLUMNS,
  detail: DETAIL_COLUMNS,
  host: MEMORY_COLUMNS,
  ...RESOURCE_COLUMNS,
};

/** What may be recorded, in the words of `record --resource`. */
export const RECORDABLE = ["cgroups", "memory", ...RESOURCES] as const;
export type Recordable = (typeof RECORDABLE)[number];

/** What is recorded when nothing is said; and what datasets have that say nothing of it. */
export const RECORDED_BY_DEFAULT: readonly Recordable[] = ["cgroups", "memory"];

/** The tables that a recording of these has, in the tables' order. */
export function tablesOf(recorded: readonly Recordable[]): readonly TableName[] {
  const tables = recorded.flatMap((each): readonly TableName[] => {
    if (each === "cgroups") return ["usage", "detail"];
    return each === "memory" ? ["host"] : [each];
  });
  return TABLE_NAMES.filter((table) => tables.includes(table));
}

/** The column that holds the numbers of {@link NamedThing}s; null: the table's rows are of none. */
export function namedColumn(
  table: TableName,
): { readonly resource: Resource; readonly column: string } | null {
  switch (table) {
    case "disk":
      return { resource: table, column: "mount" };
    case "io":
      return { resource: table, column: "device" };
    case "net":
      return { resource: table, column: "interface" };
    case "vm":
      return { resource: table, column: "machine" };
    case "app":
      return { resource: table, column: "process" };
    default:
      return null;
  }
}

/** Something for each table. */
export function forEachTable<T>(make: (table: TableName) => T): Record<TableName, T> {
  return Object.fromEntries(TABLE_NAMES.map((table) => [table, make(table)])) as Record<TableName, T>;
}

const NUMBER_DIGITS = 6;
const SEGMENT_FILE = new RegExp(`^(${TABLE_NAMES.join("|")})-(\\d{6,})\\.arrow$`);

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
