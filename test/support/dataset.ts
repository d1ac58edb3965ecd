import fs from "node:fs";
import path from "node:path";
import { Usage } from "../../src/core/cgroups/columns.ts";
import { newManifest } from "../../src/core/dataset/manifest.ts";
import {
  RECORDABLE,
  type Recordable,
  TABLE_COLUMNS,
  TABLE_NAMES,
  type TableName,
} from "../../src/core/dataset/tables.ts";
import { createRing, type SharedRing } from "../../src/core/ring/views.ts";
import { RingWriter } from "../../src/core/ring/writer.ts";
import { batches, type Dataset } from "../../src/workers/common/dataset-reader.ts";
import { writeManifest } from "../../src/workers/common/manifest-file.ts";

/** A row as the ring takes it, by column; NaN is null. */
export type Row = readonly number[];

/** Rings of a recording, filled by the test in the sampler's place. */
export class Producer {
  readonly rings: Readonly<Record<TableName, SharedRing>>;
  readonly writers: Readonly<Record<TableName, RingWriter>>;

  constructor(rowsPerSegment = 64, segments = 4) {
    const entries = TABLE_NAMES.map((table) => {
      const ring = createRing({ columns: TABLE_COLUMNS[table], rowsPerSegment, segments });
      return [table, ring] as const;
    });
    this.rings = Object.fromEntries(entries) as Record<TableName, SharedRing>;
    this.writers = Object.fromEntries(
      entries.map(([table, ring]) => [table, new RingWriter(ring)]),
    ) as Record<TableName, RingWriter>;
  }

  append(table: TableName, row: Row): void {
    this.writers[table].append(Float64Array.from(row));
  }
}

/** The i-th row of a table: figures of every size, nulls in every column but the time, told from i alone. */
export function rowOf(table: TableName, i: number): Row {
  return TABLE_COLUMNS[table].map(({ type }, column) => {
    if (column === Usage.timeUs) return 1e9 + i * 1000;
    if ((i * 7 + column * 3) % 11 === 0) return Number.NaN;
    if (type === "int32") return column === Usage.cgroup ? (i % 5) + 1 : 0 - i;
    if (type === "float64") return i / 8;
    return i % 3 === 0 ? 2 ** 40 + i * column : i;
  });
}

/** A directory with the manifest that a recording begins with. */
export function beginDataset(directory: string, resources: readonly Recordable[] = RECORDABLE): string {
  fs.mkdirSync(directory, { recursive: true });
  const manifest = newManifest({
    programVersion: "0.0.0-test",
    host: "host",
    kernel: "6.18.0",
    bootId: null,
    cgroupVersion: 1,
    resources,
    clock: { name: "CLOCK_MONOTONIC", anchorMonotonicUs: 1e9, anchorWallMs: 1.7e12 },
    intervalMs: 1,
    statEvery: 1,
    patterns: ["/**"],
    startedAt: new Date(1.7e12).toISOString(),
  });
  writeManifest(directory, manifest, false);
  return directory;
}

/** All rows of a table by our own reader, NaN for null. */
export function readRows(dataset: Dataset, table: TableName): number[][] {
  const rows: number[][] = [];
  for (const batch of batches(dataset, table)) {
    const columns = TABLE_COLUMNS[table].map(({ name }) => batch.column(name));
    for (let i = 0; i < batch.rows; i++) {
      rows.push(
        columns.map(({ values, validity }) => {
          const there = validity === null || ((validity[i >> 3] as number) & (1 << (i & 7))) !== 0;
          return there ? Number(values[i]) : Number.NaN;
        }),
      );
    }
  }
  return rows;
}

/** Segment files of a table, whole paths in order. */
export function segmentPaths(dataset: Dataset, table: TableName): string[] {
  return dataset.files[table].map((file) => path.join(dataset.directory, file));
}
