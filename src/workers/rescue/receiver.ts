import fs from "node:fs";
import path from "node:path";
import type { CgroupIdentity } from "../../core/cgroups/columns.ts";
import { KeyedLines } from "../../core/parse/keyed-lines.ts";
import { parseSingleNumber } from "../../core/parse/single-number.ts";
import type { RescueTrigger } from "../../core/rescue/report.ts";
import { HeldFile } from "../common/held-file.ts";
import type { LimitFile } from "./limit-file.ts";
import type { Transaction } from "./transaction.ts";

/** A descriptor to wait for, and what it means when something happens to it. */
export interface Notice {
  readonly descriptor: number;
  readonly events: number;
  readonly trigger: RescueTrigger;
}

/**
 * A cgroup that may be given memory, its files opened ahead of need. What differs between cgroup v1 and v2 is below
 * this: how the kernel says that it is about to die, and which files a limit is in.
 */
export interface Receiver {
  readonly identity: CgroupIdentity;
  readonly directory: string;
  /** What the kernel tells it by, to be waited for. */
  readonly notices: readonly Notice[];
  /** It waits at its limit instead of dying, until it has been given memory (v1 oom_kill_disable). */
  readonly pauses: boolean;
  /** Rescues of it, for amounts that grow when they follow closely. */
  lastRaiseUs: number;
  lastAddedBytes: number;

  /** Usage when it was last looked at: notices come on the way down too. */
  lastUsageBytes: number;

  /** Bytes in use; NaN when the cgroup is gone. */
  usageBytes(): number;
  /** What of it the kernel would rather take back than end anybody: file cache, less what it keeps. */
  reclaimableBytes(limitBytes: number): number;
  /** Bytes; Infinity without a limit, NaN when the cgroup is gone. */
  limitBytes(): number;
  /** Takes the kernel's notice as read, so that the next one is seen. @returns what it was, null for nothing new */
  accept(notice: Notice): RescueTrigger | null;
  /** The file that its limit is in, and all files of it that may be changed. */
  readonly limit: LimitFile;
  readonly files: readonly LimitFile[];
  /** It stands at its limit and waits to be given memory. */
  isWaiting(): boolean;
  /** How near to its limit usage is to be before anything is done, now that it is `usageBytes`. */
  nearBytes(usageBytes: number, limitBytes: number, marginBytes: number): number;
  /** Adds to the transaction what makes the limit `toBytes`, in the order in which the kernel takes it. */
  change(transaction: Transaction, fromBytes: number, toBytes: number): void;
  /**
   * Begins to watch, and to pause where that is allowed. Everything it changes is journaled.
   * @returns the kernel's refusal, null when it stands
   */
  arm(transaction: Transaction, marginBytes: number, mayPause: boolean): string | null;
  /**
   * Ends pause and tripwire, so that it is neither held nor slowed down; the limit itself is a lease's matter.
   * @returns the kernel's refusal
   */
  disarm(transaction: Transaction): string | null;
  close(): void;
}

/** The files that both versions have under different names. */
export class UsageFile {
  readonly #file: HeldFile;

  constructor(directory: string, name: string) {
    this.#file = HeldFile.open(path.join(directory, name), 32);
  }

  bytes(): number {
    const length = this.#file.read();
    return length < 0 ? Number.NaN : parseSingleNumber(this.#file.bytes, length);
  }

  close(): void {
    this.#file.close();
  }
}

/** The kernel keeps back some file cache, of what it could take: half of it, at most this share of the limit. */
const KEPT_FILE_SHARE = 1 / 64;

/** File cache in memory.stat: `inactive_file` and `active_file` on v2, with `total_` in front on v1. */
export class CacheFile {
  readonly #file: HeldFile;
  readonly #lines: KeyedLines;
  readonly #bytes = new Float64Array(2);

  constructor(directory: string, prefix: string) {
    this.#file = HeldFile.open(path.join(directory, "memory.stat"));
    const keys = ["inactive_file ", "active_file "];
    this.#lines = new KeyedLines(keys.map((key) => ({ key: `${prefix}${key}`, scale: 1 })));
  }

  /** 0 where it is not known. */
  reclaimableBytes(limitBytes: number): number {
    const length = this.#file.read();
    this.#lines.parse(this.#file.bytes, length, this.#bytes, 0);
    const bytes = (this.#bytes[0] as number) + (this.#bytes[1] as number);
    return bytes > 0 ? bytes - Math.min(bytes / 2, limitBytes * KEPT_FILE_SHARE) : 0;
  }

  close(): void {
    this.#file.close();
  }
}

/** The cgroup that its path now means is still the one that was meant. */
export function isSameCgroup(directory: string, inode: number): boolean {
  try {
    return fs.statSync(directory).ino === inode;
  } catch {
    return false;
  }
}
