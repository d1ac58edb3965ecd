import fs from "node:fs";
import type { ProcessEntry } from "./process-entry.ts";

/**
 * What would really come back from a process that shares memory: figures that cost a walk through its page tables, so
 * they are read for few processes, seldom.
 */

/** Larger processes are not asked: the walk through their page tables would hold their mmap lock for too long. */
export const REFINE_LIMIT_BYTES = 8 * 1024 ** 3;

/**
 * The share (0 to 1) of its anonymous memory that is its own, forked relatives' parts taken out: Pss_Anon against
 * the resident amount, from /proc/PID/smaps_rollup (proc(5)).
 * @returns NaN when the kernel does not say
 */
export function ownAnonShare(entry: ProcessEntry, anonBytes: number): number {
  const text = read(entry.path("smaps_rollup"));
  const match = text === null ? null : /^Pss_Anon:\s+(\d+) kB$/m.exec(text);
  if (match === null || !(anonBytes > 0)) return Number.NaN;
  return Math.min(1, (Number(match[1]) * 1024) / anonBytes);
}

/**
 * Bytes of shared memory that nobody else maps and no name holds (memfd, unlinked files, shared anonymous mappings):
 * what comes back when the process ends. A tmpfs file's does not. From /proc/PID/smaps.
 * @returns NaN when the kernel does not say
 */
export function ownSharedBytes(entry: ProcessEntry): number {
  const text = read(entry.path("smaps"));
  if (text === null) return Number.NaN;
  let sum = 0;
  // A mapping begins with its line of addresses; its figures follow, Rss before Pss.
  for (const mapping of text.split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)) {
    const header = mapping.slice(0, mapping.indexOf("\n"));
    if (!header.endsWith("(deleted)") || !/ \S{3}s /.test(header)) continue;
    const resident = Number(/^Rss:\s+(\d+) kB$/m.exec(mapping)?.[1] ?? 0);
    const proportional = Number(/^Pss:\s+(\d+) kB$/m.exec(mapping)?.[1] ?? 0);
    if (proportional === resident) sum += resident * 1024;
  }
  return sum;
}

function read(file: string): string | null {
  try {
    return fs.readFileSync(file, "latin1");
  } catch {
    return null;
  }
}
