import { Detail } from "../../../core/cgroups/columns.ts";
import { KeyedLines } from "../../../core/parse/keyed-lines.ts";
import { parsePressure } from "../../../core/parse/pressure.ts";
import { parseLimit, parseSingleNumber } from "../../../core/parse/single-number.ts";
import type { CgroupVersion } from "../../common/cgroup-path.ts";

/**
 * Which files of a cgroup are read for which columns. Sources: Documentation/admin-guide/cgroup-v1/memory.rst,
 * Documentation/admin-guide/cgroup-v2.rst.
 */

export const USAGE_FILE: Readonly<Record<CgroupVersion, string>> = {
  1: "memory.usage_in_bytes",
  2: "memory.current",
};
export const STAT_FILE = "memory.stat";

/** Lines of memory.stat and their columns; of v1 the `total_` lines, which count descendants as v2 does. */
export const STAT_LINES: Readonly<
  Record<CgroupVersion, readonly (readonly [key: string, column: number])[]>
> = {
  1: [
    ["total_rss ", Detail.anonBytes],
    ["total_shmem ", Detail.sharedBytes],
    ["total_inactive_file ", Detail.inactiveFileBytes],
    ["total_active_file ", Detail.activeFileBytes],
    ["total_pgmajfault ", Detail.majorFaults],
    ["total_workingset_refault_anon ", Detail.refaultedAnonPages],
    ["total_workingset_refault_file ", Detail.refaultedFilePages],
    ["total_swap ", Detail.swapBytes],
  ],
  2: [
    ["anon ", Detail.anonBytes],
    ["shmem ", Detail.sharedBytes],
    ["inactive_file ", Detail.inactiveFileBytes],
    ["active_file ", Detail.activeFileBytes],
    ["slab_reclaimable ", Detail.slabReclaimableBytes],
    ["slab_unreclaimable ", Detail.slabUnreclaimableBytes],
    ["kernel_stack ", Detail.kernelStackBytes],
    ["pagetables ", Detail.pageTablesBytes],
    ["sock ", Detail.socketBytes],
    ["pgmajfault ", Detail.majorFaults],
    ["workingset_refault_anon ", Detail.refaultedAnonPages],
    ["workingset_refault_file ", Detail.refaultedFilePages],
  ],
};

/** memory.stat of one hierarchy's cgroups: the lines wanted, and in which columns they go. */
export class StatForm {
  readonly #lines: KeyedLines;
  readonly #columns: readonly number[];
  readonly #values: Float64Array;

  constructor(version: CgroupVersion) {
    const lines = STAT_LINES[version];
    this.#lines = new KeyedLines(lines.map(([key]) => ({ key, scale: 1 })));
    this.#columns = lines.map(([, column]) => column);
    this.#values = new Float64Array(lines.length);
  }

  /** For one cgroup: it remembers where the lines of its file are. */
  lines(): KeyedLines {
    return new KeyedLines(this.#lines);
  }

  parse(lines: KeyedLines, bytes: Uint8Array, length: number, frame: Float64Array): void {
    lines.parse(bytes, length, this.#values, 0);
    for (let i = 0; i < this.#columns.length; i++) {
      frame[this.#columns[i] as number] = this.#values[i] as number;
    }
  }
}

/** A file that is read with the details, and what of it goes into the frame. */
export interface DetailFile {
  readonly name: string;
  readonly parse: (bytes: Uint8Array, length: number, frame: Float64Array) => void;
}

function numberFile(name: string, column: number): DetailFile {
  return {
    name,
    parse: (bytes, length, frame) => {
      frame[column] = parseSingleNumber(bytes, length);
    },
  };
}

/** @param none what stands in the column when the file says that there is no limit */
function limitFile(name: string, column: number, none: number): DetailFile {
  return {
    name,
    parse: (bytes, length, frame) => {
      const value = parseLimit(bytes, length);
      frame[column] = value === Number.POSITIVE_INFINITY ? none : value;
    },
  };
}

/** @param keys of consecutive columns from `column` on */
function keyedFile(name: string, column: number, keys: readonly string[]): DetailFile {
  const lines = new KeyedLines(keys.map((key) => ({ key, scale: 1 })));
  return { name, parse: (bytes, length, frame) => void lines.parse(bytes, length, frame, column) };
}

/** memory.min and memory.low of `max` protect all there is: the largest number a column holds, not null. */
const ALL = Number.MAX_SAFE_INTEGER;

/** The files of the details beside memory.stat. Those that a kernel does not have are left out when that shows. */
export function detailFiles(version: CgroupVersion): DetailFile[] {
  if (version === 1) {
    return [
      limitFile("memory.limit_in_bytes", Detail.limitBytes, Number.NaN),
      limitFile("memory.soft_limit_in_bytes", Detail.highBytes, Number.NaN),
      numberFile("memory.max_usage_in_bytes", Detail.peakBytes),
      numberFile("memory.failcnt", Detail.limitHits),
      keyedFile("memory.oom_control", Detail.oomKills, ["oom_kill "]),
    ];
  }
  return [
    limitFile("memory.max", Detail.limitBytes, Number.NaN),
    limitFile("memory.high", Detail.highBytes, Number.NaN),
    limitFile("memory.min", Detail.minBytes, ALL),
    limitFile("memory.low", Detail.lowBytes, ALL),
    numberFile("memory.peak", Detail.peakBytes),
    numberFile("memory.swap.current", Detail.swapBytes),
    keyedFile("memory.events", Detail.limitHits, ["max ", "high ", "oom ", "oom_kill "]),
    {
      name: "memory.pressure",
      parse: (bytes, length, frame) => parsePressure(bytes, length, frame, Detail.someStallUs),
    },
  ];
}
