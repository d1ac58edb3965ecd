import type { CgroupIdentity } from "../cgroups/columns.ts";

/** JSON lines: who the cgroups behind the numbers are, and when they came and went. */
export const CGROUPS_FILE = "cgroups.jsonl";

/** A cgroup of a dataset. Times are of the tables' clock. */
export interface DatasetCgroup extends CgroupIdentity {
  /** When it was found, and when it was found gone (null: not before the end). */
  readonly fromUs: number;
  readonly goneUs: number | null;
}

export function appearedLine({ number, path, inode, onlyAncestor }: CgroupIdentity, fromUs: number): string {
  return `${JSON.stringify({ number, path, inode, onlyAncestor, fromUs })}\n`;
}

export function goneLine(number: number, goneUs: number): string {
  return `${JSON.stringify({ number, goneUs })}\n`;
}

/** A line that says nothing about a cgroup. */
export interface BadLine {
  readonly offsetBytes: number;
  readonly what: string;
}

/** Reads the lines of {@link CGROUPS_FILE}; those that are cut off or make no sense are named, the rest is read. */
export function parseCgroupLines(bytes: Uint8Array): {
  readonly cgroups: Map<number, DatasetCgroup>;
  readonly bad: readonly BadLine[];
} {
  const cgroups = new Map<number, DatasetCgroup>();
  const bad: BadLine[] = [];
  const decoder = new TextDecoder();
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(10, at);
    const line = decoder.decode(bytes.subarray(at, end < 0 ? bytes.length : end));
    if (end < 0) bad.push({ offsetBytes: at, what: "the last line is cut off" });
    else if (!takeLine(line, cgroups)) {
      bad.push({ offsetBytes: at, what: "expected a line about a cgroup, found something else" });
    }
    at = end < 0 ? bytes.length : end + 1;
  }
  return { cgroups, bad };
}

function takeLine(line: string, cgroups: Map<number, DatasetCgroup>): boolean {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return false;
  }
  if (typeof value !== "object" || value === null) return false;
  const { number, path, inode, onlyAncestor, fromUs, goneUs } = value as Partial<DatasetCgroup>;
  if (typeof number !== "number") return false;
  if (typeof goneUs === "number") {
    const known = cgroups.get(number);
    if (known === undefined) return false;
    cgroups.set(number, { ...known, goneUs });
    return true;
  }
  // Numbers are never given twice.
  if (cgroups.has(number)) return false;
  if (typeof path !== "string" || typeof inode !== "number" || typeof fromUs !== "number") return false;
  cgroups.set(number, { number, path, inode, onlyAncestor: onlyAncestor === true, fromUs, goneUs: null });
  return true;
}
