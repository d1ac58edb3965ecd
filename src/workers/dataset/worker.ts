import { parentPort } from "node:worker_threads";
import type { Message } from "../../core/messages.ts";
import { Gauge } from "../../core/shared/board.ts";
import { monotonicUs } from "../common/clock.ts";
import { WorkerContext } from "../common/worker.ts";
import { DatasetWriter } from "./dataset-writer.ts";

/** How often is looked for rows to write. */
const LOOK_MS = 200;

/** The thread that writes a recording: out of the samplers' rings, into the files of a dataset. */
class DatasetWorker {
  readonly #context: WorkerContext;
  readonly #writer: DatasetWriter;
  #refusal: string | null = null;
  /** Rows that had been lost when the disk refused. */
  #lostBefore = 0;

  constructor(context: WorkerContext) {
    const { dataset, usageRing, detailRing, memoryRing, resourceRings } = context.start;
    if (dataset === null) throw new Error("the dataset has a directory");
    this.#context = context;
    const rings = { usage: usageRing, detail: detailRing, host: memoryRing, ...resourceRings };
    this.#writer = new DatasetWriter(dataset.directory, rings, dataset);
  }

  run(): void {
    const port = parentPort;
    if (port === null) throw new Error("the dataset's thread is a worker");
    const looking = setInterval(() => {
      if (!this.#context.alive()) process.exit();
      this.#writer.noteClocks(monotonicUs(), Date.now());
      this.#note(this.#writer.flush(monotonicUs() / 1000, this.#missedTicks));
    }, LOOK_MS);
    port.on("message", ({ message }: { message: Message }) => {
      const goesOn = this.#take(message);
      this.#context.tookLetter();
      if (goesOn) return;
      clearInterval(looking);
      this.#finish();
      port.close();
    });
    this.#context.ready();
  }

  /** @returns false when the worker is to stop */
  #take(message: Message): boolean {
    switch (message.type) {
      case "cgroups":
        this.#writer.takeCgroups(message, Math.floor(monotonicUs()));
        return true;
      case "names":
        this.#writer.takeNames(message, Math.floor(monotonicUs()));
        return true;
      case "policy":
        return true;
      case "stop":
        return false;
      default:
        throw new Error(`the dataset's thread knows no message ${message.type}`);
    }
  }

  get #missedTicks(): number {
    const { board } = this.#context;
    return board.gauge(Gauge.missedTicks) + board.gauge(Gauge.hostMissedTicks);
  }

  #finish(): void {
    const endedAt = new Date().toISOString();
    const refusal = this.#writer.finish(monotonicUs() / 1000, this.#missedTicks, endedAt);
    this.#note(refusal);
    this.#context.board.setGauge(Gauge.datasetComplete, refusal === null ? 1 : 0);
  }

  /** Shows the figures; says when the disk begins to refuse, and when it takes again. */
  #note(refusal: string | null): void {
    const { board } = this.#context;
    const { rows, lostRows, bytes, cgroups } = this.#writer.written;
    const lost = sumOf(lostRows);
    board.setGauge(Gauge.datasetRows, sumOf(rows));
    board.setGauge(Gauge.datasetBytes, bytes);
    board.setGauge(Gauge.datasetLostRows, lost);
    board.setGauge(Gauge.datasetCgroups, cgroups);
    if (refusal !== null && this.#refusal === null) {
      this.#lostBefore = lost;
      this.#context.log(
        "error",
        `cannot be written, what is sampled waits in memory while it can: ${refusal}`,
      );
    }
    if (refusal === null && this.#refusal !== null) {
      const lostMeanwhile = lost - this.#lostBefore;
      this.#context.log("warn", `is written again; ${lostMeanwhile} rows were lost meanwhile`);
    }
    this.#refusal = refusal;
  }
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

new DatasetWorker(WorkerContext.current()).run();
