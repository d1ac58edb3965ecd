import fs from "node:fs";
import path from "node:path";
import { CGROUPS_FILE } from "../src/core/dataset/cgroup-lines.ts";
import { type Manifest, newManifest, type SegmentEntry } from "../src/core/dataset/manifest.ts";
import { NAMES_FILE, nameLine } from "../src/core/dataset/name-lines.ts";
import { segmentFile, TABLE_COLUMNS, type TableName } from "../src/core/dataset/tables.ts";
import { writeManifest } from "../src/workers/common/manifest-file.ts";
import { BatchEncoder } from "../src/workers/dataset/batch-encoder.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const ROWS_PER_BATCH = 5000;
const BATCHES_PER_SEGMENT = 180;
const INTERVAL_US = 1e6;

export interface ReportShape {
  readonly looks: number;
  /** Each of one process: two of their own, and Python VMs. */
  readonly groups: number;
}

/** A number that looks like chance, of a place. */
function noise(at: number, below: number): number {
  return (Math.imul(at * 31 + 7, 2_654_435_761) >>> 8) % below;
}

/** What a process has at a look: it breathes over hours, with noise of pages. */
function bytesOf(process: number, look: number): number {
  const breath = 0.5 + 0.5 * Math.sin(look / (3000 + 100 * process) + process);
  return Math.floor((64 + 16 * process + 200 * breath) * MIB) + noise(look * 64 + process, 256) * 4096;
}

const COMMITTED = (look: number): number => 10 * GIB + look * 40_960 + noise(look, 4096) * 4096;

/** Writes a dataset as `plimsoll record --resource app,memory` does, of an application with so many groups. */
export function writeRecording(directory: string, { looks, groups }: ReportShape): void {
  fs.mkdirSync(directory, { recursive: true });
  const names = Array.from({ length: groups }, (_, i) => {
    const group = i === 0 ? "ncs.smp" : i === 1 ? "NcsJVMLauncher" : "python";
    const about = { application: "nso", group, member: i < 2 ? "" : `package-${i - 1}`, role: "member" };
    return nameLine({ number: i + 1, name: `nso ${group}`, about }, "app", 0);
  });
  fs.writeFileSync(path.join(directory, NAMES_FILE), names.join(""));
  fs.writeFileSync(path.join(directory, CGROUPS_FILE), "");
  const segments = [
    ...writeTable(directory, "app", looks * groups, (name, row) => appValue(name, row, groups)),
    ...writeTable(directory, "host", looks, hostValue),
  ];
  const manifest: Manifest = newManifest({
    programVersion: "bench",
    host: "bench",
    kernel: "",
    bootId: null,
    cgroupVersion: null,
    resources: ["memory", "app"],
    clock: { name: "CLOCK_MONOTONIC", anchorMonotonicUs: 0, anchorWallMs: 1.7e12 },
    zone: "Europe/Stockholm",
    intervalMs: INTERVAL_US / 1000,
    statEvery: 1,
    patterns: [],
    startedAt: new Date(1.7e12).toISOString(),
  });
  const endedAt = new Date(1.7e12 + (looks * INTERVAL_US) / 1000).toISOString();
  writeManifest(directory, { ...manifest, endedAt, complete: true, segments }, false);
}

function appValue(name: string, row: number, groups: number): number {
  const look = Math.floor(row / groups);
  const process = row % groups;
  if (name === "process") return process + 1;
  if (name === "residentBytes") return bytesOf(process, look);
  if (name === "allocatedBytes") return bytesOf(process, look) * 2;
  return hostValue(name, look);
}

function hostValue(name: string, look: number): number {
  switch (name) {
    case "timeUs":
      return look * INTERVAL_US;
    case "committedBytes":
      return COMMITTED(look);
    case "commitLimitBytes":
      return 20 * GIB;
    case "totalBytes":
      return 32 * GIB;
    case "swapTotalBytes":
    case "swapFreeBytes":
      return 4 * GIB;
    case "someStallUs":
    case "fullStallUs":
      return look * 1000;
    case "hugePagesBytes":
      return 0;
    default:
      return 20 * GIB - look * 40_960;
  }
}

function writeTable(
  directory: string,
  table: TableName,
  rows: number,
  valueAt: (name: string, row: number) => number,
): SegmentEntry[] {
  const segments: SegmentEntry[] = [];
  const rowsPerSegment = ROWS_PER_BATCH * BATCHES_PER_SEGMENT;
  for (let from = 0; from < rows; from += rowsPerSegment) {
    const count = Math.min(rowsPerSegment, rows - from);
    const file = segmentFile(table, segments.length + 1);
    const encoder = new BatchEncoder(TABLE_COLUMNS[table]);
    const descriptor = fs.openSync(path.join(directory, file), "w");
    let bytes = 0;
    const write = (chunks: readonly Uint8Array[]): void => {
      for (const chunk of chunks) bytes += fs.writeSync(descriptor, chunk);
    };
    write(encoder.beginning);
    for (let at = from; at < from + count; at += ROWS_PER_BATCH)
      write(encodeRows(encoder, table, at, Math.min(ROWS_PER_BATCH, from + count - at), valueAt));
    write(encoder.end());
    fs.closeSync(descriptor);
    segments.push({ file, table, rows: count, bytes });
  }
  return segments;
}

function encodeRows(
  encoder: BatchEncoder,
  table: TableName,
  from: number,
  rows: number,
  valueAt: (name: string, row: number) => number,
): Uint8Array[] {
  const columns = TABLE_COLUMNS[table].map(({ name, type }) => {
    if (type === "float64") {
      const values = Float64Array.from({ length: rows }, (_, i) => valueAt(name, from + i));
      return { values, validity: null, nulls: 0 };
    }
    const words = new Uint32Array(rows * 2);
    for (let row = 0; row < rows; row++) {
      const value = valueAt(name, from + row);
      words[row * 2] = value % 2 ** 32;
      words[row * 2 + 1] = Math.floor(value / 2 ** 32);
    }
    return { values: new BigUint64Array(words.buffer), validity: null, nulls: 0 };
  });
  return encoder.encode(columns, rows);
}
