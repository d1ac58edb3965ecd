import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { projectRoot } from "../test/programs/build.ts";
import { type Effort, type Figure, type Finding, quantile } from "./figures.ts";
import { BenchGuard } from "./guard.ts";

const GROW = path.join(projectRoot, "dist/test/programs/grow.js");
/** The critical line lies so much of the host's memory above what is in use when a round begins. */
const ABOVE_SHARE = 0.015;
/** Until it is crossed: memory that others held may come back for seconds after they are gone. */
const GROWTH_SHARE = 0.1;
const RATE_MIBS = 500;
const MIB = 1024 * 1024;
const MEDIAN_LIMIT_MS = 5;
const ROUND_LIMIT_MS = 30_000;
const CALM_MS = 500;

/** From the sample of the host's memory that showed an application's critical line crossed to the return of its signal. */
export async function benchAppSignal({ smoke }: Effort): Promise<Finding> {
  if (os.totalmem() - os.freemem() > os.totalmem() * 0.85)
    return {
      bench: "app-signal",
      figures: [],
      evidence: ["not measured: the host has no room to grow into"],
    };
  const rounds = smoke ? 2 : 25;
  const seen: number[] = [];
  let missed = 0;
  for (let round = 0; round < rounds; round++) {
    const tookMs = await play();
    if (tookMs === null) missed++;
    else seen.push(tookMs);
  }
  const at = (q: number): number => Math.round(quantile(seen, q) * 1000) / 1000;
  const figure = (name: string, q: number, limit: number | null): Figure => ({
    name: `an application's line crossed to its signal, ${name}`,
    unit: "ms",
    ours: at(q),
    reference: null,
    against: null,
    ratio: null,
    target: limit === null ? null : { of: "ours", limit, inclusive: false },
    note: "from the sample that showed it to the return of pidfd_send_signal, by the audit log; the first signal of each guard's life",
  });
  const evidence = [
    `signalled ${seen.length} of ${rounds}, missed ${missed}; min ${at(0)}, median ${at(0.5)}, p90 ${at(0.9)}, max ${at(1)} ms`,
  ];
  return {
    bench: "app-signal",
    figures: [figure("median", 0.5, MEDIAN_LIMIT_MS), figure("p90", 0.9, null)],
    evidence,
  };
}

/** One guard, one application, one growth. @returns milliseconds; null: it was not signalled */
async function play(): Promise<number | null> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-bench-app-"));
  const application = spawn("/bin/sh", ["-c", "trap 'exit 0' USR1; while :; do sleep 0.1; done", directory], {
    stdio: "ignore",
  });
  let growing: ChildProcess | null = null;
  const guard = await BenchGuard.start(["--scope", "host"], policyFor(directory));
  try {
    await new Promise((resolve) => setTimeout(resolve, CALM_MS));
    const toMib = Math.ceil((os.totalmem() * GROWTH_SHARE) / MIB);
    growing = spawn(process.execPath, [GROW, "--to", String(toMib), "--rate", String(RATE_MIBS)], {
      stdio: ["pipe", "ignore", "inherit"],
    });
    growing.stdin?.write("go\n");
    return await signalledMs(guard.auditPath);
  } finally {
    // What they hold counts as used for as long as they are there: the next round's line is drawn above that.
    for (const child of [growing, application]) await ended(child);
    await guard.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

async function ended(child: ChildProcess | null): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

function policyFor(directory: string): string {
  const text = fs.readFileSync("/proc/meminfo", "utf8");
  const of = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(text)?.[1]);
  const line = 1 - of("MemAvailable") / of("MemTotal") + ABOVE_SHARE;
  return `[[applications]]
name = "bench"
groups = [{ name = "sh", cmdline = '^/bin/sh .*${directory}$' }]
allocated = false
[applications.physical]
hysteresis = "0.5%"
[applications.physical.warning]
used = "${((line - 0.001) * 100).toFixed(3)}%"
ladder = ["log"]
[applications.physical.critical]
used = "${(line * 100).toFixed(3)}%"
ladder = [{ action = "signal", signal = "SIGUSR1", deadline = "5s" }]
`;
}

interface Step {
  readonly what: string;
  readonly afterMs: number;
  readonly tookMs: number;
}

async function signalledMs(auditPath: string): Promise<number | null> {
  const deadline = performance.now() + ROUND_LIMIT_MS;
  for (;;) {
    for (const line of fs.readFileSync(auditPath, "utf8").split("\n").slice(0, -1)) {
      const entry = JSON.parse(line) as { event: string; verb?: string; steps?: readonly Step[] };
      const step = entry.verb === "signal" ? entry.steps?.find(({ what }) => what === "SIGUSR1") : undefined;
      if (step !== undefined) return step.afterMs + step.tookMs;
    }
    if (performance.now() > deadline) return null;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
