import { countRanges, countUsage, readDetail } from "./count.ts";
import type { BatchAnswers, BatchTask } from "./task.ts";

/** A thread of the batch pool: does one task at a time. It loads nothing native and knows no host. */
export default async function work(task: BatchTask): Promise<BatchAnswers[BatchTask["kind"]]> {
  switch (task.kind) {
    case "detail":
      return readDetail(task);
    case "count":
      return countUsage(task);
    case "ranges":
      return countRanges(task);
    case "export": {
      // Only then: it brings all of Arrow.
      const { exportTable } = await import("./export.ts");
      return exportTable(task);
    }
  }
}
