import fs from "node:fs";
import path from "node:path";
import type { SegmentEntry } from "../../core/dataset/manifest.ts";
import { segmentFile, TABLE_COLUMNS, type TableName } from "../../core/dataset/tables.ts";
import type { SharedRing } from "../../core/ring/views.ts";
import { AppendedFile } from "./appended-file.ts";
import { BatchEncoder } from "./batch-encoder.ts";
import { RingTap, type RowRange } from "./ring-tap.ts";

/** What a table was when an earlier life of this thread ended. */
export interface TableBefore {
  readonly segments: readonly SegmentEntry[];
  /** The highest number that a segment file has. */
  readonly number: number;
  readonly lostRows: number;
  readonly removedRows: number;
}

interface OpenSegment {
  readonly name: string;
  readonly file: AppendedFile;
  readonly encoder: BatchEncoder;
  rows: number;
}

/** Writes one table: from its ring into segment files, each flush a record batch and one write. */
export class TableWriter {
  readonly #directory: string;
  readonly #table: TableName;
  readonly #limitBytes: number;
  readonly #tap: RingTap;
  readonly #lostBefore: number;
  readonly #finished: SegmentEntry[];
  #finishedRows = 0;
  #finishedBytes = 0;
  #removedRows: number;
  #number: number;
  #segment: OpenSegment | null = null;
  /** Since when complete rows have been lying in the ring; NaN: none do. */
  #waitingSinceMs = Number.NaN;

  /** @param limitBytes a segment is not continued when it is larger */
  constructor(
    directory: string,
    table: TableName,
    ring: SharedRing,
    limitBytes: number,
    before: TableBefore = { segments: [], number: 0, lostRows: 0, removedRows: 0 },
  ) {
    this.#directory = directory;
    this.#table = table;
    this.#limitBytes = limitBytes;
    this.#finished = [];
    for (const segment of before.segments) this.#finish(segment);
    this.#number = before.number;
    this.#lostBefore = before.lostRows;
    this.#removedRows = before.removedRows;
    this.#tap = new RingTap(ring, this.rows + before.lostRows + before.removedRows);
  }

  get rows(): number {
    return this.#finishedRows + (this.#segment?.rows ?? 0);
  }

  get bytes(): number {
    return this.#finishedBytes + (this.#segment?.file.sizeBytes ?? 0);
  }

  get lostRows(): number {
    return this.#lostBefore + this.#tap.lostRows;
  }

  get removedRows(): number {
    return this.#removedRows;
  }

  /** Of segments that are ended, and can be removed. */
  get finishedBytes(): number {
    return this.#finishedBytes;
  }

  /** Removes the oldest segment that is ended. One that cannot be removed is no longer counted all the same. */
  removeOldest(): void {
    const oldest = this.#finished.shift();
    if (oldest === undefined) return;
    this.#finishedRows -= oldest.rows;
    this.#finishedBytes -= oldest.bytes;
    this.#removedRows += oldest.rows;
    try {
      fs.rmSync(path.join(this.#directory, oldest.file), { force: true });
    } catch {
      // The file system is read-only now, or the like: what is written next says so.
    }
  }

  get segments(): readonly SegmentEntry[] {
    if (this.#segment === null || this.#segment.file.sizeBytes === 0) return this.#finished;
    const { name, file, rows } = this.#segment;
    return [...this.#finished, { file: name, table: this.#table, rows, bytes: file.sizeBytes }];
  }

  /**
   * Writes what has to be: sealed segments of the ring at once, rows of an open one when they have waited.
   * @param waitMs how long at most; 0: not at all
   * @returns why it could not; what was to be written stays in the ring as long as that has room
   */
  flush(nowMs: number, waitMs: number): string | null {
    for (;;) {
      const open = nowMs - this.#waitingSinceMs >= waitMs || waitMs === 0;
      const range = this.#tap.next(open);
      if (range === null) {
        this.#noteWaiting(nowMs, open);
        return null;
      }
      const refusal = this.#write(range);
      if (refusal !== null) return refusal;
    }
  }

  /** @returns why the segment may not be safe */
  close(): string | null {
    return this.#closeSegment();
  }

  /** After everything that could be taken was: whether rows have come that may wait. */
  #noteWaiting(nowMs: number, emptied: boolean): void {
    if (emptied) this.#waitingSinceMs = Number.NaN;
    if (Number.isNaN(this.#waitingSinceMs) && this.#tap.next(true) !== null) this.#waitingSinceMs = nowMs;
  }

  #write(range: RowRange): string | null {
    const opened = this.#openSegment();
    if (typeof opened === "string") return opened;
    const { file, encoder } = opened;
    const before = file.sizeBytes;
    const batch = encoder.encode(this.#tap.columns(range), range.rows);
    const refusal = file.append(before === 0 ? [...encoder.beginning, ...batch] : batch);
    if (refusal !== null) return refusal;
    if (!this.#tap.intact(range)) {
      file.takeBack(file.sizeBytes - before);
      return null;
    }
    this.#tap.take(range);
    // Rows that came after them have not waited as long.
    this.#waitingSinceMs = Number.NaN;
    opened.rows += range.rows;
    return null;
  }

  #openSegment(): OpenSegment | string {
    if (this.#segment !== null && this.#segment.file.sizeBytes >= this.#limitBytes) {
      const refusal = this.#closeSegment();
      if (refusal !== null) return refusal;
    }
    if (this.#segment !== null) return this.#segment;
    const name = segmentFile(this.#table, this.#number + 1);
    try {
      const file = AppendedFile.create(path.join(this.#directory, name));
      this.#segment = { name, file, encoder: new BatchEncoder(TABLE_COLUMNS[this.#table]), rows: 0 };
      this.#number++;
      return this.#segment;
    } catch (error) {
      return (error as Error).message;
    }
  }

  #closeSegment(): string | null {
    if (this.#segment === null) return null;
    const { name, file, encoder, rows } = this.#segment;
    const ending = file.sizeBytes === 0 ? null : file.append(encoder.end());
    const closing = file.close();
    this.#segment = null;
    if (file.sizeBytes > 0) this.#finish({ file: name, table: this.#table, rows, bytes: file.sizeBytes });
    return ending ?? closing;
  }

  #finish(segment: SegmentEntry): void {
    this.#finished.push(segment);
    this.#finishedRows += segment.rows;
    this.#finishedBytes += segment.bytes;
  }
}
