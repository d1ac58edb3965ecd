import fs from "node:fs";
import path from "node:path";
import { appearedLine, CGROUPS_FILE } from "../src/core/dataset/cgroup-lines.ts";
import { newManifest, type SegmentEntry } from "../src/core/dataset/manifest.ts";
import { segmentFile, TABLE_COLUMNS } from "../src/core/dataset/tables.ts";
import { writeManifest } from "../src/workers/common/manifest-file.ts";
import { BatchEncoder } from "../src/workers/dataset/batch-encoder.ts";

const PAGE_BYTES = 4096;
const WORD = 2 ** 32;
/** As large as a recording makes them (64 MiB), of batches as of ten seconds of 5,000 cgroups at 1 Hz. */
const ROWS_PER_BATCH = 50_000;
const BATCHES_PER_SEGMENT = 64;
const INTERVAL_US = 1000;

export interface DataShape {
  readonly cgroups: number;
  readonly samplesEach: number;
}

/** The usage of a cgroup at a tick: it breathes by up to a GiB, with noise of a few MiB, told from the two numbers alone. */
function usageBytes(cgroup: number, tick: number): number {
  const breath = 0.5 + 0.5 * Math.sin(tick / (2000 + 40 * cgroup) + cgroup);
  const noise = Math.imul(tick * 31 + cgroup, 2_654_435_761) >>> 21;
  return (12_000 + 512 * cgroup + Math.floor(breath * 262_144) + noise) * PAGE_BYTES;
}

/** Writes a dataset as `plimsoll record` does, segment for segment. @returns the segments' files, in order */
export function writeDataset(directory: string, { cgroups, samplesEach }: DataShape): string[] {
  fs.mkdirSync(directory, { recursive: true });
  const lines = Array.from({ length: cgroups }, (_, i) =>
    appearedLine({ number: i + 1, path: `/bench/${i + 1}`, inode: 1000 + i, onlyAncestor: false }, 0),
  );
  fs.writeFileSync(path.join(directory, CGROUPS_FILE), lines.join(""));
  const rows = cgroups * samplesEach;
  const segments: SegmentEntry[] = [];
  const rowsPerSegment = ROWS_PER_BATCH * BATCHES_PER_SEGMENT;
  for (let from = 0; from < rows; from += rowsPerSegment) {
    const count = Math.min(rowsPerSegment, rows - from);
    const file = segmentFile("usage", segments.length + 1);
    const bytes = writeSegment(path.join(directory, file), from, count, cgroups);
    segments.push({ file, table: "usage", rows: count, bytes });
  }
  const manifest = newManifest({
    programVersion: "bench",
    host: "bench",
    kernel: "",
    bootId: null,
    cgroupVersion: 2,
    clock: { name: "CLOCK_MONOTONIC", anchorMonotonicUs: 0, anchorWallMs: 0 },
    intervalMs: INTERVAL_US / 1000,
    statEvery: 10,
    patterns: ["/bench/**"],
    startedAt: new Date(0).toISOString(),
  });
  writeManifest(directory, { ...manifest, complete: true, segments }, false);
  return segments.map(({ file }) => path.join(directory, file));
}

function writeSegment(file: string, from: number, count: number, cgroups: number): number {
  const descriptor = fs.openSync(file, "w");
  const encoder = new BatchEncoder(TABLE_COLUMNS.usage);
  let bytes = 0;
  const write = (chunks: readonly Uint8Array[]): void => {
    for (const chunk of chunks) bytes += fs.writeSync(descriptor, chunk);
  };
  write(encoder.beginning);
  for (let at = from; at < from + count; at += ROWS_PER_BATCH) {
    const rows = Math.min(ROWS_PER_BATCH, from + count - at);
    write(encodeRows(encoder, at, rows, cgroups));
  }
  write(encoder.end());
  fs.closeSync(descriptor);
  return bytes;
}

function encodeRows(encoder: BatchEncoder, from: number, rows: number, cgroups: number): Uint8Array[] {
  const numbers = new Int32Array(rows);
  const times = new Uint32Array(rows * 2);
  const usage = new Uint32Array(rows * 2);
  for (let row = 0; row < rows; row++) {
    const tick = Math.floor((from + row) / cgroups);
    const number = ((from + row) % cgroups) + 1;
    numbers[row] = number;
    write64(times, row, tick * INTERVAL_US);
    write64(usage, row, usageBytes(number, tick));
  }
  const columns = [new BigUint64Array(times.buffer), numbers, new BigUint64Array(usage.buffer)];
  return encoder.encode(
    columns.map((values) => ({ values, validity: null, nulls: 0 })),
    rows,
  );
}

function write64(words: Uint32Array, at: number, value: number): void {
  words[at * 2] = value % WORD;
  words[at * 2 + 1] = Math.floor(value / WORD);
}
