import path from "node:path";
import { parseCgroupCount, parseDescendants } from "../../../core/cgroups/census.ts";
import type { MemoryHierarchy } from "../../common/cgroup-path.ts";
import { HeldFile } from "../../common/held-file.ts";

/** How many cgroups the kernel counts: when the number is the same, hardly anything can have appeared. */
export class Census {
  readonly #file: string;
  readonly #parse: (bytes: Uint8Array, length: number) => number;
  #held: HeldFile | null = null;

  constructor(procRoot: string, hierarchy: MemoryHierarchy) {
    this.#file =
      hierarchy.version === 2 ? path.join(hierarchy.root, "cgroup.stat") : path.join(procRoot, "cgroups");
    this.#parse = hierarchy.version === 2 ? parseDescendants : parseCgroupCount;
  }

  /** NaN: the kernel does not say. */
  count(): number {
    this.#held ??= HeldFile.tryOpen(this.#file);
    if (this.#held === null) return Number.NaN;
    return this.#parse(this.#held.bytes, this.#held.read());
  }

  close(): void {
    this.#held?.close();
    this.#held = null;
  }
}
