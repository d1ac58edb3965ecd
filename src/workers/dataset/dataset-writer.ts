import fs from "node:fs";
import path from "node:path";
import { CGROUPS_FILE } from "../../core/dataset/cgroup-lines.ts";
import { type Manifest, type SegmentEntry, withClock } from "../../core/dataset/manifest.ts";
import { NAMES_FILE } from "../../core/dataset/name-lines.ts";
import { forEachTable, parseSegmentFile, tablesOf, type TableName } from "../../core/dataset/tables.ts";
import type { Message } from "../../core/messages.ts";
import type { SharedRing } from "../../core/ring/views.ts";
import { readManifestFile, writeManifest } from "../common/manifest-file.ts";
import { segmentBatches } from "../common/segment-reader.ts";
import { CgroupLog } from "./cgroup-log.ts";
import { EarlierRuns } from "./earlier-runs.ts";
import { NameLog } from "./name-log.ts";
import { type TableBefore, TableWriter } from "./table-writer.ts";

/** Files of this size are still read and moved with ease; the loss of one is bearable. */
const SEGMENT_LIMIT_BYTES = 64 * 1024 * 1024;
/** Of a dataset that must not grow without end, a segment is at most this part: what is removed is a small piece. */
const SEGMENTS_OF_LIMIT = 32;
/** With the time between two looks, rows of a segment that is not full wait less than a second. */
const FLUSH_MS = 500;
/** The manifest is renewed each second; of a long recording, which has many segments, less often. */
const RENEW_MS = 1000;
const RENEW_MS_PER_SEGMENT = 10;

/** The figures of the moment. */
export interface Written {
  readonly rows: Readonly<Record<TableName, number>>;
  readonly lostRows: Readonly<Record<TableName, number>>;
  readonly bytes: number;
  readonly cgroups: number;
}

export interface DatasetLimits {
  /** A segment that is larger is ended. */
  readonly segmentBytes?: number;
  /** Of this dataset and those of earlier starts beside it: what is oldest is removed when they are larger. */
  readonly limitBytes?: number;
  /** Rows of a segment of the ring that is not full wait at most so long. */
  readonly flushMs?: number;
}

/** Writes a dataset, whose first manifest is there already, with the tables that it says are recorded. Goes on with it when an earlier life of the thread began it. */
export class DatasetWriter {
  readonly #directory: string;
  readonly #tables: ReadonlyMap<TableName, TableWriter>;
  readonly #cgroups: CgroupLog;
  readonly #names: NameLog;
  /** Null: nothing is removed. */
  readonly #earlier: EarlierRuns | null;
  readonly #limitBytes: number;
  readonly #flushMs: number;
  #manifest: Manifest;
  #renewedMs = Number.NEGATIVE_INFINITY;

