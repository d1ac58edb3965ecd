import fs from "node:fs";
import path from "node:path";
import type { Resource } from "../../core/resources/resource.ts";

/** There may be as many machines without that anybody has to be asked. */
const MACHINES = 64;
/** Of applications. */
const PROCESSES = 64;

/** How many rows a tick of each resource has on this host now: for the size of rings, so that a guess will do. */
export function rowsPerTick(procRoot: string): Readonly<Record<Resource, number>> {
  return {
    cpu: countLines(path.join(procRoot, "stat"), /^cpu/gm),
    disk: countLines(path.join(procRoot, "self/mountinfo"), /^./gm),
    io: countLines(path.join(procRoot, "diskstats"), /^./gm),
    net: countLines(path.join(procRoot, "net/dev"), /^[^|]+:/gm),
    vm: MACHINES,
    app: PROCESSES,
  };
}

function countLines(file: string, pattern: RegExp): number {
  try {
    return Math.max(1, fs.readFileSync(file, "utf8").match(pattern)?.length ?? 0);
  } catch {
    // What is not there is sampled by nobody.
    return 1;
  }
}
