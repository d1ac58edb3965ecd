import { csvField } from "../../workers/batch/export-text.ts";

/** A table as of RFC 4180; absent is empty. */
export function csvText(table: {
  readonly names: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
}): string {
  const lines = [table.names, ...table.rows].map((row) =>
    row.map((cell) => (cell === null ? "" : csvField(String(cell)))).join(","),
  );
  return `${lines.join("\r\n")}\r\n`;
}
