import type { IoCounters } from "../parse/cgroup-io.ts";
import type { IoLoad } from "./action.ts";
import { Io } from "./columns.ts";
import type { Device } from "./device.ts";

/** Rates are taken over this time at most: long enough for a burst to even out, short enough to be of now. */
const WINDOW_US = 3_000_000;
const SHORTEST_US = 20_000;
/** Who does less than this share of a device's load is not the one to be throttled for it. */
export const HALF = 0.5;

/** What one cgroup had done on a device when it was looked at. */
export interface CgroupIo {
  /** Below the hierarchy's root, such as `/machine/build`. */
  readonly path: string;
  readonly counters: IoCounters;
}

/** All that was read of one device at one moment. */
export interface IoLook {
  readonly atUs: number;
  readonly cgroups: readonly CgroupIo[];
  /** Of the guard itself, on all devices: /proc/self/io. NaN: not known. */
  readonly ownBytes: number;
}

/** What a cgroup does in a second on one device. */
export interface CgroupLoad extends IoLoad {
  readonly path: string;
  /** Its part of the device's load: the mean of its shares of bytes and of operations. */
  readonly share: number;
}

/** Who does what on one device, by looks that follow each other. */
export class Looks {
  readonly #looks: { readonly look: IoLook; readonly device: Float64Array }[] = [];

  add(look: IoLook, device: Device): void {
    this.#looks.push({ look, device: Float64Array.from(device.row) });
    // The newest one that is as old as the window is the one to compare with.
    while (this.#looks.length > 2 && look.atUs - (this.#looks[1]?.look.atUs ?? 0) >= WINDOW_US) {
      this.#looks.shift();
    }
  }

  clear(): void {
    this.#looks.length = 0;
  }

  /**
   * The loads of those that are to be seen in the first and the last look, the heaviest first.
   * @param nested what a cgroup has done includes what those within it have (v2)
   * @returns null when there are no two looks yet
   */
  loads(nested: boolean): CgroupLoad[] | null {
    const ends = this.#ends();
    if (ends === null) return null;
    const [first, last, seconds] = ends;
    const before = new Map(first.look.cgroups.map(({ path, counters }) => [path, counters]));
    const loads = last.look.cgroups.flatMap(({ path, counters: now }) => {
      const then = before.get(path);
      if (then === undefined) return [];
      const load = {
        path,
        readBytes: (now.readBytes - then.readBytes) / seconds,
        writtenBytes: (now.writtenBytes - then.writtenBytes) / seconds,
        reads: (now.reads - then.reads) / seconds,
        writes: (now.writes - then.writes) / seconds,
      };
      // Set back: another cgroup of that name, or statistics that were reset.
      return Object.values(load).some((value) => typeof value === "number" && value < 0) ? [] : [load];
    });
    const counted = nested ? loads.filter(({ path }) => !isBelowAny(path, loads)) : loads;
    const device = deviceTotals(first.device, last.device, seconds);
    // Operations are counted before they are merged, and the device's after it: the larger of both is the whole.
    const bytes = Math.max(device.bytes, sum(counted, bytesOf));
    const operations = Math.max(device.operations, sum(counted, operationsOf));
    return loads
      .map((load) => ({
        ...load,
        share: (shareOf(bytesOf(load), bytes) + shareOf(operationsOf(load), operations)) / 2,
      }))
      .toSorted((a, b) => b.share - a.share);
  }

  /** The guard's own part of the bytes that went to and from the device; NaN: not known. */
  ownShare(): number {
    const ends = this.#ends();
    if (ends === null) return Number.NaN;
    const [first, last, seconds] = ends;
    const own = (last.look.ownBytes - first.look.ownBytes) / seconds;
    return shareOf(own, deviceTotals(first.device, last.device, seconds).bytes);
  }

  #ends() {
    const first = this.#looks[0];
    const last = this.#looks.at(-1);
    if (first === undefined || last === undefined) return null;
    const elapsedUs = last.look.atUs - first.look.atUs;
    return elapsedUs < SHORTEST_US ? null : ([first, last, elapsedUs / 1e6] as const);
  }
}

export type Heaviest =
  | { readonly kind: "one"; readonly load: CgroupLoad; readonly others: readonly CgroupLoad[] }
  /** Nobody who may be throttled does half of it. */
  | { readonly kind: "spread"; readonly others: readonly CgroupLoad[] };

/** The smallest cgroup that does at least half of a device's load: of some that lie in each other, the innermost. */
export function heaviest(loads: readonly CgroupLoad[]): Heaviest {
  const heavy = loads.filter(({ share }) => share >= HALF);
  const load = heavy.find((each) => !heavy.some(({ path }) => isBelow(path, each.path)));
  if (load === undefined) return { kind: "spread", others: loads };
  return { kind: "one", load, others: loads.filter((each) => each !== load) };
}

/** Whether `path` is a cgroup within `above`. */
export function isBelow(path: string, above: string): boolean {
  return path !== above && path.startsWith(above === "/" ? "/" : `${above}/`);
}

/** In words, such as `/a: 62 % of the load, 1048576 bytes/s, 200 operations/s`. */
export function describeLoad(load: CgroupLoad): string {
  const percent = Math.round(load.share * 100);
  const bytes = Math.round(bytesOf(load));
  return `${load.path}: ${percent} % of the load, ${bytes} bytes/s, ${Math.round(operationsOf(load))} operations/s`;
}

function bytesOf(load: Omit<CgroupLoad, "share">): number {
  return load.readBytes + load.writtenBytes;
}

function operationsOf(load: Omit<CgroupLoad, "share">): number {
  return load.reads + load.writes;
}

type Unshared = Omit<CgroupLoad, "share">;

function isBelowAny(path: string, loads: readonly Unshared[]): boolean {
  return loads.some((each) => isBelow(path, each.path));
}

function sum(loads: readonly Unshared[], of: (load: Unshared) => number): number {
  return loads.reduce((total, load) => total + of(load), 0);
}

function shareOf(part: number, whole: number): number {
  return whole > 0 ? Math.min(1, part / whole) : 0;
}

function deviceTotals(
  before: Float64Array,
  now: Float64Array,
  seconds: number,
): { bytes: number; operations: number } {
  const rate = (column: number): number =>
    Math.max(0, ((now[column] as number) - (before[column] as number)) / seconds) || 0;
  return {
    bytes: rate(Io.readBytes) + rate(Io.writtenBytes),
    operations: rate(Io.reads) + rate(Io.writes),
  };
}
