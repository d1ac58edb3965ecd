import { MEMORY_COLUMNS, Mem } from "../src/core/samples.ts";
import { HostMemoryReader } from "../src/workers/sampler/memory/host-reader.ts";
import { cpuUsOf, type Effort, type Figure, type Finding, median, ratioOf } from "./figures.ts";
import { buildReference, ReferenceProgram } from "./reference-program.ts";

const FIRST = Mem.totalBytes;
const FIELDS = Mem.fullStallUs - Mem.totalBytes + 1;
/** What the kernel does not change from one read to the next: equal on both sides, or one side parsed something else. */
const CONSTANT = [Mem.swapTotalBytes, Mem.commitLimitBytes];
/** What only grows: the reference's value lies between ours before and ours after. */
const GROWING = [Mem.swappedInPages, Mem.swappedOutPages, Mem.majorFaults, Mem.someStallUs, Mem.fullStallUs];

/** The host's sample: meminfo, vmstat and pressure/memory read and parsed, against C that does the same. */
export async function benchHostSample({ smoke }: Effort): Promise<Finding> {
  const rounds = smoke ? 4 : 60;
  const samples = smoke ? 100 : 1000;
  const reader = new HostMemoryReader("/proc");
  const frame = new Float64Array(MEMORY_COLUMNS.length);
  const built = buildReference("sample");
  const reference = built.path === undefined ? null : ReferenceProgram.start(built.path);
  const ours: number[] = [];
  const theirs: number[] = [];
  let evidence = built.path === undefined ? `without C: ${built.reason}` : "";
  for (let round = -2; round < rounds; round++) {
    const before = Float64Array.from(frame);
    const ownUs = sampleUs(reader, frame, samples);
    const answer = reference === null ? null : (await reference.ask(String(samples))).split(" ").map(Number);
    // Two rounds of each first, that nobody counts: code is compiled, files are in the cache.
    if (round < 0) continue;
    ours.push(ownUs);
    if (answer === null) continue;
    theirs.push(answer[0] as number);
    if (round > 0 && round === rounds - 1) {
      const after = Float64Array.from(frame);
      reader.read(after);
      evidence = agreement(before, answer.slice(1), after);
    }
  }
  reader.close();
  await reference?.stop();
  const figure: Figure = {
    name: "host sample",
    unit: "µs",
    ours: median(ours),
    reference: theirs.length === 0 ? null : median(theirs),
    against: "C",
    ratio: theirs.length === 0 ? null : ratioOf(ours, theirs),
    target: { of: "ratio", limit: 1.1, inclusive: true },
    note: `${FIELDS} fields of meminfo, vmstat and pressure/memory; ${rounds} rounds of ${samples} samples, in turn`,
  };
  return { bench: "sample", figures: [figure], evidence: [evidence] };
}

function sampleUs(reader: HostMemoryReader, frame: Float64Array, samples: number): number {
  const us = cpuUsOf(() => {
    for (let i = 0; i < samples; i++) reader.read(frame);
  });
  return us / samples;
}

/** @throws Error when the two sides did not parse the same */
function agreement(before: Float64Array, theirs: readonly number[], after: Float64Array): string {
  if (theirs.length !== FIELDS) throw new Error(`expected ${FIELDS} fields from C, found ${theirs.length}`);
  const of = (column: number): number => theirs[column - FIRST] as number;
  let found = 0;
  for (let column = FIRST; column < FIRST + FIELDS; column++) {
    const own = after[column] as number;
    if (Number.isNaN(own) !== of(column) < 0) {
      throw new Error(`${MEMORY_COLUMNS[column]?.name}: we read ${own}, C read ${of(column)} (-1 is absent)`);
    }
    if (!Number.isNaN(own)) found++;
  }
  for (const column of CONSTANT) {
    if (of(column) !== after[column])
      throw new Error(`${MEMORY_COLUMNS[column]?.name}: expected equal numbers`);
  }
  for (const column of GROWING) {
    const inOrder = !(of(column) < (before[column] as number)) && !(of(column) > (after[column] as number));
    if (!inOrder && !Number.isNaN(after[column])) {
      throw new Error(`${MEMORY_COLUMNS[column]?.name}: C's number is not between ours before and after`);
    }
  }
  const checksum = CONSTANT.reduce((sum, column) => sum + of(column), 0);
  return `both found ${found} of ${FIELDS} fields; checksum of the constant ones ${checksum} on both sides; counters in order`;
}
