import { valueOf } from "../../../core/calibration/columns.ts";
import type { TableName } from "../../../core/dataset/tables.ts";
import { Growing } from "../../../core/report/growing.ts";
import type { CgroupRead } from "../../../core/report/recorded.ts";
import { batches, type Dataset } from "../../../workers/common/dataset-reader.ts";
import { groupsOf } from "../../batch/datasets.ts";
import { wordsOf } from "./table-columns.ts";

/** More would be a page that nobody reads. */
const CGROUPS_DRAWN = 12;

/** The cgroups that are drawn. */
export interface CgroupsRead {
  readonly cgroups: readonly CgroupRead[];
  /** That have samples and are not drawn. */
  readonly leftOut: number;
  readonly rows: number;
}

/** Those of `first` (paths), then those that used most, at most twelve; in the order of their paths. */
export function readCgroups(dataset: Dataset, first: ReadonlySet<string>): CgroupsRead {
  const paths = [
    ...new Set([...dataset.cgroups.values()].flatMap(({ path, onlyAncestor }) => (onlyAncestor ? [] : path))),
  ];
  if (paths.length === 0) return { cgroups: [], leftOut: 0, rows: 0 };
  const { chosen, used, rows: rowsBefore } = choose(dataset, paths, first);
  const usage = readColumn(dataset, "usage", "usageBytes", chosen);
  const limit = readColumn(dataset, "detail", "limitBytes", chosen);
  return {
    cgroups: chosen.map((path, i) => {
      const [used, limited] = [usage.lines[i] as Line, limit.lines[i] as Line];
      return {
        path,
        usage: { timeUs: used.times.view(), usageBytes: used.values.view() },
        limit: { timeUs: limited.times.view(), limitBytes: limited.values.view() },
      };
    }),
    leftOut: Math.max(0, used - chosen.length),
    rows: (rowsBefore ?? usage.rows) + limit.rows,
  };
}

interface Chosen {
  readonly chosen: string[];
  readonly used: number;
  /** Of usage; null: not read for it. */
  readonly rows: number | null;
}

function choose(dataset: Dataset, paths: readonly string[], first: ReadonlySet<string>): Chosen {
  if (paths.length <= CGROUPS_DRAWN) return { chosen: paths.toSorted(), used: paths.length, rows: null };
  const index = new Map(paths.map((path, i) => [path, i]));
  const most = new Float64Array(paths.length).fill(-1);
  let rows = 0;
  for (const { at, bytes } of rowsOf(dataset, "usage", "usageBytes", (path) => index.get(path) ?? -1)) {
    rows++;
    if (bytes > (most[at] as number)) most[at] = bytes;
  }
  const mostOf = (path: string): number => most[index.get(path) ?? -1] ?? -1;
  const used = paths.filter((path) => mostOf(path) >= 0);
  const rank = (path: string): number => (first.has(path) ? 0 : 1);
  const chosen = used
    .toSorted((a, b) => rank(a) - rank(b) || mostOf(b) - mostOf(a))
    .slice(0, CGROUPS_DRAWN)
    .sort();
  return { chosen, used: used.length, rows };
}

interface Line {
  readonly times: Growing;
  readonly values: Growing;
}

function readColumn(
  dataset: Dataset,
  table: TableName,
  column: string,
  paths: readonly string[],
): { readonly lines: readonly Line[]; readonly rows: number } {
  const lines = paths.map((): Line => ({ times: new Growing(), values: new Growing() }));
  let rows = 0;
  for (const { at, timeUs, bytes } of rowsOf(dataset, table, column, (path) => paths.indexOf(path))) {
    rows++;
    const line = lines[at];
    if (line === undefined || !(line.times.length === 0 || timeUs > line.times.last)) continue;
    line.times.push(timeUs);
    line.values.push(bytes);
  }
  return { lines, rows };
}

interface Row {
  at: number;
  timeUs: number;
  bytes: number;
}

/** All rows with a time; the same object each time. `at` is -1 where the cgroup is none of those asked for. */
function* rowsOf(
  dataset: Dataset,
  table: TableName,
  column: string,
  groupFor: (path: string) => number,
): Generator<Row> {
  const groupOf = groupsOf(dataset, groupFor);
  const row: Row = { at: -1, timeUs: 0, bytes: 0 };
  for (const batch of batches(dataset, table)) {
    const times = wordsOf(batch, "timeUs");
    const bytes = wordsOf(batch, column);
    const cgroups = batch.column("cgroup").values as Int32Array;
    for (let i = 0; i < batch.rows; i++) {
      row.timeUs = valueOf(times, i);
      if (Number.isNaN(row.timeUs)) continue;
      row.at = groupOf[cgroups[i] as number] ?? -1;
      row.bytes = row.at < 0 ? Number.NaN : valueOf(bytes, i);
      yield row;
    }
  }
}
