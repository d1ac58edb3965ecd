import path from "node:path";
import type { CgroupIdentity } from "../../core/cgroups/columns.ts";
import type { CgroupVersion } from "../common/cgroup-path.ts";
import { LimitFile } from "./limit-file.ts";
import { UsageFile } from "./receiver.ts";

const NAMES = {
  1: { limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes" },
  2: { limit: "memory.max", usage: "memory.current" },
} as const;

/** A cgroup that may give memory, its files opened ahead of need. */
export class Donor {
  readonly identity: CgroupIdentity;
  readonly limit: LimitFile;
  readonly #usage: UsageFile;

  /** @throws as fs.openSync does: the cgroup is gone, or not permitted */
  constructor(identity: CgroupIdentity, directory: string, version: CgroupVersion) {
    this.identity = identity;
    this.limit = new LimitFile(path.join(directory, NAMES[version].limit), version);
    this.#usage = new UsageFile(directory, NAMES[version].usage);
  }

  /** Bytes in use; NaN when the cgroup is gone. */
  usageBytes(): number {
    return this.#usage.bytes();
  }

  close(): void {
    this.limit.close();
    this.#usage.close();
  }
}
