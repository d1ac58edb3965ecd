import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { systemUnits } from "../src/native/system.ts";
import { type Effort, type Figure, type Finding, median, ratioOf } from "./figures.ts";
import { BenchGuard } from "./guard.ts";
import { cpuNs, cpuTicks, descriptorsOf, residentBytes } from "./process-facts.ts";

const MIB = 1024 * 1024;
const MEASURE_MS = 30_000;
/** Starting is not being idle: code is compiled, and what it left is collected, for some seconds after. */
const SETTLE_MS = 15_000;
const SMOKE_MS = 3000;
const SMOKE_SETTLE_MS = 500;
const LOOKS = 10;

/** The guard of a calm host at default rates, beside a bare Node process with as many workers. */
export async function benchIdle({ smoke }: Effort): Promise<Finding> {
  return measureIdle("idle", [], smoke);
}

/** The same with every resource on (profile ork), where nothing is acted on. */
export async function benchIdleAll({ smoke }: Effort): Promise<Finding> {
  return measureIdle("idle-all", ["--profile", "ork", "--dry-run"], smoke);
}

async function measureIdle(bench: Terms["bench"], args: readonly string[], smoke: boolean): Promise<Finding> {
  const guard = await BenchGuard.start(["--scope", "host", ...args]);
  const workers = guard.workers();
  const bare = await startBare(workers);
  try {
    await pause(smoke ? SMOKE_SETTLE_MS : SETTLE_MS);
    const terms: Terms = { bench, workers, ms: smoke ? SMOKE_MS : MEASURE_MS };
    return await measure(guard.pid, bare.pid, terms);
  } finally {
    await guard.stop();
    bare.kill();
  }
}

interface Terms {
  readonly bench: "idle" | "idle-all";
  readonly workers: number;
  readonly ms: number;
}

interface Bare {
  readonly pid: number;
  kill(): void;
}

/** A bare Node process with as many idle workers as the guard has. */
async function startBare(workers: number): Promise<Bare> {
  const program = fileURLToPath(new URL("bare-worker.js", import.meta.url));
  const child = spawn(process.execPath, [program, String(workers)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return { pid: child.pid as number, kill: () => child.kill("SIGKILL") };
}

async function measure(guard: number, bare: number, terms: Terms): Promise<Finding> {
  const { bench, ms } = terms;
  const began = performance.now();
  const before = { guardNs: cpuNs(guard), bareNs: cpuNs(bare), ticks: cpuTicks(guard) };
  const guardBytes: number[] = [];
  const bareBytes: number[] = [];
  for (let look = 0; look < LOOKS; look++) {
    await pause(ms / LOOKS);
    guardBytes.push(residentBytes(guard));
    bareBytes.push(residentBytes(bare));
  }
  const elapsedMs = performance.now() - began;
  const percentOf = (ns: number): number => (ns / 1e6 / elapsedMs) * 100;
  const guardPercent = percentOf(cpuNs(guard) - before.guardNs);
  const barePercent = percentOf(cpuNs(bare) - before.bareNs);
  const ticksMs = ((cpuTicks(guard) - before.ticks) / systemUnits().ticksPerSecond) * 1000;
  const { ofProcesses, others } = descriptorsOf(guard);
  return {
    bench,
    figures: [
      cpuFigure(guardPercent, barePercent, elapsedMs, bench),
      residentFigure(guardBytes, bareBytes, terms),
    ],
    evidence: [
      `by utime and stime of /proc/PID/stat: ${((ticksMs / elapsedMs) * 100).toFixed(2)} % of a core`,
      `descriptors: ${ofProcesses} of processes, ${others} others`,
    ],
  };
}

function cpuFigure(ours: number, reference: number, elapsedMs: number, bench: Terms["bench"]): Figure {
  const all = bench === "idle-all";
  return {
    name: `${NAMES[bench]}, CPU of one core`,
    unit: "%",
    ours,
    reference,
    against: "bare Node",
    ratio: null,
    target: { of: "ours", limit: all ? 1 : 0.5, inclusive: false },
    note: `${Math.round(elapsedMs / 1000)} s at default rates, all threads (schedstat)`,
  };
}

const NAMES = { idle: "idle", "idle-all": "idle, all resources" } as const;

function residentFigure(
  ours: readonly number[],
  reference: readonly number[],
  { bench, workers }: Terms,
): Figure {
  const all = bench === "idle-all";
  return {
    name: `${NAMES[bench]}, resident`,
    unit: "MiB",
    ours: median(ours) / MIB,
    reference: median(reference) / MIB,
    against: "bare Node",
    ratio: ratioOf(ours, reference),
    target: all
      ? { of: "ours", limit: 130, inclusive: false }
      : { of: "ratio", limit: 1.15, inclusive: true },
    note: `VmRSS; bare is Node with ${workers} workers blocked in Atomics.wait`,
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
