import fs from "node:fs";
import path from "node:path";
import { compilePatterns } from "../../core/cgroups/pattern.ts";
import type { CgroupLever } from "../../core/levers/lever.ts";
import { parseProcessStat, STAT_FIELDS, Stat } from "../../core/parse/process-stat.ts";
import { DomainState } from "../../core/vm/machines.ts";
import { readLever } from "../lane/levers.ts";
import type { HostRoots } from "../common/roots.ts";
import type { Seen } from "./book.ts";

/** A host has hundreds of cgroups; of more than this the rest is not searched. */
const CGROUPS_MAX = 8192;
const DEPTH_MAX = 32;
/** What QEMU's processes are called (qemu-system-x86_64, qemu-kvm, kvm), cut off at 15 bytes. */
const QEMU = /^(?:qemu-|kvm$)/;

interface Units {
  readonly ticksPerSecond: number;
  readonly pageBytes: number;
}

/** The hierarchy that can freeze: v1's freezer (freezer-subsystem.rst), or cgroup v2 (cgroup.freeze of cgroup-v2.rst). */
interface Freezer {
  readonly root: string;
  readonly file: "freezer.state" | "cgroup.freeze";
}

/** Cgroups with QEMU processes that libvirt does not know of: they can be frozen, and go on. */
export class QemuCgroups {
  readonly #roots: HostRoots;
  readonly #units: Units;
  readonly #stat = new Float64Array(STAT_FIELDS);
  readonly #bytes = Buffer.alloc(4096);
  readonly #freezer: Freezer | null;
  #matches: ((cgroup: string) => boolean) | null = null;

  constructor(roots: HostRoots, units: Units) {
    this.#roots = roots;
    this.#units = units;
    this.#freezer = findFreezer(roots.cgroup);
  }

  setPatterns(patterns: readonly string[]): void {
    this.#matches = patterns.length === 0 ? null : compilePatterns(patterns);
  }

  /** All of them, as they are now. Cgroups whose processes are no QEMU's are none. */
  look(): Omit<Seen, "held" | "heldBytes">[] {
    const freezer = this.#freezer;
    if (this.#matches === null || freezer === null) return [];
    const seen: Omit<Seen, "held" | "heldBytes">[] = [];
    let count = 0;
    const search = (cgroup: string, depth: number): void => {
      if (++count > CGROUPS_MAX || depth > DEPTH_MAX) return;
      if (this.#matches?.(cgroup)) {
        const machine = this.#lookAt(freezer, cgroup);
        if (machine !== null) seen.push(machine);
      }
      for (const name of directoriesIn(freezer.root + cgroup)) search(`${cgroup}/${name}`, depth + 1);
    };
    search("", 0);
    return seen;
  }

  /** What freezes it; null: it is gone. */
  lever(cgroup: string): CgroupLever | null {
    const freezer = this.#freezer;
    if (freezer === null) return null;
    const directory = freezer.root + cgroup;
    try {
      const inode = fs.lstatSync(directory).ino;
      const value = freezer.file === "freezer.state" ? "FROZEN" : "1";
      return { kind: "cgroup", directory, inode, file: freezer.file, device: null, value };
    } catch {
      return null;
    }
  }

  #lookAt({ root }: Freezer, cgroup: string): Omit<Seen, "held" | "heldBytes"> | null {
    let ticks = 0;
    let pages = 0;
    let isQemu = false;
    for (const pid of readText(path.join(root + cgroup, "cgroup.procs"))?.split("\n") ?? []) {
      if (!/^[1-9]\d*$/.test(pid) || !this.#readStat(pid)) continue;
      isQemu ||= QEMU.test(readText(`${this.#roots.proc}/${pid}/comm`) ?? "");
      ticks += (this.#stat[Stat.userTicks] as number) + (this.#stat[Stat.systemTicks] as number);
      pages += this.#stat[Stat.residentPages] as number;
    }
    const lever = this.lever(cgroup);
    if (!isQemu || lever === null) return null;
    const frozen = readLever(this.#roots.proc, lever) === lever.value;
    return {
      source: "cgroup",
      id: cgroup,
      name: cgroup,
      state: frozen ? DomainState.paused : DomainState.running,
      memoryBytes: null,
      residentBytes: pages * this.#units.pageBytes,
      cpuUs: Math.round((ticks * 1e6) / this.#units.ticksPerSecond),
      processors: null,
    };
  }

  #readStat(pid: string): boolean {
    try {
      const descriptor = fs.openSync(`${this.#roots.proc}/${pid}/stat`, fs.constants.O_RDONLY);
      try {
        const length = fs.readSync(descriptor, this.#bytes, 0, this.#bytes.length, 0);
        return parseProcessStat(this.#bytes, length, this.#stat, 0);
      } finally {
        fs.closeSync(descriptor);
      }
    } catch {
      // It ended meanwhile.
      return false;
    }
  }
}

function findFreezer(cgroupRoot: string): Freezer | null {
  const v1 = path.join(cgroupRoot, "freezer");
  if (fs.existsSync(path.join(v1, "cgroup.procs"))) return { root: v1, file: "freezer.state" };
  for (const root of [cgroupRoot, path.join(cgroupRoot, "unified")]) {
    if (fs.existsSync(path.join(root, "cgroup.controllers"))) return { root, file: "cgroup.freeze" };
  }
  return null;
}

function directoriesIn(directory: string): string[] {
  try {
    const entries = fs.readdirSync(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return [];
  }
}

function readText(file: string): string | null {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return null;
  }
}
