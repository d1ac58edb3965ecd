import fs from "node:fs";
import path from "node:path";
import { type IoCounters, joinBlkio, parseBlkio, parseIoStat } from "../../core/parse/cgroup-io.ts";
import type { MemoryHierarchy } from "./cgroup-path.ts";
import { HeldFile } from "./held-file.ts";

/** Where the controller of block I/O is: its version, and the directory of its root cgroup. */
export type IoHierarchy = MemoryHierarchy;

const BYTES_V1 = "blkio.throttle.io_service_bytes";
const OPERATIONS_V1 = "blkio.throttle.io_serviced";

/**
 * Finds the hierarchy that has the I/O controller: v1 in `blkio`, cgroup v2 at the root itself or in `unified`.
 * @returns null when there is none
 */
export function findIoHierarchy(cgroupRoot: string): IoHierarchy | null {
  const v1 = path.join(cgroupRoot, "blkio");
  if (fs.existsSync(path.join(v1, BYTES_V1))) return { version: 1, root: v1 };
  for (const root of [cgroupRoot, path.join(cgroupRoot, "unified")]) {
    try {
      const controllers = fs.readFileSync(path.join(root, "cgroup.controllers"), "utf8");
      if (controllers.split(/\s+/).includes("io")) return { version: 2, root };
    } catch {
      // Not a cgroup v2 root.
    }
  }
  return null;
}

/**
 * The I/O controller's line of /proc/PID/cgroup: `0::/path` on v2, `N:…blkio…:/path` on v1 (cgroups(7)).
 * @returns null when there is none
 */
export function ioCgroupOf(text: string, version: 1 | 2): string | null {
  for (const line of text.split("\n")) {
    const match = /^(\d+):([^:]*):(\/.*)$/s.exec(line);
    if (match === null) continue;
    const [, number, controllers = "", cgroup = ""] = match;
    if (version === 2 ? number === "0" && controllers === "" : controllers.split(",").includes("blkio"))
      return cgroup;
  }
  return null;
}

/** What one cgroup has done, by its files held open. */
export class CgroupIoFiles {
  readonly #files: readonly HeldFile[];
  readonly #version: 1 | 2;

  private constructor(files: readonly HeldFile[], version: 1 | 2) {
    this.#files = files;
    this.#version = version;
  }

  /** @returns null when it has none: the controller is not switched on there, or it is gone */
  static open(directory: string, version: 1 | 2): CgroupIoFiles | null {
    const names = version === 1 ? [BYTES_V1, OPERATIONS_V1] : ["io.stat"];
    const files: HeldFile[] = [];
    for (const name of names) {
      const file = HeldFile.tryOpen(path.join(directory, name), 1024);
      if (file !== null) files.push(file);
    }
    if (files.length === names.length) return new CgroupIoFiles(files, version);
    for (const file of files) file.close();
    return null;
  }

  /** @returns a device each; null when the cgroup is gone */
  read(): readonly IoCounters[] | null {
    const lengths = this.#files.map((file) => file.read());
    if (lengths.some((length) => length < 0)) return null;
    const [first, second] = this.#files as [HeldFile, HeldFile | undefined];
    if (this.#version === 2 || second === undefined) return parseIoStat(first.bytes, lengths[0] ?? 0);
    const bytes = parseBlkio(first.bytes, lengths[0] ?? 0);
    return joinBlkio(bytes, parseBlkio(second.bytes, lengths[1] ?? 0));
  }

  close(): void {
    for (const file of this.#files) file.close();
  }
}
