import fs from "node:fs";
import path from "node:path";
import type { GroupOf } from "../../core/calibration/columns.ts";
import type { TableName } from "../../core/dataset/tables.ts";
import { Fault } from "../../core/fault.ts";
import { type Dataset, type Loss, openDataset } from "../../workers/common/dataset-reader.ts";

/** What could be opened of what was named, and why the rest could not. */
export interface OpenedDatasets {
  readonly datasets: readonly Dataset[];
  readonly refused: readonly Fault[];
}

export function openDatasets(directories: readonly string[]): OpenedDatasets {
  const datasets: Dataset[] = [];
  const refused: Fault[] = [];
  for (const directory of directories) {
    try {
      datasets.push(openDataset(directory));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      refused.push(error);
    }
  }
  return { datasets, refused };
}

/** Higher numbers than this are not of a recording: it counts cgroups from 1. */
const NUMBER_MAX = 2 ** 24;

/** Which group each number of a dataset's cgroups is in. @param groupFor of a path; -1 for none */
export function groupsOf(dataset: Dataset, groupFor: (path: string) => number): GroupOf {
  let last = 0;
  for (const number of dataset.cgroups.keys()) if (isNumber(number)) last = Math.max(last, number);
  const groupOf = new Int32Array(last + 1).fill(-1);
  for (const cgroup of dataset.cgroups.values())
    if (isNumber(cgroup.number)) groupOf[cgroup.number] = groupFor(cgroup.path);
  return groupOf;
}

function isNumber(number: number): boolean {
  return Number.isInteger(number) && number >= 0 && number <= NUMBER_MAX;
}

/** Some segments of one dataset, that one task reads. */
export interface Share {
  readonly dataset: number;
  readonly files: string[];
}

/**
 * Deals a table's segments out to tasks, in their order, so that each task has about as many bytes. A task's shares are
 * of one dataset each.
 */
export function dealSegments(datasets: readonly Dataset[], table: TableName, tasks: number): Share[][] {
  const segments = datasets.flatMap(({ directory, files }, dataset) =>
    files[table].map((file) => ({ dataset, file, bytes: sizeOf(path.join(directory, file)) })),
  );
  const total = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  const dealt: Share[][] = Array.from({ length: tasks }, () => []);
  let before = 0;
  for (const { dataset, file, bytes } of segments) {
    // By its middle, so that the first and the last task are no smaller than the others.
    const task = total === 0 ? 0 : Math.min(tasks - 1, Math.floor(((before + bytes / 2) / total) * tasks));
    before += bytes;
    const shares = dealt[task] as Share[];
    const last = shares.at(-1);
    if (last?.dataset === dataset) last.files.push(file);
    else shares.push({ dataset, files: [file] });
  }
  return dealt.filter((shares) => shares.length > 0);
}

function sizeOf(file: string): number {
  try {
    return fs.statSync(file).size;
  } catch {
    return 0;
  }
}

/** A loss as it is told to people. */
export function lossText(directory: string, { file, offsetBytes, what }: Loss): string {
  return `${path.join(directory, file)}: at byte ${offsetBytes}: ${what}`;
}
