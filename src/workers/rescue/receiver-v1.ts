import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { CgroupIdentity } from "../../core/cgroups/columns.ts";
import { isKillDisabled, isUnderOom } from "../../core/parse/oom-control.ts";
import type { RescueTrigger } from "../../core/rescue/report.ts";
import { marginWithin, spacingBytes } from "../../core/rescue/thresholds.ts";
import { closeDescriptor } from "../../native/descriptor.ts";
import { clearEvent, createEvent } from "../../native/event.ts";
import { PollEvent } from "../../native/poll.ts";
import { HeldFile } from "../common/held-file.ts";
import { LimitFile } from "./limit-file.ts";
import { CacheFile, type Notice, type Receiver, UsageFile } from "./receiver.ts";
import type { Transaction } from "./transaction.ts";

/** Every processor may hold back a batch of 64 charged pages (MEMCG_CHARGE_BATCH): so far below its limit it dies. */
const BATCH_BYTES = 64 * 4096 * os.availableParallelism();

/**
 * A receiver on cgroup v1: an eventfd on memory.oom_control says that it met its limit, another that usage crossed one
 * of the thresholds below it (Documentation/admin-guide/cgroup-v1/memory.rst, "OOM Control", "Memory thresholds").
 */
export class ReceiverV1 implements Receiver {
  readonly identity: CgroupIdentity;
  readonly directory: string;
  readonly notices: readonly Notice[];
  lastRaiseUs = Number.NEGATIVE_INFINITY;
  lastAddedBytes = 0;
  lastUsageBytes = 0;
  readonly #usage: UsageFile;
  readonly #cache: CacheFile;
  readonly limit: LimitFile;
  /** Memory and swap together; the kernel refuses a memory limit above it. Null without swap accounting. */
  readonly #memorySwap: LimitFile | null;
  readonly #oomControl: HeldFile;
  readonly #oomKillDisable: LimitFile;
  #swapIsLimited = true;
  #paused = false;
  #ownersPause = false;

  /** @throws as fs.openSync and the registration do: the cgroup is gone, or not permitted */
  constructor(identity: CgroupIdentity, directory: string) {
    this.identity = identity;
    this.directory = directory;
    this.#usage = new UsageFile(directory, "memory.usage_in_bytes");
    this.#cache = new CacheFile(directory, "total_");
    this.limit = new LimitFile(path.join(directory, "memory.limit_in_bytes"), 1);
    const memorySwap = path.join(directory, "memory.memsw.limit_in_bytes");
    this.#memorySwap = fs.existsSync(memorySwap) ? new LimitFile(memorySwap, 1) : null;
    this.#oomControl = HeldFile.open(path.join(directory, "memory.oom_control"), 128);
    this.#oomKillDisable = new LimitFile(this.#oomControl.path, 1);
    this.notices = [
      { descriptor: createEvent(), events: PollEvent.in, trigger: "oom" },
      { descriptor: createEvent(), events: PollEvent.in, trigger: "near-limit" },
    ];
    this.#registerOom();
  }

  get files(): readonly LimitFile[] {
    const both = this.#memorySwap === null ? [] : [this.#memorySwap];
    return [this.limit, this.#oomKillDisable, ...both];
  }

  get pauses(): boolean {
    return this.#paused;
  }

  /** The descriptor that thresholds on usage are to be registered for. */
  get thresholdEvent(): number {
    return (this.notices[1] as Notice).descriptor;
  }

  usageBytes(): number {
    return this.#usage.bytes();
  }

  reclaimableBytes(limitBytes: number): number {
    return this.#cache.reclaimableBytes(limitBytes);
  }

  limitBytes(): number {
    return this.limit.read();
  }

  accept(notice: Notice): RescueTrigger | null {
    return clearEvent(notice.descriptor) ? notice.trigger : null;
  }

  isWaiting(): boolean {
    const length = this.#oomControl.read();
    return length > 0 && isUnderOom(this.#oomControl.bytes, length);
  }

  /** The next threshold may be one spacing further on: who waits for it must not have met the limit by then. */
  nearBytes(usageBytes: number, limitBytes: number, marginBytes: number): number {
    const margin = marginWithin(marginBytes, limitBytes);
    return margin + spacingBytes(usageBytes, margin) + BATCH_BYTES;
  }

  change(transaction: Transaction, fromBytes: number, toBytes: number): void {
    const { inode } = this.identity;
    const movesBoth = this.#memorySwap !== null && this.#swapIsLimited;
    const both = movesBoth ? (this.#memorySwap as LimitFile).read() : Number.POSITIVE_INFINITY;
    const raises = toBytes > fromBytes;
    // What may be swapped stays as much as it was: the two limits move together.
    if (movesBoth && raises)
      transaction.add(this.#memorySwap as LimitFile, inode, both, both + toBytes - fromBytes);
    transaction.add(this.limit, inode, fromBytes, toBytes);
    if (movesBoth && !raises)
      transaction.add(this.#memorySwap as LimitFile, inode, both, both + toBytes - fromBytes);
  }

  arm(transaction: Transaction, _marginBytes: number, mayPause: boolean): string | null {
    // Read here and not when there is no time: mostly there is no limit on both.
    this.#swapIsLimited = Number.isFinite(this.#memorySwap?.read() ?? Number.NaN);
    this.#findPause(transaction);
    return mayPause && !this.#paused && !this.#ownersPause ? this.#pause(transaction) : null;
  }

  disarm(transaction: Transaction): string | null {
    if (!this.#paused) return null;
    const refusal = transaction.putBack(this.#oomKillDisable, this.identity.inode, 0);
    if (refusal === null) this.#paused = false;
    return refusal;
  }

  /** A pause that is there already is an earlier life's, by the journal, or its owner's: that one is not ours to end. */
  #findPause(transaction: Transaction): void {
    if (this.#paused) return;
    const length = this.#oomControl.read();
    const found = length > 0 && isKillDisabled(this.#oomControl.bytes, length);
    const ours = transaction.originalOf(this.#oomKillDisable, this.identity.inode) === 0;
    this.#paused = found && ours;
    this.#ownersPause = found && !ours;
  }

  #pause(transaction: Transaction): string | null {
    transaction.begin();
    transaction.add(this.#oomKillDisable, this.identity.inode, 0, 1);
    const refusal = transaction.commit();
    this.#paused = refusal === null;
    return refusal === null ? null : `${refusal.path}: ${refusal.code}`;
  }

  #registerOom(): void {
    const control = fs.openSync(this.#oomControl.path, fs.constants.O_RDONLY);
    try {
      const event = (this.notices[0] as Notice).descriptor;
      fs.writeFileSync(path.join(this.directory, "cgroup.event_control"), `${event} ${control}`, {
        flag: "r+",
      });
    } finally {
      fs.closeSync(control);
    }
  }

  close(): void {
    for (const { descriptor } of this.notices) closeDescriptor(descriptor);
    this.#usage.close();
    this.#cache.close();
    this.limit.close();
    this.#memorySwap?.close();
    this.#oomControl.close();
    this.#oomKillDisable.close();
  }
}
