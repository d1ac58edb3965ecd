import { nextLine, startsWith, unsignedAt } from "../parse/bytes.ts";

const MEMORY = new TextEncoder().encode("memory\t");
const DESCENDANTS = new TextEncoder().encode("nr_descendants ");
const TAB = 9;

/**
 * How many memory cgroups there are by /proc/cgroups, lines `name hierarchy num_cgroups enabled` (cgroups(7)). Removed
 * ones count until the last page charged to them is gone: an unchanged number is a hint, no proof.
 * @returns NaN when the kernel does not say
 */
export function parseCgroupCount(bytes: Uint8Array, length: number): number {
  for (let line = 0; line < length; line = nextLine(bytes, line, length)) {
    if (!startsWith(bytes, line, length, MEMORY)) continue;
    let at = line + MEMORY.length;
    while (at < length && bytes[at] !== TAB) at++;
    return unsignedAt(bytes, at, length);
  }
  return Number.NaN;
}

/** `nr_descendants` of a cgroup's cgroup.stat (Documentation/admin-guide/cgroup-v2.rst): removed ones do not count. */
export function parseDescendants(bytes: Uint8Array, length: number): number {
  for (let line = 0; line < length; line = nextLine(bytes, line, length)) {
    if (startsWith(bytes, line, length, DESCENDANTS)) {
      return unsignedAt(bytes, line + DESCENDANTS.length, length);
    }
  }
  return Number.NaN;
}
