import { Net, NET_COLUMNS } from "../src/core/net/columns.ts";
import type { Policy } from "../src/core/policy/policy.ts";
import { RESOURCE_ROWS_PER_SEGMENT, RESOURCE_SEGMENTS } from "../src/core/resources/tables.ts";
import { RingReader } from "../src/core/ring/reader.ts";
import { createRing } from "../src/core/ring/views.ts";
import { monotonicUs } from "../src/workers/common/clock.ts";
import type { WorkerContext } from "../src/workers/common/worker.ts";
import { InterfaceSampler } from "../src/workers/sampler/host/interface-sampler.ts";
import { cpuUsOf, type Effort, type Figure, type Finding, median, ratioOf } from "./figures.ts";
import { buildReference, ReferenceProgram } from "./reference-program.ts";

const WARMING = 10;

/** The interfaces' sample: /proc/net/dev read, parsed and put into the ring, against C that does the same. */
export async function benchInterfaceSampler({ smoke }: Effort): Promise<Finding> {
  const rounds = smoke ? 4 : 60;
  const samples = smoke ? 100 : 1000;
  const sampler = new OwnSampler();
  const built = buildReference("net");
  const reference = built.path === undefined ? null : ReferenceProgram.start(built.path);
  const ours: number[] = [];
  const theirs: number[] = [];
  let evidence = built.path === undefined ? `without C: ${built.reason}` : "";
  for (let round = -WARMING; round < rounds; round++) {
    const before = sampler.seen();
    const ownUs = sampler.sampleUs(samples);
    const answer = reference === null ? null : (await reference.ask(String(samples))).split(" ").map(Number);
    // The rounds below 0 are for compiling; nobody counts them.
    if (round < 0) continue;
    ours.push(ownUs);
    if (answer === null) continue;
    theirs.push(answer[0] as number);
    if (round === rounds - 1) evidence = agreement(before, answer.slice(1), sampler.seen());
  }
  sampler.close();
  await reference?.stop();
  const figure: Figure = {
    name: "interface sample",
    unit: "µs",
    ours: median(ours),
    reference: theirs.length === 0 ? null : median(theirs),
    against: "C",
    ratio: theirs.length === 0 ? null : ratioOf(ours, theirs),
    target: { of: "ratio", limit: 1.2, inclusive: true },
    note: `/proc/net/dev, a row an interface; CPU time, ${rounds} rounds of ${samples} samples, in turn`,
  };
  return { bench: "interfaces", figures: [figure], evidence: [evidence] };
}

interface Seen {
  readonly interfaces: number;
  readonly receivedBytes: number;
}

class OwnSampler {
  readonly #sampler: InterfaceSampler;
  readonly #rows: RingReader;
  readonly #frame = new Float64Array(NET_COLUMNS.length);

  constructor() {
    const net = createRing({
      columns: NET_COLUMNS,
      rowsPerSegment: RESOURCE_ROWS_PER_SEGMENT,
      segments: RESOURCE_SEGMENTS,
    });
    // Of a worker it needs its ring, where the kernel's files are, and whether anybody wants samples.
    const policy = { net: { enabled: true, rates: { intervalMs: 1000 } } } as unknown as Policy;
    const start = { resourceRings: { net }, roots: { proc: "/proc" }, policy };
    const context = { start, onlyRecords: false, log: () => undefined } as unknown as WorkerContext;
    this.#sampler = new InterfaceSampler(context, () => undefined);
    this.#rows = new RingReader(net);
  }

  sampleUs(samples: number): number {
    const us = cpuUsOf(() => {
      for (let i = 0; i < samples; i++) this.#sampler.sample(monotonicUs());
    });
    return us / samples;
  }

  /** One more sample, as it stands in the ring. */
  seen(): Seen {
    this.#rows.newest(this.#frame);
    this.#sampler.sample(monotonicUs());
    let [interfaces, receivedBytes] = [0, 0];
    for (; this.#rows.next(this.#frame); interfaces++)
      receivedBytes += this.#frame[Net.receivedBytes] as number;
    return { interfaces, receivedBytes };
  }

  close(): void {
    this.#sampler.close();
  }
}

/** @throws Error when the two sides did not parse the same */
function agreement(before: Seen, theirs: readonly number[], after: Seen): string {
  const [interfaces, receivedBytes] = theirs as [number, number];
  if (interfaces !== after.interfaces)
    throw new Error(`expected ${interfaces} interfaces as in C, found ${after.interfaces}`);
  const [first, last] = [before.receivedBytes, after.receivedBytes];
  if (!(first <= receivedBytes && receivedBytes <= last))
    throw new Error(
      `C's ${receivedBytes} bytes received are not between ours before, ${first}, and after, ${last}`,
    );
  return `${interfaces} interfaces on both sides; bytes received in order: ${first} ${receivedBytes} ${last}`;
}
