import path from "node:path";
import { KeyedLines } from "../../../core/parse/keyed-lines.ts";
import { parsePressure } from "../../../core/parse/pressure.ts";
import { parseLimit, parseSingleNumber } from "../../../core/parse/single-number.ts";
import { Mem } from "../../../core/samples.ts";
import { type CgroupVersion, cgroupAncestry, type MemoryHierarchy } from "../../common/cgroup-path.ts";
import { HeldFile } from "../../common/held-file.ts";
import type { MemoryReader } from "./memory-reader.ts";

/** What memory.stat gives, by our column; the names differ between v1 (with `total_`: descendants too) and v2. */
const Field = {
  anon: 0,
  shared: 1,
  inactiveFile: 2,
  activeFile: 3,
  slabReclaimable: 4,
  slabUnreclaimable: 5,
  kernelStack: 6,
  pageTables: 7,
  majorFaults: 8,
  refaultedAnon: 9,
  refaultedFile: 10,
  swap: 11,
} as const;
const FIELDS = 12;

const STAT_KEYS: Readonly<Record<CgroupVersion, readonly string[]>> = {
  1: [
    "total_rss ",
    "total_shmem ",
    "total_inactive_file ",
    "total_active_file ",
    "(v2 only) ",
    "(v2 only) ",
    "(v2 only) ",
    "(v2 only) ",
    "total_pgmajfault ",
    "total_workingset_refault_anon ",
    "total_workingset_refault_file ",
    "total_swap ",
  ],
  2: [
    "anon ",
    "shmem ",
    "inactive_file ",
    "active_file ",
    "slab_reclaimable ",
    "slab_unreclaimable ",
    "kernel_stack ",
    "pagetables ",
    "pgmajfault ",
    "workingset_refault_anon ",
    "workingset_refault_file ",
    "(in memory.swap.current) ",
  ],
};

const FILES: Readonly<
  Record<CgroupVersion, { usage: string; limit: string; swap: string; swapLimit: string; events: string }>
> = {
  1: {
    usage: "memory.usage_in_bytes",
    limit: "memory.limit_in_bytes",
    swap: "memory.memsw.usage_in_bytes",
    swapLimit: "memory.memsw.limit_in_bytes",
    events: "memory.oom_control",
  },
  2: {
    usage: "memory.current",
    limit: "memory.max",
    swap: "memory.swap.current",
    swapLimit: "memory.swap.max",
    events: "memory.events",
  },
};

/** The kernel keeps back as much file cache, of what it calls available: half of it, at most this share of the total. */
const KEPT_FILE_SHARE = 1 / 64;

/** One cgroup on the scope's path: what it may use, what it uses, and how much of that is file cache. */
class Level {
  readonly #limit: HeldFile;
  readonly #usage: HeldFile;
  readonly #stat: HeldFile;
  readonly #lines: KeyedLines;
  readonly fields = new Float64Array(FIELDS);
  limitBytes = Number.POSITIVE_INFINITY;
  usageBytes = Number.NaN;

  constructor(directory: string, version: CgroupVersion) {
    this.#limit = HeldFile.open(path.join(directory, FILES[version].limit), 64);
    this.#usage = HeldFile.open(path.join(directory, FILES[version].usage), 64);
    this.#stat = HeldFile.open(path.join(directory, "memory.stat"), 4096);
    this.#lines = new KeyedLines(STAT_KEYS[version].map((key) => ({ key, scale: 1 })));
  }

