import os from "node:os";
import { Piscina } from "piscina";
import type { BatchAnswers, BatchTask } from "../../workers/batch/task.ts";

const IDLE_MS = 60_000;

/** Does batch work on all cores. */
export interface BatchPool {
  /** How many tasks are worked on at once. */
  readonly threads: number;
  /** @throws what the task threw */
  run<K extends BatchTask["kind"]>(task: BatchTask & { readonly kind: K }): Promise<BatchAnswers[K]>;
}

/** Starts a pool, hands it out, and ends it, whatever comes of the work. */
export async function withBatchPool<T>(use: (pool: BatchPool) => Promise<T>): Promise<T> {
  const threads = os.availableParallelism();
  const piscina = new Piscina<BatchTask, BatchAnswers[BatchTask["kind"]]>({
    filename: new URL("../../workers/batch/worker.js", import.meta.url).href,
    minThreads: 1,
    maxThreads: threads,
    // Not ended between two passes.
    idleTimeout: IDLE_MS,
    // A worker waits for its next task in its event loop: passes follow each other, and a blocked one costs a core.
    atomics: "disabled",
  });
  try {
    return await use({
      threads,
      run: async (task) => (await piscina.run(task)) as never,
    });
  } finally {
    await piscina.destroy();
  }
}
