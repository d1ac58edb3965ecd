import path from "node:path";
import { type WordColumn, valueOf } from "../../../core/calibration/columns.ts";
import type { AppProcess } from "../../../core/report/app-looks.ts";
import { type WallClock, wallClock } from "../../../core/report/wall-clock.ts";
import { batches, type Dataset, openDataset } from "../../../workers/common/dataset-reader.ts";
import { processesOf } from "./read-apps.ts";
import { wordsOf } from "./table-columns.ts";

/** A file that is to be. */
export interface TextFile {
  readonly file: string;
  readonly content: () => string;
}

const COLUMNS = ["residentBytes", "allocatedBytes", "committedBytes", "commitLimitBytes"] as const;

/**
 * The data lines of NSO's memory measurement tool, for scripts that read those: a file a group, a line a process a look,
 * `time RSS allocated Committed_AS CommitLimit used MemTotal pid`, apart by blanks; time HH:MM:SS in the recording
 * host's zone, the rest in kB. Used is MemTotal less MemFree, as the tool counts. Lines of which something could not be
 * read are left out: the tool has no word for it.
 */
export function textFiles(directory: string, into: string): TextFile[] {
  const dataset = openDataset(directory);
  const lines = linesOf(dataset, wallClock(dataset.manifest));
  return [...lines].map(([name, texts]) => ({
    file: path.join(into, `${name}.log`),
    content: () => texts.join(""),
  }));
}

function linesOf(dataset: Dataset, clock: WallClock): Map<string, string[]> {
  const lines = new Map<string, string[]>();
  const processAt = processesOf(dataset.names);
  const timeText = timeTexts(dataset.manifest.zone, clock);
  for (const batch of batches(dataset, "app")) {
    const [times, numbers] = [wordsOf(batch, "timeUs"), wordsOf(batch, "process")];
    const columns = COLUMNS.map((name) => wordsOf(batch, name));
    const [free, total] = [wordsOf(batch, "freeBytes"), wordsOf(batch, "totalBytes")];
    const kib = (column: WordColumn, row: number): number => Math.round(valueOf(column, row) / 1024);
    for (let row = 0; row < batch.rows; row++) {
      const timeUs = valueOf(times, row);
      const number = valueOf(numbers, row);
      const process = processAt(number, timeUs);
      if (process === null) continue;
      const used = kib(total, row) - kib(free, row);
      const figures = [...columns.map((column) => kib(column, row)), used, kib(total, row)];
      if (figures.some((each) => Number.isNaN(each))) continue;
      const name = fileName(process);
      const texts = lines.get(name) ?? [];
      lines.set(name, texts);
      texts.push(`${timeText(timeUs)} ${figures.join(" ")} ${process.pid}\n`);
    }
  }
  return lines;
}

function fileName({ application, group }: AppProcess): string {
  return `${application}-${group}`.replace(/[^A-Za-z0-9._-]+/g, "_").replace(/^\.+/, "_");
}

/** Rows of one look bear the same time: it is said once. */
function timeTexts(zone: string | null, clock: WallClock): (timeUs: number) => string {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeStyle: "medium",
    timeZone: zone ?? "UTC",
    hourCycle: "h23",
  });
  let lastUs = Number.NaN;
  let text = "";
  return (timeUs) => {
    if (timeUs !== lastUs) text = format.format(clock.at(timeUs));
    lastUs = timeUs;
    return text;
  };
}
