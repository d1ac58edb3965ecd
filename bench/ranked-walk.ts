import { MemoryState } from "../src/core/memory/state.ts";
import { step } from "../src/core/memory/step.ts";
import { WalkReader } from "../src/core/memory/walk-from-ring.ts";
import type { Policy } from "../src/core/policy/policy.ts";
import { RingReader } from "../src/core/ring/reader.ts";
import { createRing } from "../src/core/ring/views.ts";
import {
  MEMORY_COLUMNS,
  Mem,
  PROCESS_COLUMNS,
  PROCESS_ROWS_PER_SEGMENT,
  PROCESS_SEGMENTS,
} from "../src/core/samples.ts";
import { systemUnits } from "../src/native/system.ts";
import { monotonicUs } from "../src/workers/common/clock.ts";
import { hostPids } from "../src/workers/common/pid-source.ts";
import { ownAncestry } from "../src/workers/common/target.ts";
import { ProcessWalker } from "../src/workers/sampler/processes/walker.ts";
import { cpuUsOf } from "./figures.ts";

const GIB = 2 ** 30;
const TOTAL_BYTES = 16 * GIB;
/** Between the built-in policy's walk_below (20 %) and its warning (10 %): walks are ranked, nothing is decided. */
const AVAILABLE_SHARE = 0.15;

/** What a walk found, to be compared with what C found. */
export interface WalkFacts {
  readonly processes: number;
  readonly candidates: number;
  /** Counted and summed over the children of one process. */
  readonly children: number;
  readonly residentPages: number;
  readonly startTicks: number;
}

/** All that the guard does between its clock's tick and the standing order: walk, ring, growth, ranking. */
export class RankedWalk {
  readonly #walker: ProcessWalker;
  readonly #reader: WalkReader;
  readonly #state: MemoryState;
  readonly #policy: Policy;
  readonly #pageBytes: number;

  /** @param descriptors how many may be held open; 0: every file is opened for every walk */
  constructor(policy: Policy, descriptors: number) {
    const units = systemUnits();
    const ring = createRing({
      columns: PROCESS_COLUMNS,
      rowsPerSegment: PROCESS_ROWS_PER_SEGMENT,
      segments: PROCESS_SEGMENTS,
    });
    this.#walker = new ProcessWalker({
      procRoot: "/proc",
      source: hostPids("/proc"),
      ring,
      policy,
      hierarchy: null,
      units,
      descriptors,
      spared: ownAncestry("/proc", process.pid),
      onlyUid: null,
      announce: () => undefined,
    });
    this.#reader = new WalkReader(new RingReader(ring));
    this.#state = new MemoryState({
      ticksPerSecond: units.ticksPerSecond,
      ownPid: process.pid,
      idPrefix: "bench",
    });
    this.#policy = policy;
    this.#pageBytes = units.pageBytes;
    step(this.#state, { frame: frameNearLine(), walk: null, end: null }, policy);
  }

  /** Microseconds of CPU time a walk, of so many. */
  cpuUs(walks: number): number {
    const us = cpuUsOf(() => {
      for (let i = 0; i < walks; i++) this.#once(i);
    });
    return us / walks;
  }

  /** What the last walk found. */
  facts(parent: number): WalkFacts {
    const rows = this.#state.walk?.rows ?? [];
    const children = rows.filter((row) => row.ppid === parent);
    return {
      processes: rows.length,
      candidates: this.#state.ranking?.candidates.length ?? 0,
      children: children.length,
      residentPages: children.reduce((sum, row) => sum + row.residentBytes, 0) / this.#pageBytes,
      startTicks: children.reduce((sum, row) => sum + row.startTicks, 0),
    };
  }

  close(): void {
    this.#walker.close();
  }

  #once(request: number): void {
    this.#walker.walk(request);
    const walk = this.#reader.next();
    if (walk === null) throw new Error("expected a walk in the ring");
    step(this.#state, { frame: null, walk, end: null }, this.#policy);
  }
}

function frameNearLine(): Float64Array {
  const frame = new Float64Array(MEMORY_COLUMNS.length);
  frame[Mem.timeUs] = monotonicUs();
  frame[Mem.totalBytes] = TOTAL_BYTES;
  frame[Mem.availableBytes] = TOTAL_BYTES * AVAILABLE_SHARE;
  frame[Mem.anonBytes] = TOTAL_BYTES / 2;
  return frame;
}
