import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type Manifest, rowsSaid } from "../src/core/dataset/manifest.ts";
import { systemUnits } from "../src/native/system.ts";
import { findMemoryHierarchy } from "../src/workers/common/cgroup-path.ts";
import { readManifestFile } from "../src/workers/common/manifest-file.ts";
import { projectRoot } from "../test/programs/build.ts";
import type { Effort, Figure, Finding } from "./figures.ts";
import { cpuNs, cpuTicks, residentBytes } from "./process-facts.ts";
import { scopeObstacle } from "./scope.ts";

const NEST = "plimsoll-bench-rec";
const COUNT = 1000;
const INTERVAL_MS = 100;
const TARGET_PERCENT = 5;
const START_LIMIT_MS = 20_000;
/** A recording that has run for a while: what runs often has been compiled by then. */
const WARM_MS = 15_000;
const MEASURE_MS = 20_000;
const SMOKE = { count: 50, warmMs: 500, measureMs: 1500 };

interface Run {
  readonly count: number;
  readonly warmMs: number;
  readonly measureMs: number;
}

/** What a recording costs: processor time and bytes, of `plimsoll record` as it is shipped. */
export async function benchRecording({ smoke }: Effort): Promise<Finding> {
  const obstacle = scopeObstacle();
  if (obstacle !== null) return { bench: "recording", figures: [], evidence: [`not measured: ${obstacle}`] };
  const run = smoke ? SMOKE : { count: COUNT, warmMs: WARM_MS, measureMs: MEASURE_MS };
  const nest = new Nest(run.count);
  try {
    const usual = await measure(nest.name, [], run);
    const often = await measure(nest.name, ["--stat-every", "10"], run);
    return {
      bench: "recording",
      figures: figuresOf(run, usual, often),
      evidence: [...usual.evidence, peers()],
    };
  } finally {
    nest.remove();
  }
}

interface Measured {
  readonly percent: number;
  readonly bytesPerSample: number;
  readonly evidence: readonly string[];
}

/** Empty cgroups of our own: the kernel has no less to do for them. */
class Nest {
  readonly name = `/${NEST}-${process.pid}`;
  readonly #directory: string;
  readonly #names: readonly string[];

  constructor(count: number) {
    this.#directory = path.join(findMemoryHierarchy("/sys/fs/cgroup")?.root ?? "", this.name);
    this.#names = Array.from({ length: count }, (_, i) => `c${i}`);
    fs.mkdirSync(this.#directory);
    for (const name of this.#names) fs.mkdirSync(path.join(this.#directory, name));
  }

  remove(): void {
    for (const name of this.#names) fs.rmdirSync(path.join(this.#directory, name));
    fs.rmdirSync(this.#directory);
  }
}

async function measure(nest: string, args: readonly string[], run: Run): Promise<Measured> {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-bench-"));
  const directory = path.join(home, "set");
  const pattern = ["--cgroup", `${nest}/*`, "--interval", `${INTERVAL_MS}ms`];
  const recorder = await startRecorder(["--out", directory, ...pattern, ...args]);
  try {
    await pause(run.warmMs);
    const pid = recorder.pid as number;
    const before = { ticks: cpuTicks(pid), ns: cpuNs(pid), atMs: performance.now() };
    await pause(run.measureMs);
    const tookMs = performance.now() - before.atMs;
    const percent = (((cpuTicks(pid) - before.ticks) / systemUnits().ticksPerSecond) * 1e5) / tookMs;
    const schedPercent = ((cpuNs(pid) - before.ns) / 1e6 / tookMs) * 100;
    const resident = residentBytes(pid) / 2 ** 20;
    await ended(recorder);
    const manifest = readManifestFile(directory);
    return { percent, ...sizes(manifest), evidence: [evidenceOf(manifest, schedPercent, resident)] };
  } finally {
    recorder.kill("SIGKILL");
    fs.rmSync(home, { recursive: true, force: true });
  }
}

function sizes({ segments, ...manifest }: Manifest): { readonly bytesPerSample: number } {
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  return { bytesPerSample: bytes / rowsSaid({ ...manifest, segments }).usage };
}

function evidenceOf(manifest: Manifest, schedPercent: number, residentMiB: number): string {
  const { usage, detail } = rowsSaid(manifest);
  const lost = Object.values(manifest.lostRows).reduce((sum, each) => sum + each, 0);
  return `${usage} rows of usage, ${detail} of details, ${lost} lost, ${manifest.missedTicks} ticks missed, complete: ${manifest.complete}; by schedstat ${schedPercent.toFixed(2)} % of a core; resident ${residentMiB.toFixed(0)} MiB`;
}

function figuresOf({ count, measureMs }: Run, usual: Measured, often: Measured): Figure[] {
  const what = `recording ${count.toLocaleString("en-US")} cgroups at ${1000 / INTERVAL_MS} Hz`;
  const plain = { reference: null, against: null, ratio: null, target: null } as const;
  return [
    {
      ...plain,
      name: `${what}, CPU of one core`,
      unit: "%",
      ours: usual.percent,
      target: { of: "ours", limit: TARGET_PERCENT, inclusive: false },
      note: `${measureMs / 1000} s of the whole process (/proc/PID/stat); details every 5 s, which is the default`,
    },
    {
      ...plain,
      name: `${what}, details every second`,
      unit: "%",
      ours: often.percent,
      note: "--stat-every 10",
    },
    {
      ...plain,
      name: "bytes per sample of usage",
      unit: "B",
      ours: usual.bytesPerSample,
      note: "all tables' bytes by the usage table's rows",
    },
    {
      ...plain,
      name: "the same, details every second",
      unit: "B",
      ours: often.bytesPerSample,
      note: "--stat-every 10",
    },
  ];
}

/** What others that record write for a sample of theirs, where they are installed. */
function peers(): string {
  return `bytes per sample of others: ${["sar", "below"].map((name) => `${name}: ${peerBytes(name)}`).join("; ")}`;
}

function peerBytes(name: string): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-bench-"));
  const file = path.join(directory, "sa");
  try {
    if (name === "below") {
      execFileSync("below", ["--version"], { stdio: "pipe" });
      return "present, not measured: it records by its own daemon only";
    }
    // Two runs, so that the file's head falls out. sar knows no cgroups.
    const bytes = [2, 6].map((count) => {
      execFileSync("sar", ["-r", "-o", `${file}${count}`, "1", String(count)], { stdio: "pipe" });
      return fs.statSync(`${file}${count}`).size;
    }) as [number, number];
    return `${((bytes[1] - bytes[0]) / 4).toFixed(0)} B a sample, which is of the host alone`;
  } catch {
    return "not present";
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

async function startRecorder(args: readonly string[]): Promise<ChildProcess> {
  const bin = path.join(projectRoot, "dist/src/main/cli/bin.js");
  const child = spawn(process.execPath, [bin, "record", ...args], { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const deadline = performance.now() + START_LIMIT_MS;
  while (!/recording \d+ cgroups/.test(stderr)) {
    if (child.exitCode !== null || performance.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`expected the recording to begin, found: ${stderr}`);
    }
    await pause(20);
  }
  return child;
}

async function ended(child: ChildProcess): Promise<void> {
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGINT");
  await gone;
}
