import path from "node:path";
import { ALL_CORES } from "../../../core/cpu/columns.ts";
import { RECORDABLE, tablesOf } from "../../../core/dataset/tables.ts";
import { ExitCode, Fault } from "../../../core/fault.ts";
import type { ReportNote } from "../../../core/report/model.ts";
import {
  CPU_READ,
  columnOf,
  type Columns,
  HOST_READ,
  IO_READ,
  type Recorded,
} from "../../../core/report/recorded.ts";
import { wallClock } from "../../../core/report/wall-clock.ts";
import { type Dataset, openDataset } from "../../../workers/common/dataset-reader.ts";
import { lossText } from "../../batch/datasets.ts";
import { readApps } from "./read-apps.ts";
import { readAudit } from "./read-audit.ts";
import { readCgroups } from "./read-cgroups.ts";
import { readTable, type TableRead, whereEqual } from "./table-columns.ts";

/** What was read for a report, and what could not be. */
export interface ReadForReport {
  readonly recorded: Recorded;
  /** In words, each with its file. */
  readonly losses: readonly string[];
}

/**
 * Reads a dataset and the audit log beside it. Tables that it has not are not drawn; what is damaged is passed over, and
 * said.
 * @param auditFile null: that of the guard that recorded; where none did, the usual place
 * @throws Fault when it is no dataset, has no sample at all, or the audit log that was named cannot be read
 */
export function readForReport(directory: string, auditFile: string | null): ReadForReport {
  const dataset = openDataset(directory);
  const clock = wallClock(dataset.manifest);
  const apps = readApps(dataset);
  const host = readTable(dataset, "host", HOST_READ);
  const cpu = readTable(dataset, "cpu", CPU_READ, whereEqual("core", ALL_CORES));
  const io = readTable(dataset, "io", IO_READ);
  const span = spanOf(dataset, [apps?.host.timesUs, ...[host, cpu, io].map(timesOf)]);
  const audit = readAudit({
    file: auditFile,
    manifest: dataset.manifest,
    span: { fromMs: clock.at(span.fromUs), toMs: clock.at(span.toUs) },
    clock,
  });
  const rescued = new Set(
    audit.marks.flatMap(({ resource, subject }) => (resource === "cgroup" ? [subject] : [])),
  );
  const cgroups = readCgroups(dataset, rescued);
  const rows = (apps?.rows ?? 0) + host.rows + cpu.rows + io.rows + cgroups.rows;
  if (rows === 0) throw nothingIn(dataset);
  const losses = dataset.losses.map((loss) => lossText(dataset.directory, loss));
  const misplaced =
    (apps?.misplacedRows ?? 0) + [host, cpu, io].reduce((sum, { misplacedRows }) => sum + misplacedRows, 0);
  return {
    recorded: {
      directory: path.resolve(dataset.directory),
      manifest: dataset.manifest,
      clock,
      apps,
      host: host.columns,
      cpu: cpu.columns,
      io: io.columns,
      cgroups: cgroups.cgroups,
      marks: audit.marks,
      notes: [
        ...lossNotes(losses),
        ...misplacedNotes(misplaced),
        ...leftOutNotes(dataset, cgroups.leftOut),
        ...audit.notes,
      ],
      rows,
    },
    losses,
  };
}

function timesOf({ columns }: TableRead): Float64Array | undefined {
  return columns === null ? undefined : columnOf(columns as Columns, "timeUs");
}

/** Of the tables that were read, or, where only cgroups were recorded, what the manifest says. */
function spanOf(
  { manifest }: Dataset,
  times: readonly (Float64Array | undefined)[],
): { readonly fromUs: number; readonly toUs: number } {
  const ends = times.flatMap((each) =>
    each === undefined || each.length === 0 ? [] : [each[0], each.at(-1)],
  );
  const known = ends.filter((each): each is number => each !== undefined);
  if (known.length > 0) return { fromUs: Math.min(...known), toUs: Math.max(...known) };
  const { anchorMonotonicUs, anchorWallMs } = manifest.clock;
  const endedMs = manifest.endedAt === null ? Number.POSITIVE_INFINITY : Date.parse(manifest.endedAt);
  return { fromUs: anchorMonotonicUs, toUs: anchorMonotonicUs + (endedMs - anchorWallMs) * 1000 };
}

function nothingIn({ directory, losses }: Dataset): Fault {
  const [first] = losses;
  const found = first === undefined ? "none" : `none that can be read (${lossText(directory, first)})`;
  return new Fault(
    ExitCode.fault,
    `${directory}: expected samples of applications, memory, cgroups, cpu or io to draw, found ${found}; record with --resource app,memory`,
  );
}

const LOSSES_NAMED = 5;

function lossNotes(losses: readonly string[]): ReportNote[] {
  if (losses.length === 0) return [];
  const more = losses.length > LOSSES_NAMED ? `; and ${losses.length - LOSSES_NAMED} more` : "";
  const text = `Parts of the recording could not be read and are not in this report: ${losses.slice(0, LOSSES_NAMED).join("; ")}${more}.`;
  return [{ weight: "warning", text }];
}

function misplacedNotes(rows: number): ReportNote[] {
  if (rows === 0) return [];
  const text = `${rows} samples without a time, or of a time that had passed already, are left out.`;
  return [{ weight: "warning", text }];
}

function leftOutNotes({ manifest }: Dataset, cgroups: number): ReportNote[] {
  const notes: ReportNote[] = [];
  if (cgroups > 0)
    notes.push({
      weight: "note",
      text: `${cgroups} more control groups, which used less, are not drawn; plimsoll calibrate has figures of all.`,
    });
  const undrawn = RECORDABLE.filter(
    (each) => ["disk", "net", "vm"].includes(each) && manifest.resources.includes(each),
  );
  const tables = tablesOf(undrawn);
  if (tables.length > 0)
    notes.push({
      weight: "note",
      text: `Not drawn, of what was recorded: ${tables.join(", ")}. plimsoll export writes it for other programs.`,
    });
  return notes;
}
