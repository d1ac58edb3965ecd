import fs from "node:fs";
import path from "node:path";
import { App, APP_COLUMNS } from "../../src/core/app/columns.ts";
import { type Manifest, newManifest } from "../../src/core/dataset/manifest.ts";
import type { Recordable } from "../../src/core/dataset/tables.ts";
import { MEMORY_COLUMNS, Mem } from "../../src/core/samples.ts";
import { writeManifest } from "../../src/workers/common/manifest-file.ts";
import { DatasetWriter } from "../../src/workers/dataset/dataset-writer.ts";
import { Producer } from "./dataset.ts";

/** A process of a made-up recording. Bytes by look; NaN: could not be read; null: it was not there. */
export interface MadeProcess {
  readonly number: number;
  readonly application: string;
  readonly group: string;
  readonly member?: string;
  readonly isChild?: boolean;
  readonly residentBytes: (look: number) => number | null;
  readonly allocatedBytes: (look: number) => number;
}

export interface MadeHost {
  readonly committedBytes: (look: number) => number;
  readonly commitLimitBytes: number;
  readonly totalBytes: number;
  readonly availableBytes: (look: number) => number;
  readonly swapTotalBytes: number;
  readonly hugePagesBytes: number;
}

export interface MadeRecording {
  readonly looks: number;
  readonly intervalMs: number;
  readonly processes: readonly MadeProcess[];
  readonly host: MadeHost;
  readonly tables?: readonly Recordable[];
  /** Of the look's time, from the first on; else one interval each. */
  readonly atUs?: (look: number) => number;
  readonly manifest?: Partial<Manifest>;
}

export const GIB = 2 ** 30;
export const MADE_FROM_US = 5e9;
export const MADE_FROM_MS = Date.UTC(2026, 2, 9, 22, 0, 0);
/** Rows of a flush: fewer than the producer's rings hold. */
const ROWS_PER_FLUSH = 4096;

export const MADE_HOST: MadeHost = {
  committedBytes: () => 12 * GIB,
  commitLimitBytes: 20 * GIB,
  totalBytes: 32 * GIB,
  availableBytes: () => 20 * GIB,
  swapTotalBytes: 4 * GIB,
  hugePagesBytes: 0,
};

/** Writes a dataset by the recording's own writer. */
export function makeRecording(directory: string, made: MadeRecording): string {
  const { looks, intervalMs, processes, host } = made;
  const tables = made.tables ?? ["memory", "app"];
  beginRecording(directory, made, tables);
  const producer = new Producer(ROWS_PER_FLUSH, 4);
  const writer = new DatasetWriter(directory, producer.rings);
  writer.takeNames(
    { type: "names", resource: "app", appeared: processes.map(namedOf), gone: [] },
    MADE_FROM_US,
  );
  const appRow = new Float64Array(APP_COLUMNS.length);
  const hostRow = new Float64Array(MEMORY_COLUMNS.length).fill(Number.NaN);
  let waiting = 0;
  let nowMs = 0;
  for (let look = 0; look < looks; look++) {
    const timeUs = MADE_FROM_US + (made.atUs?.(look) ?? look * intervalMs * 1000);
    fillHost(appRow, hostRow, timeUs, host, look);
    if (tables.includes("memory")) producer.writers.host.append(hostRow);
    for (const { number, residentBytes, allocatedBytes } of tables.includes("app") ? processes : []) {
      const resident = residentBytes(look);
      if (resident === null) continue;
      appRow[App.process] = number;
      appRow[App.residentBytes] = resident;
      appRow[App.allocatedBytes] = allocatedBytes(look);
      producer.writers.app.append(appRow);
    }
    waiting += processes.length + 1;
    if (waiting < ROWS_PER_FLUSH) continue;
    waiting = 0;
    writer.flush((nowMs += 1000), 0);
  }
  const endedAt = new Date(MADE_FROM_MS + (looks - 1) * intervalMs).toISOString();
  const refusal = writer.finish(nowMs, 0, endedAt);
  const { lostRows } = writer.written;
  if (refusal !== null || lostRows.app + lostRows.host > 0) throw new Error(`not whole: ${refusal}`);
  if (made.manifest !== undefined) patchManifest(directory, made.manifest);
  return directory;
}

