import { UsageCounter } from "../../core/calibration/counts.ts";
import { addDetail, type LimitHistories, LimitTimer } from "../../core/calibration/limits.ts";
import { MomentsCounter } from "../../core/calibration/moments.ts";
import { RangeCounter } from "../../core/calibration/ranges.ts";
import type { Loss } from "../common/dataset-reader.ts";
import { detailColumns, fileBatches, usageColumns } from "./read-part.ts";
import type {
  CountFound,
  CountPart,
  CountTask,
  DetailFound,
  DetailTask,
  PartFound,
  Progress,
  RangesTask,
} from "./task.ts";

/** Reads what the detail table says of limits. */
export function readDetail({ part, progress }: DetailTask): DetailFound {
  const histories: LimitHistories = new Map();
  const losses: Loss[] = [];
  for (const file of part.files) {
    for (const { batch, rows } of fileBatches(part, file, losses, progress))
      addDetail(histories, detailColumns(batch, rows), part.groupOf);
  }
  return { histories, losses };
}

/** The first pass over usage. */
export function countUsage({ groups, parts, progress }: CountTask): CountFound {
  const counter = new UsageCounter(groups);
  const found = parts.map((part) => countPart(part, counter, progress));
  return { counted: counter.finish(), parts: found };
}

function countPart(part: CountPart, counter: UsageCounter, progress: Progress): PartFound {
  const losses: Loss[] = [];
  const numbers = part.groupOf.length;
  const more =
    part.full === null
      ? null
      : { moments: new MomentsCounter(numbers), limits: new LimitTimer(part.full.histories, numbers) };
  const rows: number[] = [];
  for (const file of part.files) {
    let read = 0;
    for (const { batch, rows: count } of fileBatches(part, file, losses, progress)) {
      const columns = usageColumns(batch, count);
      counter.add(columns, part.groupOf);
      more?.moments.add(columns, part.groupOf);
      more?.limits.add(columns, part.groupOf);
      read += count;
    }
    rows.push(read);
  }
  return {
    rows,
    moments: more?.moments.finish(part.full?.offsetS ?? 0) ?? new Map(),
    limitTimes: more?.limits.finish() ?? new Map(),
    losses,
  };
}

/** A further pass over usage. What is lost in it was named in the first. */
export function countRanges({ ranges, parts, progress }: RangesTask): Uint32Array {
  const counter = new RangeCounter(ranges);
  for (const part of parts) {
    part.files.forEach((file, i) => {
      for (const { batch, rows } of fileBatches(part, file, [], progress, part.rows[i]))
        counter.add(usageColumns(batch, rows), part.groupOf);
    });
  }
  return counter.counts;
}
