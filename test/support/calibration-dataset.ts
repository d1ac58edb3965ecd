import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type CgroupIdentity, Detail } from "../../src/core/cgroups/columns.ts";
import { TABLE_COLUMNS, TABLE_NAMES } from "../../src/core/dataset/tables.ts";
import { DatasetWriter } from "../../src/workers/dataset/dataset-writer.ts";
import { beginDataset, Producer } from "./dataset.ts";

const BIN = fileURLToPath(new URL("../../dist/src/main/cli/bin.js", import.meta.url));
/** Rows of a tick are written together, and a segment is full after a few of them. */
const SMALL_SEGMENT_BYTES = 8192;

/** One cgroup at one tick; NaN is null. */
export interface Sample {
  readonly timeUs: number;
  readonly cgroup: number;
  readonly usageBytes: number;
  /** With these there is a row of the detail table too. */
  readonly detail?: { readonly limitBytes: number; readonly limitHits: number; readonly peakBytes: number };
}

/** Writes a dataset by the recording's own writer. The samples are in the order of time. */
export function recordDataset(
  directory: string,
  cgroups: readonly CgroupIdentity[],
  samples: readonly Sample[],
): string {
  const producer = new Producer(256, 4);
  const writer = new DatasetWriter(beginDataset(directory), producer.rings, {
    segmentBytes: SMALL_SEGMENT_BYTES,
  });
  writer.takeCgroups({ type: "cgroups", appeared: cgroups, gone: [] }, 0);
  let nowMs = 0;
  samples.forEach(({ timeUs, cgroup, usageBytes, detail }, i) => {
    producer.append("usage", [timeUs, cgroup, usageBytes]);
    if (detail !== undefined) {
      const row = TABLE_COLUMNS.detail.map(() => Number.NaN);
      row[Detail.timeUs] = timeUs;
      row[Detail.cgroup] = cgroup;
      row[Detail.limitBytes] = detail.limitBytes;
      row[Detail.limitHits] = detail.limitHits;
      row[Detail.peakBytes] = detail.peakBytes;
      producer.append("detail", row);
    }
    if (i % 100 === 99) writer.flush((nowMs += 1000), 0);
  });
  const refusal = writer.finish(nowMs, 0, new Date(1.7e12).toISOString());
  const lost = TABLE_NAMES.some((table) => writer.written.lostRows[table] > 0);
  if (refusal !== null || lost) throw new Error(`the dataset is not whole: ${refusal}`);
  return directory;
}

export function cgroup(number: number, path: string, inode = 1000 + number): CgroupIdentity {
  return { number, path, inode, onlyAncestor: false };
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built command line. */
export function plimsoll(...args: readonly string[]): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  return { code: status, stdout, stderr };
}