function beginRecording(
  directory: string,
  { intervalMs }: MadeRecording,
  resources: readonly Recordable[],
): void {
  fs.mkdirSync(directory, { recursive: true });
  const manifest = newManifest({
    programVersion: "0.0.0-test",
    host: "made-host",
    kernel: "6.18.0",
    bootId: null,
    cgroupVersion: 1,
    resources,
    clock: { name: "CLOCK_MONOTONIC", anchorMonotonicUs: MADE_FROM_US, anchorWallMs: MADE_FROM_MS },
    intervalMs,
    statEvery: 1,
    patterns: [],
    startedAt: new Date(MADE_FROM_MS).toISOString(),
  });
  writeManifest(directory, manifest, false);
}

/** Says something else in the manifest than was recorded. */
export function patchManifest(directory: string, change: Partial<Manifest>): void {
  const file = path.join(directory, "manifest.json");
  const manifest = { ...(JSON.parse(fs.readFileSync(file, "utf8")) as Manifest), ...change };
  fs.writeFileSync(file, JSON.stringify(manifest));
}

function namedOf({ number, application, group, member, isChild = false }: MadeProcess): {
  readonly number: number;
  readonly name: string;
  readonly about: Readonly<Record<string, string>>;
} {
  const about = {
    application,
    group,
    member: member ?? "",
    pid: String(1000 + number),
    startTicks: String(number),
    role: isChild ? "child" : "member",
  };
  return { number, name: `${application} ${group}`, about };
}

function fillHost(app: Float64Array, row: Float64Array, timeUs: number, host: MadeHost, look: number): void {
  const [committed, available] = [host.committedBytes(look), host.availableBytes(look)];
  app[App.timeUs] = timeUs;
  app[App.committedBytes] = committed;
  app[App.commitLimitBytes] = host.commitLimitBytes;
  app[App.totalBytes] = host.totalBytes + host.hugePagesBytes;
  app[App.availableBytes] = available;
  app[App.freeBytes] = available / 2;
  row[Mem.timeUs] = timeUs;
  row[Mem.totalBytes] = host.totalBytes;
  row[Mem.availableBytes] = available;
  row[Mem.freeBytes] = available / 2;
  row[Mem.hugePagesBytes] = host.hugePagesBytes;
  row[Mem.swapTotalBytes] = host.swapTotalBytes;
  row[Mem.swapFreeBytes] = host.swapTotalBytes / 2;
  row[Mem.committedBytes] = committed;
  row[Mem.commitLimitBytes] = host.commitLimitBytes;
  row[Mem.someStallUs] = look * 1000;
  row[Mem.fullStallUs] = look * 500;
}

/** NSO with so many Python VMs, one of which has a subprocess for a while. */
export function nsoProcesses(pythonVms: number): MadeProcess[] {
  const growing = (bytes: number, by: number) => (look: number) => bytes + look * by;
  const wave = (bytes: number) => (look: number) =>
    bytes + Math.round(bytes * 0.1 * Math.sin(look / 600)) + (look % 7) * 4096;
  const common = { application: "nso" } as const;
  return [
    {
      ...common,
      number: 1,
      group: "ncs.smp",
      residentBytes: growing(2 * GIB, 16384),
      allocatedBytes: growing(3 * GIB, 20480),
    },
    {
      ...common,
      number: 2,
      group: "NcsJVMLauncher",
      residentBytes: wave(GIB),
      allocatedBytes: wave(4 * GIB),
    },
    ...Array.from(
      { length: pythonVms },
      (_, i): MadeProcess => ({
        ...common,
        number: 3 + i,
        group: "python",
        member: `package-${i + 1}`,
        residentBytes: wave(2 ** 26 + i * 2 ** 20),
        allocatedBytes: wave(2 ** 27 + i * 2 ** 20),
      }),
    ),
  ];
}
