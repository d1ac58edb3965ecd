import fs, { readSync } from "node:fs";
import path from "node:path";
import { DETAIL_COLUMNS, Detail, USAGE_COLUMNS, Usage } from "../../../core/cgroups/columns.ts";
import type { KeyedLines } from "../../../core/parse/keyed-lines.ts";
import { unsignedAt } from "../../../core/parse/bytes.ts";
import type { RingWriter } from "../../../core/ring/writer.ts";
import type { CgroupVersion } from "../../common/cgroup-path.ts";
import { type DetailFile, detailFiles, STAT_FILE, StatForm, USAGE_FILE } from "./files.ts";
import { CLOSED, type FollowedCgroup } from "./followed.ts";
import { Depth, type HeldDescriptors } from "./held.ts";
import type { CgroupList } from "./list.ts";

/** So many cgroups' usage is read at once. */
export const CHUNK = 256;
/** A number of 64 bits and a newline are 21 bytes. */
const NUMBER_BYTES = 32;
/** In the place of a length: it could not be read, the cgroup is gone. */
const UNREAD = -1;
const GONE = -2;
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
  readonly #numbers = Buffer.allocUnsafeSlow(CHUNK * NUMBER_BYTES);
  readonly #lengths = new Int32Array(CHUNK);
  readonly #usageRow = new Float64Array(USAGE_COLUMNS.length);
  readonly #detailRow = new Float64Array(DETAIL_COLUMNS.length);
  #foundGone = false;

  /**
   * @param everybody all that hold descriptors, for when these run out
   * @param files what the details are read from, beside memory.stat
   */
  constructor(
    version: CgroupVersion,
    rings: ReaderRings,
    held: HeldDescriptors,
    everybody: () => Iterable<FollowedCgroup>,
    files: readonly DetailFile[] = detailFiles(version),
  ) {
    this.#version = version;
    this.#rings = rings;
    this.#held = held;
    this.#everybody = everybody;
    this.#stat = new StatForm(version);
    this.#detailFiles = files;
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

  /** A row of usage of those from `from` to before `to`, at most {@link CHUNK}, at `timeUs`. */
  readUsage(list: CgroupList, from: number, to: number, timeUs: number): void {
    const descriptors = list.usage;
    const lengths = this.#lengths;
    const bytes = this.#numbers;
    // First all reads: what parses and writes is driven out of the processor's caches by each system call. One `try`
    // around many of them, entered again behind the one that failed.
    for (let i = from; i < to; i++) {
      try {
        for (; i < to; i++) {
          const descriptor = descriptors[i] as number;
          const at = (i - from) * NUMBER_BYTES;
          lengths[i - from] =
            descriptor === CLOSED
              ? this.#openListed(list, i, at)
              : readSync(descriptor, bytes, at, NUMBER_BYTES, 0);
        }
      } catch (error) {
        lengths[i - from] = this.#failed(list.cgroups[i] as FollowedCgroup, error) ? GONE : UNREAD;
      }
    }
    const row = this.#usageRow;
    const ring = this.#rings.usage;
    row[Usage.timeUs] = timeUs;
    for (let i = from; i < to; i++) {
      const length = lengths[i - from] as number;
      if (length === GONE) continue;
      const at = (i - from) * NUMBER_BYTES;
      row[Usage.cgroup] = list.numbers[i] as number;
      row[Usage.usageBytes] = length === UNREAD ? Number.NaN : unsignedAt(bytes, at, at + length);
      ring.put(row);
    }
    ring.commit();
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
      this.#openUsage(cgroup, 0);
      return true;
    } catch (error) {
      const code = codeOf(error);
      // Files are short, not the cgroup: it is opened again for each look.
      return code === "EMFILE" || code === "ENFILE";
    }
  }

  #openListed(list: CgroupList, index: number, at: number): number {
    const cgroup = list.cgroups[index] as FollowedCgroup;
    // It may be in another list, too, and have been opened there.
    const length =
      cgroup.usage === CLOSED
        ? this.#openUsage(cgroup, at)
        : readSync(cgroup.usage, this.#numbers, at, NUMBER_BYTES, 0);
    list.usage[index] = cgroup.usage;
    return length;
  }

  /** Opens, reads into the numbers at `at` and, if it can, holds. @returns the length of what was read */
  #openUsage(cgroup: FollowedCgroup, at: number): number {
    const descriptor = fs.openSync(
      path.join(cgroup.directory, USAGE_FILE[this.#version]),
      fs.constants.O_RDONLY,
    );
    const length = this.#readOpened(descriptor, this.#numbers, at, NUMBER_BYTES);
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
        length = this.#readOpened(descriptor, this.#bytes, 0, TEXT_BYTES);
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
        length = this.#readOpened(descriptor, this.#bytes, 0, TEXT_BYTES);
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

  #readOpened(descriptor: number, bytes: Buffer, at: number, limit: number): number {
    try {
      return fs.readSync(descriptor, bytes, at, limit, 0);
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
