import fs from "node:fs";
import path from "node:path";
import type { CgroupIdentity } from "../../core/cgroups/columns.ts";
import { KeyedLines } from "../../core/parse/keyed-lines.ts";
import { marginWithin } from "../../core/rescue/thresholds.ts";
import type { RescueTrigger } from "../../core/rescue/report.ts";
import { PollEvent } from "../../native/poll.ts";
import { LimitFile } from "./limit-file.ts";
import { CacheFile, type Notice, type Receiver, UsageFile } from "./receiver.ts";
import type { Transaction } from "./transaction.ts";

const EVENT_BYTES = 512;
const Event = { high: 0, max: 1, oom: 2 } as const;

/**
 * A receiver on cgroup v2: memory.high is set a margin below memory.max as a tripwire, and memory.events.local says by
 * POLLPRI that it was passed (Documentation/admin-guide/cgroup-v2.rst, "Memory Interface Files"). There is no pause.
 */
export class ReceiverV2 implements Receiver {
  readonly identity: CgroupIdentity;
  readonly directory: string;
  readonly notices: readonly Notice[];
  readonly pauses = false;
  lastRaiseUs = Number.NEGATIVE_INFINITY;
  lastAddedBytes = 0;
  lastUsageBytes = 0;
  readonly #usage: UsageFile;
  readonly #cache: CacheFile;
  readonly limit: LimitFile;
  readonly #high: LimitFile;
  readonly #eventsDescriptor: number;
  readonly #eventBytes = Buffer.alloc(EVENT_BYTES);
  readonly #eventLines = new KeyedLines(["high ", "max ", "oom "].map((key) => ({ key, scale: 1 })));
  readonly #counts = new Float64Array(3);
  readonly #before = new Float64Array(3);
  #marginBytes = 0;
  /** What memory.high was before; the tripwire is only ours where there was none. */
  #foundHighBytes = Number.NaN;

  /** @throws as fs.openSync does: the cgroup is gone, or not permitted */
  constructor(identity: CgroupIdentity, directory: string) {
    this.identity = identity;
    this.directory = directory;
    this.#usage = new UsageFile(directory, "memory.current");
    this.#cache = new CacheFile(directory, "");
    this.limit = new LimitFile(path.join(directory, "memory.max"), 2);
    this.#high = new LimitFile(path.join(directory, "memory.high"), 2);
    this.#eventsDescriptor = fs.openSync(path.join(directory, "memory.events.local"), fs.constants.O_RDONLY);
    this.notices = [
      { descriptor: this.#eventsDescriptor, events: PollEvent.priority, trigger: "near-limit" },
    ];
    this.#readEvents(this.#before);
  }

  get files(): readonly LimitFile[] {
    return [this.limit, this.#high];
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

  /** Reading the file is what makes the kernel tell the next time. */
  accept(): RescueTrigger | null {
    if (!this.#readEvents(this.#counts)) return null;
    const met = this.#rose(Event.oom) || this.#rose(Event.max);
    const near = this.#rose(Event.high);
    this.#before.set(this.#counts);
    return met ? "oom" : near ? "near-limit" : null;
  }

  isWaiting(): boolean {
    return false;
  }

  /** The kernel tells of events at most every 10 ms or so: what is charged meanwhile is half a margin at most. */
  nearBytes(_usageBytes: number, limitBytes: number, marginBytes: number): number {
    return marginWithin(marginBytes, limitBytes) * 1.5;
  }

  change(transaction: Transaction, fromBytes: number, toBytes: number): void {
    const { inode } = this.identity;
    const highBytes = this.#high.read();
    const toHighBytes = this.#highFor(fromBytes, toBytes, highBytes);
    const raises = toBytes > fromBytes;
    if (raises) transaction.add(this.limit, inode, fromBytes, toBytes);
    if (toHighBytes !== highBytes) transaction.add(this.#high, inode, highBytes, toHighBytes);
    if (!raises) transaction.add(this.limit, inode, fromBytes, toBytes);
  }

  /** Where the owner had set memory.high, it moves with the limit; else it is the tripwire. */
  #highFor(fromBytes: number, toBytes: number, highBytes: number): number {
    if (highBytes === Number.POSITIVE_INFINITY || Number.isNaN(this.#foundHighBytes)) return highBytes;
    if (this.#foundHighBytes !== Number.POSITIVE_INFINITY) return highBytes + toBytes - fromBytes;
    return Math.max(0, toBytes - this.#marginBytes);
  }

  arm(transaction: Transaction, marginBytes: number): string | null {
    const highBytes = this.#high.read();
    const limitBytes = this.limit.read();
    if (Number.isNaN(this.#foundHighBytes)) {
      // What an earlier life found, by the journal; else what is there.
      const ownBytes = transaction.originalOf(this.#high, this.identity.inode);
      this.#foundHighBytes = Number.isNaN(ownBytes) ? highBytes : ownBytes;
    }
    // On a cgroup whose owner set memory.high, or without a limit to stay below, there is no tripwire to set.
    if (this.#foundHighBytes !== Number.POSITIVE_INFINITY || !Number.isFinite(limitBytes)) return null;
    this.#marginBytes = marginWithin(marginBytes, limitBytes);
    const wanted = Math.floor((limitBytes - this.#marginBytes) / 4096) * 4096;
    if (wanted === highBytes) return null;
    transaction.begin();
    transaction.add(this.#high, this.identity.inode, highBytes, wanted);
    const refusal = transaction.commit();
    return refusal === null ? null : `${refusal.path}: ${refusal.code}`;
  }

  /** One that its owner had set goes back with the loan that moved it. */
  disarm(transaction: Transaction): string | null {
    const isTripwire =
      this.#foundHighBytes === Number.POSITIVE_INFINITY && Number.isFinite(this.#high.read());
    if (!isTripwire) return null;
    return transaction.putBack(this.#high, this.identity.inode, Number.POSITIVE_INFINITY);
  }

  #rose(event: number): boolean {
    return (this.#counts[event] as number) > (this.#before[event] as number);
  }

  #readEvents(into: Float64Array): boolean {
    try {
      const length = fs.readSync(this.#eventsDescriptor, this.#eventBytes, 0, EVENT_BYTES, 0);
      this.#eventLines.parse(this.#eventBytes, length, into, 0);
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    this.#usage.close();
    this.#cache.close();
    this.limit.close();
    this.#high.close();
    fs.closeSync(this.#eventsDescriptor);
  }
}
