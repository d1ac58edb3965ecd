import fs from "node:fs";
import path from "node:path";

/** Where /proc/self/limits cannot be read: what every system allows. */
const USUAL_LIMIT = 1024;

/** How many descriptors this process may have: the soft limit of "Max open files" in /proc/self/limits (proc(5)). */
export function descriptorLimit(procRoot: string): number {
  try {
    const text = fs.readFileSync(path.join(procRoot, "self/limits"), "latin1");
    const match = /^Max open files\s+(\d+|unlimited)/m.exec(text);
    return match === null
      ? USUAL_LIMIT
      : match[1] === "unlimited"
        ? Number.MAX_SAFE_INTEGER
        : Number(match[1]);
  } catch {
    return USUAL_LIMIT;
  }
}
