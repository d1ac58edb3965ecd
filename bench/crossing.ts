import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { build, type Histogram } from "hdr-histogram-js";
import type { Effort, Figure, Finding } from "./figures.ts";
import { BenchGuard } from "./guard.ts";
import { buildReference, ReferenceProgram } from "./reference-program.ts";
import { BenchScope, scopeObstacle } from "./scope.ts";

const MIB = 1024 * 1024;
const LIMIT_BYTES = 400 * MIB;
/** The built-in policy's critical line: 5 % available. */
const LINE_BYTES = LIMIT_BYTES * 0.95;
const RATE_MIBS = 500;
/** What the program would take if nobody ended it. */
const WANTS_BYTES = 1024 * MIB;
const CALM_MS = 300;
const MEDIAN_LIMIT_US = 2000;
const P99_LIMIT_US = 10_000;
/** Beyond this the kernel's OOM killer has been: 20 MiB at 500 MiB/s are 40 ms. */
const HIGHEST_US = 10_000_000;

/** From the crossing of the critical line in a cgroup to the signal: the guard, and a watcher in C. */
export async function benchCrossing({ smoke }: Effort): Promise<Finding> {
  const obstacle = scopeObstacle();
  const growth = buildReference("growth");
  const watcher = buildReference("watcher");
  const reason = obstacle ?? growth.reason ?? watcher.reason;
  if (growth.path === undefined || watcher.path === undefined || reason !== undefined) {
    return { bench: "crossing", figures: [], evidence: [`not measured: ${reason}`] };
  }
  const rounds = smoke ? 2 : 50;
  const seen = { guard: histogram(), audit: histogram(), watcher: histogram() };
  let signalled = 0;
  let oomKills = 0;
  for (let round = 0; round < rounds; round++) {
    const guarded = await guardRound(growth.path, round);
    const watched = await watcherRound(growth.path, watcher.path, round);
    oomKills += guarded.oomKills;
    record(seen.guard, guarded.programUs);
    record(seen.audit, guarded.auditUs);
    record(seen.watcher, watched);
    if (guarded.programUs !== null) signalled++;
  }
  return {
    bench: "crossing",
    figures: figuresOf(seen),
    evidence: evidenceOf(seen, rounds, signalled, oomKills),
  };
}

interface Seen {
  readonly guard: Histogram;
  readonly audit: Histogram;
  readonly watcher: Histogram;
}

function histogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_US,
    numberOfSignificantValueDigits: 3,
  });
}

/** Nobody signalled counts as later than anything. */
function record(into: Histogram, us: number | null): void {
  into.recordValue(us === null ? HIGHEST_US : Math.min(HIGHEST_US, Math.max(1, Math.round(us))));
}

/** A guard that was just started: what counts is the first signal of its life. */
async function guardRound(
  growth: string,
  round: number,
): Promise<{ programUs: number | null; auditUs: number | null; oomKills: number }> {
  const scope = new BenchScope(`guard-${round}`, LIMIT_BYTES);
  const guard = await BenchGuard.start(["--scope", scope.name]);
  try {
    const program = new GrowingProgram(growth, scope);
    await new Promise((resolve) => setTimeout(resolve, CALM_MS));
    const programUs = await program.run();
    const auditUs = programUs === null ? null : await guard.crossingToSignalUs(5000);
    return { programUs, auditUs, oomKills: scope.oomKills };
  } finally {
    await guard.stop();
    await scope.remove();
  }
}

async function watcherRound(growth: string, watcher: string, round: number): Promise<number | null> {
  const scope = new BenchScope(`watcher-${round}`, LIMIT_BYTES);
  const program = new GrowingProgram(growth, scope);
  const watching = ReferenceProgram.start(watcher, [
    scope.directory,
    String(LINE_BYTES),
    String(program.pid),
  ]);
  try {
    await watching.read();
    await new Promise((resolve) => setTimeout(resolve, CALM_MS));
    return await program.run();
  } finally {
    await watching.stop();
    await scope.remove();
  }
}

/** bench/reference/growth.c in a cgroup. */
class GrowingProgram {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #said: Buffer[] = [];

  constructor(path: string, scope: BenchScope) {
    const args = [scope.directory, String(LINE_BYTES), String(WANTS_BYTES), String(RATE_MIBS)];
    this.#child = spawn(path, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#child.stdout.on("data", (part: Buffer) => this.#said.push(part));
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** Lets it grow. @returns microseconds from its crossing of the line to the signal's arrival; null: no signal */
  async run(): Promise<number | null> {
    const ended = new Promise<void>((resolve) => this.#child.once("close", () => resolve()));
    this.#child.stdin.write("1\n");
    await ended;
    const said = Buffer.concat(this.#said);
    if (said.length !== 16) return null;
    const crossedUs = said.readDoubleLE(0);
    const signalledUs = said.readDoubleLE(8);
    return signalledUs === 0 ? null : crossedUs === 0 ? 0 : signalledUs - crossedUs;
  }
}

function figuresOf(seen: Seen): Figure[] {
  const at = (percentile: number, limit: number): Figure => {
    const ours = seen.guard.getValueAtPercentile(percentile);
    const reference = seen.watcher.getValueAtPercentile(percentile);
    const ratio = ours / reference;
    return {
      name: `crossing to signal, ${percentile === 50 ? "median" : `p${percentile}`}`,
      unit: "µs",
      ours,
      reference,
      against: "C watcher",
      ratio: { median: ratio, lower: ratio, upper: ratio },
      target: { of: "ours", limit, inclusive: false },
      note: "as the growing program itself sees it: its usage at the line, then the signal's arrival",
    };
  };
  const audit: Figure = {
    name: "crossing to signal, audit log",
    unit: "µs",
    ours: seen.audit.getValueAtPercentile(50),
    reference: null,
    against: null,
    ratio: null,
    target: null,
    note: "median of crossingToSignalUs: from the guard's waking to the return of pidfd_send_signal",
  };
  return [at(50, MEDIAN_LIMIT_US), at(99, P99_LIMIT_US), audit];
}

function evidenceOf(seen: Seen, rounds: number, signalled: number, oomKills: number): string[] {
  const line = (name: string, of: Histogram): string =>
    `${name}: ${of.totalCount} rounds, min ${of.minNonZeroValue}, median ${of.getValueAtPercentile(50)}, p90 ${of.getValueAtPercentile(90)}, p99 ${of.getValueAtPercentile(99)}, max ${of.maxValue} µs`;
  return [
    `signalled by the guard ${signalled} of ${rounds}; the kernel's oom_kill ${oomKills}`,
    line("guard, seen by the program", seen.guard),
    line("guard, its audit log", seen.audit),
    line("C watcher, seen by the program", seen.watcher),
  ];
}
