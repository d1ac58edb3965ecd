import fs from "node:fs";
import path from "node:path";
import { DETAIL_COLUMNS, Detail, USAGE_COLUMNS, Usage } from "../../../core/cgroups/columns.ts";
import type { KeyedLines } from "../../../core/parse/keyed-lines.ts";
import { parseSingleNumber } from "../../../core/parse/single-number.ts";
import type { RingWriter } from "../../../core/ring/writer.ts";
import type { CgroupVersion } from "../../common/cgroup-path.ts";
import { type DetailFile, detailFiles, STAT_FILE, StatForm, USAGE_FILE } from "./files.ts";
import { CLOSED, type FollowedCgroup } from "./followed.ts";
import { Depth, type HeldDescriptors } from "./held.ts";

/** A number of 64 bits and a newline are 21 bytes. */
const NUMBER_BYTES = 64;
/** The longest of the files is memory.stat, about 1.5 KiB. */
const TEXT_BYTES = 16 * 1024;

export interface ReaderRings {
  readonly usage: RingWriter;
  readonly detail: RingWriter;
}

/**
 * Reads cgroups into the rings: one positional read a file, on a held descriptor wherever there are enough, parsed as
 * bytes. A cgroup that is gone gets no row, and is marked; a figure that cannot be read is null.
 */
export class CgroupReader {
  readonly #version: CgroupVersion;
  readonly #rings: ReaderRings;
  readonly #held: HeldDescriptors;
  readonly #everybody: () => Iterable<FollowedCgroup>;
  readonly #stat: StatForm;
  readonly #detailFiles: readonly DetailFile[];
  /** Kinds of files that this kernel does not have. */
  readonly #absent: boolean[] = [];
  readonly #bytes = Buffer.allocUnsafeSlow(TEXT_BYTES);
  readonly #usageRow = new Float64Array(USAGE_COLUMNS.length);
  readonly #detailRow = new Float64Array(DETAIL_COLUMNS.length);
  #foundGone = false;

  /** @param everybody all that hold descriptors, for when these run out */
  constructor(
    version: CgroupVersion,
    rings: ReaderRings,
    held: HeldDescriptors,
    everybody: () => Iterable<FollowedCgroup>,
  ) {
    this.#version = version;
    this.#rings = rings;
    this.#held = held;
    this.#everybody = everybody;
    this.#stat = new StatForm(version);
    this.#detailFiles = detailFiles(version);
  }

  get detailFiles(): number {
    return this.#detailFiles.length;
  }

  /** For one more cgroup's memory.stat. */
  newLines(): KeyedLines {
    return this.#stat.lines();
  }

  /** Whether some cgroup was found to be gone since this was last asked. */
  takeFoundGone(): boolean {
    const found = this.#foundGone;
    this.#foundGone = false;
    return found;
  }

