import fs from "node:fs";
import path from "node:path";
import { compilePatterns } from "../../core/cgroups/pattern.ts";
import type { UsageSample } from "../../core/cpu/fair-use.ts";
import { KeyedLines } from "../../core/parse/keyed-lines.ts";
import { unsignedAt } from "../../core/parse/bytes.ts";
import type { CgroupVersion } from "../common/cgroup-path.ts";
import { HeldFile } from "../common/held-file.ts";
import { type CgroupNode, CgroupTree } from "../sampler/cgroups/tree.ts";

/** Cgroups that come are found within this time. */
const SCAN_US = 10_000_000;
/** Of one look at the tree: on a host of thousands of cgroups it goes on at the next sample. */
const NODES_A_LOOK = 500;
const NS_PER_US = 1000;

/** Where CPU time is accounted for, and where it is limited. */
interface CpuHierarchy {
  readonly version: CgroupVersion;
  /** Directories of the root cgroup. On v1 they may be two. */
  readonly root: string;
  readonly limits: string;
}

/** @returns null when there is none */
function findCpuHierarchy(cgroupRoot: string): CpuHierarchy | null {
  const limits = path.join(cgroupRoot, "cpu");
  for (const name of ["cpuacct", "cpu,cpuacct", "cpu"]) {
    const root = path.join(cgroupRoot, name);
    if (fs.existsSync(path.join(root, "cpuacct.usage"))) return { version: 1, root, limits };
  }
  for (const root of [cgroupRoot, path.join(cgroupRoot, "unified")]) {
    if (fs.existsSync(path.join(root, "cgroup.controllers"))) return { version: 2, root, limits: root };
  }
  return null;
}

interface Followed {
  readonly node: CgroupNode;
  readonly file: HeldFile;
  readonly limitCores: number | null;
  readonly lines: KeyedLines;
}

/** Reads the CPU time of the cgroups that patterns name, by descriptors that are held; finds those that come and go. */
export class FairUseReader {
  readonly #hierarchy: CpuHierarchy | null;
  readonly #tree: CgroupTree | null;
  readonly #followed = new Map<CgroupNode, Followed>();
  readonly #usage = new Float64Array(1);
  readonly #sharedLines = new KeyedLines([{ key: "usage_usec ", scale: 1 }]);
  #matches: (cgroup: string) => boolean = () => false;
  #scannedUs = Number.NEGATIVE_INFINITY;

  constructor(cgroupRoot: string) {
    this.#hierarchy = findCpuHierarchy(cgroupRoot);
    this.#tree =
      this.#hierarchy === null
        ? null
        : new CgroupTree({ version: this.#hierarchy.version, root: this.#hierarchy.root }, "host", {
            appeared: (node) => this.#appeared(node),
            stayed: () => undefined,
            vanished: (node) => this.#forget(node),
          });
  }

  /** Where there is nothing to read by: no cgroup has CPU time of its own. */
  get absent(): boolean {
    return this.#hierarchy === null;
  }

  /**
   * @param also paths that are followed whatever the patterns say: of those that are held and must be let go
   * @throws RangeError as compilePatterns does
   */
  setPatterns(patterns: readonly string[], also: ReadonlySet<string>): void {
    const named = compilePatterns(patterns);
    this.#matches = (cgroup) => named(cgroup) || also.has(cgroup);
    for (const { node } of this.#followed.values()) if (!this.#matches(node.path)) this.#forget(node);
    for (const node of this.#tree?.nodes() ?? []) if (!this.#followed.has(node)) this.#appeared(node);
  }

  /** CPU time of each followed cgroup. One that has gone since is left out, and found anew if it was made anew. */
  read(nowUs: number): UsageSample[] {
    this.#scan(nowUs);
    const samples: UsageSample[] = [];
    for (const followed of this.#followed.values()) {
      const usageUs = this.#usageOf(followed);
      const { node, limitCores } = followed;
      if (usageUs === null) {
        this.#forget(node);
        this.#scannedUs = Number.NEGATIVE_INFINITY;
      } else samples.push({ cgroup: node.path, inode: node.inode, usageUs, limitCores });
    }
    return samples;
  }

  close(): void {
    for (const { file } of this.#followed.values()) file.close();
    this.#followed.clear();
  }

  #scan(nowUs: number): void {
    if (this.#tree === null) return;
    if (!this.#tree.scanning && nowUs - this.#scannedUs < SCAN_US) return;
    if (!this.#tree.scanning) {
      this.#scannedUs = nowUs;
      this.#tree.beginScan();
    }
    let left = NODES_A_LOOK;
    this.#tree.scan(() => left-- > 0);
  }

  #appeared(node: CgroupNode): void {
    const hierarchy = this.#hierarchy;
    if (hierarchy === null || !this.#matches(node.path)) return;
    const name = hierarchy.version === 1 ? "cpuacct.usage" : "cpu.stat";
    const file = HeldFile.tryOpen(path.join(node.directory, name), 512);
    if (file === null) return;
    const limitCores = limitOf(hierarchy, node.path);
    this.#followed.set(node, { node, file, limitCores, lines: new KeyedLines(this.#sharedLines) });
  }

  #forget(node: CgroupNode): void {
    this.#followed.get(node)?.file.close();
    this.#followed.delete(node);
  }

  /** Null: it is gone. */
  #usageOf({ file, lines }: Followed): number | null {
    const length = file.read();
    if (length <= 0) return null;
    if (this.#hierarchy?.version === 1) {
      const usageNs = unsignedAt(file.bytes, 0, length);
      return Number.isNaN(usageNs) ? null : usageNs / NS_PER_US;
    }
    lines.parse(file.bytes, length, this.#usage, 0);
    return Number.isNaN(this.#usage[0]) ? null : (this.#usage[0] as number);
  }
}

/** Processors the cgroup may use by its own limit: cpu.max (cgroup-v2.rst), cfs_quota_us (sched-bwc.rst). Null: all. */
function limitOf({ version, limits }: CpuHierarchy, cgroup: string): number | null {
  const directory = path.join(limits, ...cgroup.split("/"));
  const [quota, period] =
    version === 2
      ? (readText(path.join(directory, "cpu.max"))?.split(" ") ?? [])
      : ["cpu.cfs_quota_us", "cpu.cfs_period_us"].map((name) => readText(path.join(directory, name)));
  const cores = Number(quota ?? Number.NaN) / Number(period ?? Number.NaN);
  return cores > 0 ? cores : null;
}

function readText(file: string): string | null {
  try {
    return fs.readFileSync(file, "utf8").trim();
  } catch {
    return null;
  }
}
