import { rankCulprits, type CulpritQuestion } from "../src/core/cpu/choose.ts";
import { ProcessLoads } from "../src/core/cpu/process-loads.ts";
import type { MutableProcessRow, Walk } from "../src/core/memory/decision.ts";
import { emptyRow } from "../src/core/memory/walk-from-ring.ts";
import { type Effort, type Figure, type Finding, median, quantile } from "./figures.ts";

const PROCESSES = 500;
const TICKS_PER_SECOND = 100;
const CORES = 64;
const WALKS = 30;
const SPINNER = 4000;
const NOBODY: ReadonlySet<string> = new Set();

/** Who creates the load, of 500 processes: from a walk that has just come in to the ranking with its members. */
export function benchCpuChoose({ smoke }: Effort): Finding {
  const rounds = smoke ? 20 : 1000;
  const times: number[] = [];
  let right = 0;
  for (let round = -Math.ceil(rounds / 4); round < rounds; round++) {
    const host = new Host();
    host.walk(WALKS);
    const { tookMs, chosen } = host.choose();
    if (round < 0) continue;
    times.push(tookMs);
    if (chosen === SPINNER) right++;
  }
  if (right !== rounds)
    throw new Error(`expected the spinning process in all ${rounds} rounds, found ${right}`);
  const figure = (name: string, ours: number, limit: number | null): Figure => ({
    name,
    unit: "ms",
    ours,
    reference: null,
    against: null,
    ratio: null,
    target: limit === null ? null : { of: "ours", limit, inclusive: false },
    note: `${PROCESSES} processes, of which one spins and 498 are busy for 5 to 30 %; by the clock, ${rounds} rounds`,
  });
  return {
    bench: "cpu-choose",
    figures: [
      figure("CPU culprit chosen, median", median(times), 20),
      figure("CPU culprit chosen, p99", quantile(times, 0.99), 20),
    ],
    evidence: [`the spinning process was the first of the ranking in ${right} of ${rounds} rounds`],
  };
}

/** A host of busy processes in trees of ten, and one that spins. */
class Host {
  readonly #loads = new ProcessLoads();
  readonly #rows: MutableProcessRow[] = [];
  #timeUs = 1e9;

  constructor() {
    for (let i = 0; i < PROCESSES; i++) {
      const pid = i === PROCESSES / 2 ? SPINNER : i + 1;
      const leader = pid === SPINNER ? pid : pid - (pid % 10) || 1;
      this.#rows.push({
        ...emptyRow(),
        pid,
        startTicks: i,
        ppid: pid === 1 ? 0 : pid === leader ? 1 : leader,
        processGroup: leader,
        session: leader,
      });
    }
  }

  walk(times: number): void {
    for (let i = 0; i < times; i++) {
      this.#timeUs += 1e6;
      for (const row of this.#rows)
        row.cpuTicks += row.pid === SPINNER ? 100 : row.pid === 1 ? 0 : 5 + ((row.pid * 7919) % 26);
      this.#take();
    }
  }

  choose(): { tookMs: number; chosen: number } {
    this.#timeUs += 1e6;
    for (const row of this.#rows) row.cpuTicks += row.pid === SPINNER ? 100 : 10;
    const beganMs = performance.now();
    this.#take();
    const question: CulpritQuestion = {
      processes: this.#rows,
      useOf: (row) => this.#loads.of(row),
      departedOfGroup: (group) => this.#loads.departedOfGroup(group),
      cores: CORES,
      running: CORES,
      excessCores: 0.1 * CORES,
      unit: "auto",
      ownPid: 2,
      settled: NOBODY,
    };
    const { candidates } = rankCulprits(question);
    return { tookMs: performance.now() - beganMs, chosen: candidates[0]?.pid ?? -1 };
  }

  #take(): void {
    const walk: Walk = {
      rows: this.#rows,
      beganUs: this.#timeUs - 3000,
      endedUs: this.#timeUs,
      nowTicks: (this.#timeUs / 1e6) * TICKS_PER_SECOND,
      leftOut: 0,
    };
    const terms = { ticksPerSecond: TICKS_PER_SECOND, cores: CORES, intervalMs: 1000, window: 60 };
    this.#loads.take(walk, terms, NOBODY);
  }
}
