import type { DatasetNames } from "../../../core/dataset/name-lines.ts";
import { AppLooks, type AppProcess, type AppsRead, type ProcessAt } from "../../../core/report/app-looks.ts";
import { batches, type Dataset } from "../../../workers/common/dataset-reader.ts";
import { wordsOf } from "./table-columns.ts";

/** The table `app`, summed up by groups; null: it has no row. */
export function readApps(dataset: Dataset): AppsRead | null {
  const looks = new AppLooks(processesOf(dataset.names));
  for (const batch of batches(dataset, "app")) {
    looks.take({
      rows: batch.rows,
      time: wordsOf(batch, "timeUs"),
      process: wordsOf(batch, "process"),
      resident: wordsOf(batch, "residentBytes"),
      allocated: wordsOf(batch, "allocatedBytes"),
      committed: wordsOf(batch, "committedBytes"),
      commitLimit: wordsOf(batch, "commitLimitBytes"),
      total: wordsOf(batch, "totalBytes"),
      available: wordsOf(batch, "availableBytes"),
      free: wordsOf(batch, "freeBytes"),
    });
  }
  const read = looks.finish();
  return read.rows === 0 ? null : read;
}

interface Told {
  readonly fromUs: number;
  readonly process: AppProcess | null;
}

/** As {@link DatasetNames.at}, for millions of rows. */
export function processesOf(names: DatasetNames): ProcessAt {
  const byNumber = new Map<number, Told[]>();
  for (const { number, timeUs, gone, about } of names.of("app")) {
    if (gone) continue;
    const told = { fromUs: timeUs, process: processOf(about) };
    const known = byNumber.get(number);
    if (known === undefined) byNumber.set(number, [told]);
    else known.push(told);
  }
  return (number, timeUs) => {
    const known = byNumber.get(number);
    if (known === undefined) return null;
    const last = known.length === 1 ? undefined : known.findLast(({ fromUs }) => fromUs <= timeUs);
    return (last ?? known[0])?.process ?? null;
  };
}

function processOf(about: Readonly<Record<string, string>>): AppProcess | null {
  const { application, group, member, pid = "?", role } = about;
  if (application === undefined || group === undefined) return null;
  return {
    application,
    group,
    member: member === undefined || member === "" ? null : member,
    pid,
    isChild: role === "child",
  };
}
