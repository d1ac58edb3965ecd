import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type DataShape, writeDataset } from "./calibrate-data.ts";
import { type Effort, type Figure, type Finding, median, ratioOf } from "./figures.ts";

const FULL: DataShape = { cgroups: 50, samplesEach: 2_000_000 };
const SMOKE: DataShape = { cgroups: 50, samplesEach: 4000 };
const ROUNDS = { full: 5, smoke: 1 };
const BYTES_PER_ROW = 21;
const LOOK_MS = 10;
const MIB = 2 ** 20;

const COMMAND = fileURLToPath(new URL("../src/main/cli/bin.js", import.meta.url));
const POLARS = fileURLToPath(new URL("./calibrate-polars-worker.js", import.meta.url));

interface Ran {
  readonly ms: number;
  /** The highest that the process was resident. */
  readonly peakBytes: number;
  readonly output: string;
}

/**
 * `plimsoll calibrate` over 100 million samples against nodejs-polars' grouped min, max and median of the same files:
 * both a process from its start to its end, in turn. The files are in the page cache, of which they were just written.
 */
export async function benchCalibrate({ smoke }: Effort): Promise<Finding> {
  const shape = smoke ? SMOKE : FULL;
  const samples = shape.cgroups * shape.samplesEach;
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-bench-calibrate-"));
  try {
    needSpace(directory, samples * BYTES_PER_ROW);
    const dataset = path.join(directory, "dataset");
    const segments = writeDataset(dataset, shape).map((file) => withPolarsName(file));
    const ours: Ran[] = [];
    const theirs: Ran[] = [];
    for (let round = 0; round < (smoke ? ROUNDS.smoke : ROUNDS.full); round++) {
      ours.push(await run([COMMAND, "calibrate", dataset]));
      theirs.push(await run([POLARS, ...segments]));
    }
    const same = compare((ours[0] as Ran).output, (theirs[0] as Ran).output);
    const evidence = [`${samples} samples of ${shape.cgroups} cgroups, ${segments.length} segments; ${same}`];
    return { bench: "calibrate", figures: figuresOf(ours, theirs, samples), evidence };
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

/** @throws Error when the data would fill the disk */
function needSpace(directory: string, bytes: number): void {
  const { bavail, bsize } = fs.statfsSync(directory);
  if (bavail * bsize < bytes * 2)
    throw new Error(`expected ${bytes * 2} bytes free in ${directory}, found ${bavail * bsize}`);
}

/** polars reads a file by its path, which is its fastest way, only under this name. */
function withPolarsName(file: string): string {
  const link = file.replace(/\.arrow$/, ".ipc");
  fs.symlinkSync(file, link);
  return link;
}

async function run(args: readonly string[]): Promise<Ran> {
  const begin = performance.now();
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const end = new Promise<number | null>((resolve) => child.once("close", resolve));
  const ended = end.then((code) => ({ code, ms: performance.now() - begin }));
  let peakBytes = 0;
  for (;;) {
    peakBytes = Math.max(peakBytes, peakOf(child.pid));
    const done = await Promise.race([ended, sleep(LOOK_MS)]);
    if (done === undefined) continue;
    if (done.code !== 0) throw new Error(`${args[0]} ended with ${done.code}`);
    return { ms: done.ms, peakBytes, output };
  }
}

/** VmHWM of /proc/PID/status (proc(5)), in bytes; 0 when the process is gone. */
function peakOf(pid: number | undefined): number {
  try {
    const match = /^VmHWM:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, "latin1"));
    return Number(match?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** @throws Error when one figure differs: then neither time means anything */
function compare(ours: string, theirs: string): string {
  const own = Object.entries(JSON.parse(ours) as Record<string, Record<string, number>>);
  const polars = JSON.parse(theirs) as Record<string, Record<string, number>>;
  let figures = 0;
  for (const [cgroup, entry] of own) {
    for (const [name, value] of Object.entries(entry)) {
      const other = Number(polars[path.basename(cgroup)]?.[name]);
      if (value !== other) throw new Error(`${name} of ${cgroup}: ours ${value}, polars' ${other}`);
      figures++;
    }
  }
  if (own.length !== Object.keys(polars).length) throw new Error("not the same cgroups");
  return `${figures} figures, all equal to polars'`;
}

function figuresOf(ours: readonly Ran[], theirs: readonly Ran[], samples: number): Figure[] {
  const of = (runs: readonly Ran[], figure: (run: Ran) => number): number[] => runs.map(figure);
  const figure = (name: string, unit: string, value: (run: Ran) => number): Figure => ({
    name,
    unit,
    ours: median(of(ours, value)),
    reference: median(of(theirs, value)),
    against: "nodejs-polars",
    ratio: ratioOf(of(ours, value), of(theirs, value)),
    target: null,
    note: `${ours.length} rounds in turn, whole processes`,
  });
  const time = figure(`calibrate ${samples / 1e6} million samples`, "ms", ({ ms }) => ms);
  return [
    { ...time, target: { of: "ratio", limit: 1, inclusive: true } },
    figure("its peak of resident memory", "MiB", ({ peakBytes }) => peakBytes / MIB),
  ];
}