  readLimit(): void {
    const length = this.#limit.read();
    this.limitBytes = length < 0 ? Number.NaN : parseLimit(this.#limit.bytes, length);
  }

  readUsage(): void {
    const usageLength = this.#usage.read();
    this.usageBytes = usageLength < 0 ? Number.NaN : parseSingleNumber(this.#usage.bytes, usageLength);
    const statLength = this.#stat.read();
    this.#lines.parse(this.#stat.bytes, statLength, this.fields, 0);
  }

  get availableBytes(): number {
    const field = this.fields;
    const file = (field[Field.inactiveFile] as number) + (field[Field.activeFile] as number);
    const slab = field[Field.slabReclaimable] as number;
    const reclaimable =
      file - Math.min(file / 2, this.limitBytes * KEPT_FILE_SHARE) + (slab > 0 ? slab / 2 : 0);
    return Math.max(0, this.limitBytes - this.usageBytes + reclaimable);
  }

  close(): void {
    this.#limit.close();
    this.#usage.close();
    this.#stat.close();
  }
}

/**
 * Memory of one cgroup, in the host's columns: its limit (the smallest on its path) stands for the total, and what is
 * left below the tightest limit, file cache counted as the kernel counts it in MemAvailable, for what is available.
 * Sources: Documentation/admin-guide/cgroup-v1/memory.rst, Documentation/admin-guide/cgroup-v2.rst.
 */
export class CgroupMemoryReader implements MemoryReader {
  readonly #version: CgroupVersion;
  readonly #levels: Level[];
  readonly #swap: HeldFile | null;
  readonly #swapLimit: HeldFile | null;
  readonly #events: HeldFile | null;
  readonly #eventLines = new KeyedLines([{ key: "oom_kill ", scale: 1 }]);
  readonly #meminfo: HeldFile;
  readonly #hostSwapLines = new KeyedLines([
    { key: "SwapTotal:", scale: 1024 },
    { key: "SwapFree:", scale: 1024 },
  ]);
  readonly #pressure: HeldFile | null;
  readonly #vmstat: HeldFile;
  readonly #vmstatLines = new KeyedLines([
    { key: "pswpin ", scale: 1 },
    { key: "pswpout ", scale: 1 },
  ]);
  readonly #hostSwap = new Float64Array(2);

  /** @throws as fs.openSync does when the cgroup is not there */
  constructor(procRoot: string, hierarchy: MemoryHierarchy, scope: string) {
    const version = hierarchy.version;
    const directories = cgroupAncestry(hierarchy, scope);
    const own = directories[0] as string;
    this.#version = version;
    this.#levels = directories.map((directory) => new Level(directory, version));
    this.#swap = HeldFile.tryOpen(path.join(own, FILES[version].swap), 64);
    this.#swapLimit = HeldFile.tryOpen(path.join(own, FILES[version].swapLimit), 64);
    this.#events = HeldFile.tryOpen(path.join(own, FILES[version].events), 512);
    this.#meminfo = HeldFile.open(path.join(procRoot, "meminfo"), 4096);
    this.#vmstat = HeldFile.open(path.join(procRoot, "vmstat"), 8192);
    const pressure =
      version === 2 ? path.join(own, "memory.pressure") : path.join(procRoot, "pressure/memory");
    this.#pressure = HeldFile.tryOpen(pressure, 512);
  }

  read(frame: Float64Array): void {
    frame.fill(Number.NaN, Mem.totalBytes);
    this.#readHeadroom(frame);
    this.#readSwap(frame);
    if (this.#events !== null) {
      const length = this.#events.read();
      this.#eventLines.parse(this.#events.bytes, length, frame, Mem.oomKills);
    }
    if (this.#pressure !== null) {
      const length = this.#pressure.read();
      parsePressure(this.#pressure.bytes, length, frame, Mem.someStallUs);
    }
  }

  #readHeadroom(frame: Float64Array): void {
    let totalBytes = Number.POSITIVE_INFINITY;
    let availableBytes = Number.POSITIVE_INFINITY;
    const own = this.#levels[0] as Level;
    for (const level of this.#levels) {
      level.readLimit();
      const limited = level.limitBytes !== Number.POSITIVE_INFINITY;
      if (limited || level === own) level.readUsage();
      if (!limited) continue;
      totalBytes = Math.min(totalBytes, level.limitBytes);
      availableBytes = Math.min(availableBytes, level.availableBytes);
    }
    if (totalBytes !== Number.POSITIVE_INFINITY) {
      frame[Mem.totalBytes] = totalBytes;
      frame[Mem.availableBytes] = availableBytes;
    }
    frame[Mem.freeBytes] = Math.max(0, totalBytes - own.usageBytes);
    const field = own.fields;
    frame[Mem.cachedBytes] = (field[Field.inactiveFile] as number) + (field[Field.activeFile] as number);
    frame[Mem.anonBytes] = field[Field.anon] as number;
    frame[Mem.sharedBytes] = field[Field.shared] as number;
    frame[Mem.slabReclaimableBytes] = field[Field.slabReclaimable] as number;
    frame[Mem.slabUnreclaimableBytes] = field[Field.slabUnreclaimable] as number;
    frame[Mem.kernelStackBytes] = field[Field.kernelStack] as number;
    frame[Mem.pageTablesBytes] = field[Field.pageTables] as number;
    frame[Mem.majorFaults] = field[Field.majorFaults] as number;
    frame[Mem.refaultedAnonPages] = field[Field.refaultedAnon] as number;
    frame[Mem.refaultedFilePages] = field[Field.refaultedFile] as number;
  }

  /** The scope's swap is what its own limit allows, at most what the host has. */
  #readSwap(frame: Float64Array): void {
    const meminfoLength = this.#meminfo.read();
    this.#hostSwapLines.parse(this.#meminfo.bytes, meminfoLength, this.#hostSwap, 0);
    const hostTotal = this.#hostSwap[0] as number;
    if (!(hostTotal > 0)) {
      frame[Mem.swapTotalBytes] = 0;
      frame[Mem.swapFreeBytes] = 0;
      return;
    }
    const vmstatLength = this.#vmstat.read();
    this.#vmstatLines.parse(this.#vmstat.bytes, vmstatLength, frame, Mem.swappedInPages);
    const own = this.#levels[0] as Level;
    const limit = this.#swapLimit === null ? Number.POSITIVE_INFINITY : readLimit(this.#swapLimit);
    let allowed = limit;
    let used = 0;
    if (this.#version === 1) {
      // v1 limits memory and swap together: what may be swapped is what the sum allows beyond the memory limit.
      allowed = limit - Math.min(limit, own.limitBytes);
      if (limit === Number.POSITIVE_INFINITY) allowed = limit;
      used = own.fields[Field.swap] as number;
    } else if (this.#swap !== null) {
      const length = this.#swap.read();
      used = length < 0 ? Number.NaN : parseSingleNumber(this.#swap.bytes, length);
    }
    const total = Math.min(allowed, hostTotal);
    frame[Mem.swapTotalBytes] = total;
    frame[Mem.swapFreeBytes] = Math.max(0, Math.min(total - used, this.#hostSwap[1] as number));
  }

  close(): void {
    for (const level of this.#levels) level.close();
    for (const file of [
      this.#swap,
      this.#swapLimit,
      this.#events,
      this.#meminfo,
      this.#pressure,
      this.#vmstat,
    ]) {
      file?.close();
    }
  }
}

function readLimit(file: HeldFile): number {
  const length = file.read();
  return length < 0 ? Number.NaN : parseLimit(file.bytes, length);
}
