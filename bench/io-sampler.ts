import fs from "node:fs";
import { Io } from "../src/core/io/columns.ts";
import { IoReader } from "../src/workers/sampler/host/io-sampler.ts";
import { cpuUsOf, type Effort, type Figure, type Finding, median, ratioOf } from "./figures.ts";
import { buildReference, ReferenceProgram } from "./reference-program.ts";

/** What the last sample of each side came to. */
interface Sum {
  readonly devices: number;
  readonly operations: number;
  readonly stallUs: number;
}

/** The sample of block devices: diskstats and pressure/io read and parsed, against C that does the same. */
export async function benchIoSampler({ smoke }: Effort): Promise<Finding> {
  const rounds = smoke ? 4 : 60;
  const samples = smoke ? 100 : 1000;
  const sampler = new Sampler();
  const built = buildReference("io");
  const reference = built.path === undefined ? null : ReferenceProgram.start(built.path, sampler.unwanted());
  const ours: number[] = [];
  const theirs: number[] = [];
  let evidence = built.path === undefined ? `without C: ${built.reason}` : "";
  for (let round = -2; round < rounds; round++) {
    const before = sampler.sum;
    const ownUs = cpuUsOf(() => sampler.run(samples)) / samples;
    const answer = reference === null ? null : (await reference.ask(String(samples))).split(" ").map(Number);
    // Two rounds of each first, that nobody counts: code is compiled, files are in the cache.
    if (round < 0) continue;
    ours.push(ownUs);
    if (answer === null) continue;
    const [us, devices, operations, stallUs] = answer as [number, number, number, number];
    theirs.push(us);
    if (round !== rounds - 1) continue;
    sampler.run(1);
    evidence = agreement(before, { devices, operations, stallUs }, sampler.sum);
  }
  sampler.close();
  await reference?.stop();
  const figure: Figure = {
    name: "block device sample",
    unit: "µs",
    ours: median(ours),
    reference: theirs.length === 0 ? null : median(theirs),
    against: "C",
    ratio: theirs.length === 0 ? null : ratioOf(ours, theirs),
    target: { of: "ratio", limit: 1.2, inclusive: true },
    note: `diskstats and pressure/io of ${sampler.sum.devices} devices; ${rounds} rounds of ${samples} samples, in turn`,
  };
  return { bench: "io", figures: [figure], evidence: [evidence] };
}

class Sampler {
  sum: Sum = { devices: 0, operations: 0, stallUs: 0 };
  #devices = 0;
  #operations = 0;
  #stallUs = 0;

  run(samples: number): void {
    for (let i = 0; i < samples; i++) {
      this.#devices = 0;
      this.#operations = 0;
      this.#reader.read(i);
    }
    this.sum = { devices: this.#devices, operations: this.#operations, stallUs: this.#stallUs };
  }

  readonly #row = (_: unknown, frame: Float64Array): void => {
    this.#devices++;
    this.#operations += (frame[Io.reads] as number) + (frame[Io.writes] as number);
    this.#stallUs = frame[Io.someStallUs] as number;
  };

  readonly #reader = new IoReader("/proc", "/sys", ["*"], this.#row);

  /** Those that C is told to pass over, as the sampler does: partitions and memory. */
  unwanted(): string[] {
    return fs
      .readFileSync("/proc/diskstats", "utf8")
      .split("\n")
      .flatMap((line) => {
        const [major, minor, name = ""] = line.trim().split(/\s+/);
        const partition = fs.existsSync(`/sys/dev/block/${major}:${minor}/partition`);
        return partition || /^z?ram\d+$/.test(name) ? [`${major}:${minor}`] : [];
      });
  }

  close(): void {
    this.#reader.close();
  }
}

/** @throws Error when the two sides did not parse the same: theirs lies between ours before and ours after */
function agreement(before: Sum, theirs: Sum, after: Sum): string {
  if (theirs.devices !== after.devices)
    throw new Error(`expected ${after.devices} devices from C, found ${theirs.devices}`);
  for (const key of ["operations", "stallUs"] as const) {
    if (theirs[key] < before[key] || theirs[key] > after[key])
      throw new Error(`${key}: expected C's ${theirs[key]} from ${before[key]} to ${after[key]}`);
  }
  return `both found ${after.devices} devices, and operations and stall times in order`;
}
