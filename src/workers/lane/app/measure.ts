import { figuresOf, type HostFigures, useOf } from "../../../core/app/levels.ts";
import type { AppMeasure, MeasurePolicy } from "../../../core/policy/applications.ts";
import type { Figures } from "../../../core/resources/resource.ts";
import { MEMORY_COLUMNS } from "../../../core/samples.ts";
import { monotonicUs } from "../../common/clock.ts";
import { HostMemoryReader } from "../../sampler/memory/host-reader.ts";

/** The host's memory as it is now, by files held open: for figures after an action, and whether its level still stands. */
export class HostLook {
  readonly #reader: HostMemoryReader;
  readonly #frame = new Float64Array(MEMORY_COLUMNS.length);

  /** @throws as fs.openSync does */
  constructor(procRoot: string) {
    this.#reader = new HostMemoryReader(procRoot);
  }

  now(): HostFigures {
    this.#reader.read(this.#frame, false);
    return { ...figuresOf(this.#frame), timeUs: monotonicUs() };
  }

  close(): void {
    this.#reader.close();
  }
}

/** The same figures as an action's, as far as they are the host's. */
export function hostFigures(measure: AppMeasure, policy: MeasurePolicy, figures: HostFigures): Figures {
  const { share } = useOf(measure, policy, figures);
  return {
    usedShare: Number.isNaN(share) ? null : Math.round(share * 1e5) / 1e5,
    totalBytes: figures.totalBytes,
    availableBytes: figures.availableBytes,
    freeBytes: figures.freeBytes,
    committedBytes: figures.committedBytes,
    commitLimitBytes: figures.commitLimitBytes,
  };
}

/** Of an action's figures those that are measured again after it. */
export function pickHostFigures(numbers: Figures): Figures {
  const { usedShare, totalBytes, availableBytes, freeBytes, committedBytes, commitLimitBytes } = numbers;
  const known = { usedShare, totalBytes, availableBytes, freeBytes, committedBytes, commitLimitBytes };
  return Object.fromEntries(Object.entries(known).map(([name, value]) => [name, value ?? null]));
}