  /**
   * @throws Error when the directory has no manifest, or cannot be written
   */
  constructor(directory: string, rings: Readonly<Record<TableName, SharedRing>>, limits: DatasetLimits = {}) {
    const { segmentBytes = SEGMENT_LIMIT_BYTES, limitBytes = Number.POSITIVE_INFINITY } = limits;
    this.#directory = directory;
    this.#flushMs = limits.flushMs ?? FLUSH_MS;
    this.#limitBytes = limitBytes;
    this.#earlier = limitBytes === Number.POSITIVE_INFINITY ? null : new EarlierRuns(directory);
    const endedAt = Math.min(segmentBytes, limitBytes / SEGMENTS_OF_LIMIT);
    this.#manifest = readManifestFile(directory);
    this.#cgroups = new CgroupLog(path.join(directory, CGROUPS_FILE));
    this.#names = new NameLog(path.join(directory, NAMES_FILE));
    this.#tables = new Map(
      tablesOf(this.#manifest.resources).map((table) => {
        const before = tableBefore(directory, table, this.#manifest);
        return [table, new TableWriter(directory, table, rings[table], endedAt, before)];
      }),
    );
  }

  /** Takes a letter about cgroups; it is written by the next {@link flush}, before the rows that speak of them. */
  takeCgroups(letter: Message & { readonly type: "cgroups" }, nowUs: number): void {
    this.#cgroups.take(letter, nowUs);
  }

  /** As {@link takeCgroups}, of what else rows are about. */
  takeNames(letter: Message & { readonly type: "names" }, nowUs: number): void {
    this.#names.take(letter, nowUs);
  }

  /** Takes what both clocks say now: the manifest tells of it when the wall clock was set, or the host slept. */
  noteClocks(monotonicUs: number, wallMs: number): void {
    this.#manifest = withClock(this.#manifest, { monotonicUs: Math.round(monotonicUs), wallMs });
  }

  /**
   * Writes what is due.
   * @param missedTicks so far
   * @returns why something could not be written; it is tried again next time
   */
  flush(nowMs: number, missedTicks: number): string | null {
    const refusals = [this.#cgroups.flush(), this.#names.flush()];
    refusals.push(...this.#each((table) => table.flush(nowMs, this.#flushMs)));
    if (nowMs - this.#renewedMs >= RENEW_MS + RENEW_MS_PER_SEGMENT * this.#manifest.segments.length) {
      this.#renewedMs = nowMs;
      this.#trim();
      refusals.push(this.#renew({ missedTicks }, false));
    }
    return refusals.find((refusal) => refusal !== null) ?? null;
  }

  /** Writes the rest, when no more rows come. @returns why the dataset is not complete */
  finish(nowMs: number, missedTicks: number, endedAt: string): string | null {
    const refusals = [this.#cgroups.flush(), this.#names.flush()];
    refusals.push(...this.#each((table) => table.flush(nowMs, 0)));
    refusals.push(...this.#each((table) => table.close()), this.#cgroups.close(), this.#names.close());
    const refusal = refusals.find((each) => each !== null) ?? null;
    return refusal ?? this.#renew({ missedTicks, endedAt, complete: true }, true);
  }

  get written(): Written {
    return {
      rows: this.#ofEach((table) => table.rows),
      lostRows: this.#ofEach((table) => table.lostRows),
      bytes: [...this.#tables.values()].reduce((sum, { bytes }) => sum + bytes, 0),
      cgroups: this.#cgroups.present,
    };
  }

  /** Removes what is too much: datasets of earlier starts, then of the largest table what is oldest. */
  #trim(): void {
    if (this.#earlier === null) return;
    const tables = [...this.#tables.values()];
    const own = (): number => this.written.bytes + this.#cgroups.bytes + this.#names.bytes;
    while (own() + this.#earlier.bytes > this.#limitBytes) {
      if (this.#earlier.removeOldest()) continue;
      const largest = tables.reduce((a, b) => (b.finishedBytes > a.finishedBytes ? b : a));
      // What cannot be removed would not be removed at the next try either.
      if (largest.finishedBytes === 0) return;
      largest.removeOldest();
    }
  }

  #renew(news: Partial<Manifest>, safe: boolean): string | null {
    const segments: SegmentEntry[] = [...this.#tables.values()].flatMap((table) => table.segments);
    const removedRows = this.#ofEach((table) => table.removedRows);
    this.#manifest = { ...this.#manifest, lostRows: this.written.lostRows, removedRows, segments, ...news };
    try {
      writeManifest(this.#directory, this.#manifest, safe);
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  }

  #each(act: (table: TableWriter) => string | null): (string | null)[] {
    return [...this.#tables.values()].map((table) => act(table));
  }

  /** 0 of tables that are not recorded. */
  #ofEach(look: (table: TableWriter) => number): Readonly<Record<TableName, number>> {
    return forEachTable((name) => {
      const table = this.#tables.get(name);
      return table === undefined ? 0 : look(table);
    });
  }
}

/**
 * What an earlier life wrote of a table. Of files that have grown since the manifest was renewed, rows are counted in
 * the file; what it left half-written is cut off.
 */
function tableBefore(directory: string, table: TableName, manifest: Manifest): TableBefore {
  const names = fs.readdirSync(directory).filter((name) => parseSegmentFile(name)?.table === table);
  const segments = names.sort().flatMap((name): SegmentEntry[] => {
    const file = path.join(directory, name);
    const known = manifest.segments.find((segment) => segment.file === name);
    const sizeBytes = fs.statSync(file).size;
    if (known !== undefined && known.bytes === sizeBytes) return [known];
    const { rows, bytes } = countRows(file, table);
    if (bytes < sizeBytes) fs.truncateSync(file, bytes);
    return bytes === 0 ? [] : [{ file: name, table, rows, bytes }];
  });
  const number = Math.max(0, ...names.map((name) => parseSegmentFile(name)?.number ?? 0));
  return {
    segments,
    number,
    lostRows: manifest.lostRows[table],
    removedRows: manifest.removedRows[table],
  };
}

function countRows(file: string, table: TableName): { readonly rows: number; readonly bytes: number } {
  const batches = segmentBatches(file, table, () => undefined);
  for (;;) {
    const { done, value } = batches.next();
    if (done === true) return value;
  }
}
