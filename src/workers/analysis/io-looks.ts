import fs from "node:fs";
import path from "node:path";
import type { Device } from "../../core/io/device.ts";
import type { CgroupIo, IoLook } from "../../core/io/looks.ts";
import type { IoCounters } from "../../core/parse/cgroup-io.ts";
import { majorMinor } from "../../core/parse/diskstats.ts";
import { KeyedLines } from "../../core/parse/keyed-lines.ts";
import { CgroupIoFiles, findIoHierarchy, type IoHierarchy, ioCgroupOf } from "../common/cgroup-io.ts";
import { monotonicUs } from "../common/clock.ts";
import { HeldFile } from "../common/held-file.ts";
import type { HostRoots } from "../common/roots.ts";
import { type CgroupNode, CgroupTree } from "../sampler/cgroups/tree.ts";

/** Cgroups that came since the last search are found after this time. */
const SCAN_US = 5_000_000;
const SCAN_AT_ONCE_US = 5000;
const OWN_KEYS = ["read_bytes: ", "write_bytes: "].map((key) => ({ key, scale: 1 }));

/** Who does what on devices, read when it is asked for: of calm devices nothing is. */
export class IoLooker {
  readonly hierarchy: IoHierarchy | null;
  readonly #procRoot: string;
  readonly #tree: CgroupTree | null;
  readonly #files = new Map<CgroupNode, CgroupIoFiles | null>();
  readonly #ownLines = new KeyedLines(OWN_KEYS);
  readonly #ownValues = new Float64Array(OWN_KEYS.length);
  /** Devices whose I/O the kernel has been asked to count by cgroup. */
  readonly #counted = new Set<number>();
  #matches: (cgroup: string) => boolean;
  #own: HeldFile | null = null;
  #scannedUs = Number.NEGATIVE_INFINITY;

  /** @param matches whose cgroups are read */
  constructor(roots: HostRoots, matches: (cgroup: string) => boolean) {
    this.#procRoot = roots.proc;
    this.#matches = matches;
    this.hierarchy = findIoHierarchy(roots.cgroup);
    const nothing = (): void => undefined;
    const vanished = (node: CgroupNode): void => this.#close(node);
    this.#tree =
      this.hierarchy === null
        ? null
        : new CgroupTree(this.hierarchy, "host", { appeared: nothing, stayed: nothing, vanished });
  }

  /** The guard's own cgroup; null: not known. */
  get ownCgroup(): string | null {
    try {
      const text = fs.readFileSync(path.join(this.#procRoot, "self/cgroup"), "utf8");
      return this.hierarchy === null ? null : ioCgroupOf(text, this.hierarchy.version);
    } catch {
      return null;
    }
  }

  set matches(matches: (cgroup: string) => boolean) {
    this.rest();
    this.#matches = matches;
  }

  /** Reads what all cgroups that match have done on these devices. */
  look(devices: readonly Device[]): IoLook[] {
    this.#scan();
    const found = new Map(devices.map(({ number }) => [number, [] as CgroupIo[]]));
    for (const node of this.#tree?.nodes() ?? []) {
      for (const counters of this.#read(node)) {
        found.get(counters.device)?.push({ path: node.path, counters });
      }
    }
    const ownBytes = this.#ownBytes();
    const atUs = monotonicUs();
    return devices.map(({ number }) => ({ atUs, cgroups: found.get(number) ?? [], ownBytes }));
  }

  /**
   * A v1 kernel counts a device's I/O by cgroup only from when a throttle of the device was first written, whatever it
   * says (block/blk-throttle.c, since 6.10): one without a limit is written to the root cgroup, where there is none.
   * @returns whether it was; what is then read begins at 0
   */
  count(device: number): boolean {
    if (this.hierarchy?.version !== 1 || this.#counted.has(device)) return false;
    this.#counted.add(device);
    const id = majorMinor(device);
    const counts = CgroupIoFiles.open(this.hierarchy.root, 1);
    const counted = counts?.read()?.some((counters) => counters.device === device) ?? false;
    counts?.close();
    const file = path.join(this.hierarchy.root, "blkio.throttle.read_bps_device");
    try {
      const limited = fs.readFileSync(file, "utf8").split("\n");
      if (counted || limited.some((line) => line.startsWith(`${id} `))) return false;
      fs.writeFileSync(file, `${id} 0`, { flag: "r+" });
      return true;
    } catch {
      return false;
    }
  }

  /** Lets go of all files: nobody is looked at any more. */
  rest(): void {
    for (const files of this.#files.values()) files?.close();
    this.#files.clear();
    this.#own?.close();
    this.#own = null;
  }

  /** A part of the search at a time: the analysis has more to do than this. */
  #scan(): void {
    if (this.#tree === null) return;
    const nowUs = monotonicUs();
    if (!this.#tree.scanning) {
      if (nowUs - this.#scannedUs < SCAN_US) return;
      this.#scannedUs = nowUs;
      this.#tree.beginScan();
    }
    this.#tree.scan(() => monotonicUs() - nowUs < SCAN_AT_ONCE_US);
  }

  #read(node: CgroupNode): readonly IoCounters[] {
    let files = this.#files.get(node);
    if (files === undefined) {
      const wanted = this.hierarchy !== null && node.path !== "" && this.#matches(node.path);
      files = wanted ? CgroupIoFiles.open(node.directory, this.hierarchy.version) : null;
      this.#files.set(node, files);
    }
    return files?.read() ?? [];
  }

  #close(node: CgroupNode): void {
    this.#files.get(node)?.close();
    this.#files.delete(node);
  }

  /** What the guard itself has read and written on any device (proc_pid_io(5)); NaN: not known. */
  #ownBytes(): number {
    this.#own ??= HeldFile.tryOpen(path.join(this.#procRoot, "self/io"), 512);
    if (this.#own === null) return Number.NaN;
    const length = this.#own.read();
    this.#ownLines.parse(this.#own.bytes, length, this.#ownValues, 0);
    return (this.#ownValues[0] as number) + (this.#ownValues[1] as number);
  }
}