  /** A row of usage of those from `from` to before `to`, at `timeUs`. */
  readUsage(cgroups: readonly FollowedCgroup[], from: number, to: number, timeUs: number): void {
    const row = this.#usageRow;
    const bytes = this.#bytes;
    const ring = this.#rings.usage;
    row[Usage.timeUs] = timeUs;
    // One `try` around many reads, entered again behind the one that failed.
    for (let i = from; i < to; i++) {
      try {
        for (; i < to; i++) {
          const cgroup = cgroups[i] as FollowedCgroup;
          const length =
            cgroup.usage === CLOSED
              ? this.#openUsage(cgroup)
              : fs.readSync(cgroup.usage, bytes, 0, NUMBER_BYTES, 0);
          row[Usage.cgroup] = cgroup.number;
          row[Usage.usageBytes] = parseSingleNumber(bytes, length);
          ring.append(row);
        }
      } catch (error) {
        const cgroup = cgroups[i] as FollowedCgroup;
        if (this.#failed(cgroup, error)) continue;
        row[Usage.cgroup] = cgroup.number;
        row[Usage.usageBytes] = Number.NaN;
        ring.append(row);
      }
    }
  }

  /** A row of one's details, at `timeUs`. @param hold what is kept open for the next time, if there is room */
  readDetails(cgroup: FollowedCgroup, timeUs: number, hold: Depth): void {
    if (cgroup.gone) return;
    const row = this.#detailRow;
    row.fill(Number.NaN);
    row[Detail.timeUs] = timeUs;
    row[Detail.cgroup] = cgroup.number;
    this.#readStat(cgroup, hold >= Depth.stat);
    for (let i = 0; i < this.#detailFiles.length && !cgroup.gone; i++) {
      this.#readDetail(cgroup, i, hold >= Depth.details);
    }
    if (!cgroup.gone) this.#rings.detail.append(row);
  }

  /** Opens the usage file for the first time. @returns false: there is none, it is no memory cgroup or gone already */
  openFirst(cgroup: FollowedCgroup): boolean {
    try {
      this.#openUsage(cgroup);
      return true;
    } catch (error) {
      const code = codeOf(error);
      // Files are short, not the cgroup: it is opened again for each look.
      return code === "EMFILE" || code === "ENFILE";
    }
  }

  /** Opens, reads and, if it can, holds. @returns the length of what was read */
  #openUsage(cgroup: FollowedCgroup): number {
    const descriptor = fs.openSync(
      path.join(cgroup.directory, USAGE_FILE[this.#version]),
      fs.constants.O_RDONLY,
    );
    const length = this.#readOpened(descriptor, NUMBER_BYTES);
    // Opened by its path, it may be another's that has taken the place.
    if (!isThere(cgroup)) {
      fs.closeSync(descriptor);
      throw Object.assign(new Error(`${cgroup.path} is gone`), { code: "ENODEV" });
    }
    if (this.#keep(descriptor, true, Depth.usage)) cgroup.usage = descriptor;
    return length;
  }

  #readStat(cgroup: FollowedCgroup, hold: boolean): void {
    try {
      let length: number;
      if (cgroup.stat === CLOSED) {
        const descriptor = fs.openSync(path.join(cgroup.directory, STAT_FILE), fs.constants.O_RDONLY);
        length = this.#readOpened(descriptor, TEXT_BYTES);
        if (this.#keep(descriptor, hold, Depth.stat)) cgroup.stat = descriptor;
      } else {
        length = fs.readSync(cgroup.stat, this.#bytes, 0, TEXT_BYTES, 0);
      }
      this.#stat.parse(cgroup.lines, this.#bytes, length, this.#detailRow);
    } catch (error) {
      this.#failed(cgroup, error);
    }
  }

  #readDetail(cgroup: FollowedCgroup, index: number, hold: boolean): void {
    const file = this.#detailFiles[index] as DetailFile;
    if (this.#absent[index] === true) return;
    try {
      let length: number;
      if (cgroup.details[index] === CLOSED) {
        const descriptor = fs.openSync(path.join(cgroup.directory, file.name), fs.constants.O_RDONLY);
        length = this.#readOpened(descriptor, TEXT_BYTES);
        if (this.#keep(descriptor, hold, Depth.details)) cgroup.details[index] = descriptor;
      } else {
        length = fs.readSync(cgroup.details[index] as number, this.#bytes, 0, TEXT_BYTES, 0);
      }
      file.parse(this.#bytes, length, this.#detailRow);
    } catch (error) {
      // The cgroup is there, but not the file: this kernel has none of the kind.
      if (!this.#failed(cgroup, error) && codeOf(error) === "ENOENT") this.#absent[index] = true;
    }
  }

  #readOpened(descriptor: number, limit: number): number {
    try {
      return fs.readSync(descriptor, this.#bytes, 0, limit, 0);
    } catch (error) {
      fs.closeSync(descriptor);
      throw error;
    }
  }

  /** @returns false: it has been closed */
  #keep(descriptor: number, wanted: boolean, depth: Depth): boolean {
    if (wanted && this.#held.mayHold(depth, this.#everybody())) {
      this.#held.take();
      return true;
    }
    fs.closeSync(descriptor);
    return false;
  }

  /** @returns true: the cgroup is gone, and so marked. @throws what is no failure of the kernel's */
  #failed(cgroup: FollowedCgroup, error: unknown): boolean {
    const code = codeOf(error);
    if (code === undefined) throw error;
    if (code !== "ENODEV" && (code !== "ENOENT" || isThere(cgroup))) return false;
    cgroup.gone = true;
    this.#foundGone = true;
    return true;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

/** At its path there is still this very cgroup. */
function isThere(cgroup: FollowedCgroup): boolean {
  return fs.statSync(cgroup.directory, { throwIfNoEntry: false })?.ino === cgroup.inode;
}
