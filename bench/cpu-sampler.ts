import { CPU_COLUMNS, Cpu } from "../src/core/cpu/columns.ts";
import { RESOURCE_ROWS_PER_SEGMENT, RESOURCE_SEGMENTS } from "../src/core/resources/tables.ts";
import { RingReader } from "../src/core/ring/reader.ts";
import { createRing } from "../src/core/ring/views.ts";
import { RingWriter } from "../src/core/ring/writer.ts";
import { systemUnits } from "../src/native/system.ts";
import { monotonicUs } from "../src/workers/common/clock.ts";
import { CpuReader } from "../src/workers/sampler/host/cpu-reader.ts";
import { cpuUsOf, type Effort, type Figure, type Finding, median, ratioOf } from "./figures.ts";
import { buildReference, ReferenceProgram } from "./reference-program.ts";

const WARMING = 10;

/** What the reference answers after its time. */
interface Seen {
  readonly rows: number;
  readonly busyUs: number;
  readonly stallUs: number;
}

/** The processors' sample: /proc/stat and /proc/pressure/cpu read, parsed and put into the ring, against C that does the same. */
export async function benchCpuSampler({ smoke }: Effort): Promise<Finding> {
  const rounds = smoke ? 4 : 60;
  const samples = smoke ? 100 : 1000;
  const ours = new OwnSampler();
  const built = buildReference("host");
  const reference = built.path === undefined ? null : ReferenceProgram.start(built.path, ["cpu"]);
  const own: number[] = [];
  const theirs: number[] = [];
  let evidence = built.path === undefined ? `without C: ${built.reason}` : "";
  for (let round = -WARMING; round < rounds; round++) {
    const before = ours.newest();
    const ownUs = ours.sampleUs(samples);
    const answer = reference === null ? null : (await reference.ask(String(samples))).split(" ").map(Number);
    // The rounds below 0 are for compiling, and for files to come into the cache; nobody counts them.
    if (round < 0) continue;
    own.push(ownUs);
    if (answer === null) continue;
    theirs.push(answer[0] as number);
    if (round !== rounds - 1) continue;
    ours.sampleUs(1);
    const [, rows, busyUs, , , , stallUs] = answer as [number, ...number[]];
    const seen = { rows: rows as number, busyUs: busyUs as number, stallUs: stallUs as number };
    evidence = agreement(before, seen, ours.newest());
  }
  ours.close();
  await reference?.stop();
  const figure: Figure = {
    name: "cpu sample",
    unit: "µs",
    ours: median(own),
    reference: theirs.length === 0 ? null : median(theirs),
    against: "C",
    ratio: theirs.length === 0 ? null : ratioOf(own, theirs),
    target: { of: "ratio", limit: 1.2, inclusive: true },
    note: `/proc/stat and pressure/cpu, a row a processor; CPU time, ${rounds} rounds of ${samples} samples, in turn`,
  };
  return { bench: "cpu", figures: [figure], evidence: [evidence] };
}

class OwnSampler {
  readonly #reader = new CpuReader("/proc", systemUnits().ticksPerSecond);
  readonly #writer: RingWriter;
  readonly #rows: RingReader;
  readonly #frame = new Float64Array(CPU_COLUMNS.length);

  constructor() {
    const ring = createRing({
      columns: CPU_COLUMNS,
      rowsPerSegment: RESOURCE_ROWS_PER_SEGMENT,
      segments: RESOURCE_SEGMENTS,
    });
    this.#writer = new RingWriter(ring);
    this.#rows = new RingReader(ring);
  }

  sampleUs(samples: number): number {
    const us = cpuUsOf(() => {
      for (let i = 0; i < samples; i++) this.#reader.sample(this.#writer, Math.floor(monotonicUs()));
    });
    return us / samples;
  }

  /** The row of all processors, as it was put last, and how many rows a sample has. */
  newest(): Seen {
    this.#rows.newest(this.#frame);
    const written = this.#writer.rows;
    this.#reader.sample(this.#writer, Math.floor(monotonicUs()));
    const rows = (this.#writer.rows - written + RESOURCE_ROWS_PER_SEGMENT) % RESOURCE_ROWS_PER_SEGMENT;
    return {
      rows,
      busyUs: this.#frame[Cpu.busyUs] as number,
      stallUs: this.#frame[Cpu.someStallUs] as number,
    };
  }

  close(): void {
    this.#reader.close();
  }
}

/** @throws Error when the two sides did not parse the same */
function agreement(before: Seen, theirs: Seen, after: Seen): string {
  if (theirs.rows !== after.rows)
    throw new Error(`expected ${theirs.rows} rows as in C, found ${after.rows}`);
  if (!(before.busyUs <= theirs.busyUs && theirs.busyUs <= after.busyUs))
    throw new Error(
      `C's busy time ${theirs.busyUs} is not between ours before, ${before.busyUs}, and after, ${after.busyUs}`,
    );
  const psi = !Number.isNaN(after.stallUs);
  if (psi !== theirs.stallUs >= 0) throw new Error("one side found PSI, the other did not");
  if (psi && !(before.stallUs <= theirs.stallUs && theirs.stallUs <= after.stallUs))
    throw new Error("C's stall time is not between ours before and after");
  return `${after.rows} rows a sample on both sides; busy time in order: ${before.busyUs} ${theirs.busyUs} ${after.busyUs} µs`;
}
