import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type Effort, type Figure, type Finding, quantile } from "./figures.ts";
import { BenchGuard } from "./guard.ts";
import { buildReference, ReferenceProgram } from "./reference-program.ts";
import { BenchScope, cgroupObstacle, scopeObstacle } from "./scope.ts";

const MIB = 1024 * 1024;
const LIMIT_BYTES = 64 * MIB;
const FROM_MIB = 50;
const TO_MIB = 600;
const PAUSED_RATE_MIBS = 1024;
const UNPAUSED_RATE_MIBS = 200;
const ADD_MIN_BYTES = 8 * MIB;
const ADD_MAX_BYTES = 1024 * MIB;
const REACTION_MS = 100;
/** Programs that grow at the same time where nobody looks at their stalls: as many as there is memory for. */
const TOGETHER = Math.max(1, Math.min(5, Math.floor(os.totalmem() / (1536 * MIB))));
/**
 * Before its OOM handling the kernel may let a task that reclaims in vain sleep for HZ/10 (reclaim_throttle,
 * VMSCAN_THROTTLE_NOPROGRESS): that comes before anybody is told, whoever watches.
 */
const THROTTLED_US = 50_000;
const RATIO_LIMIT = 1.15;
const P99_ABOVE_LIMIT_US = 1000;
const ARMED_LIMIT_MS = 10_000;

/** What one program saw on its way: null when it was killed. */
type Stalls = readonly number[] | null;

/** A program that grows over its cgroup's limit: rescued by the guard, and by a watcher in C. */
export async function benchRescue({ smoke }: Effort): Promise<Finding> {
  const stall = buildReference("stall");
  const rescuer = buildReference("rescuer");
  const reason = scopeObstacle() ?? stall.reason ?? rescuer.reason;
  if (stall.path === undefined || rescuer.path === undefined || reason !== undefined) {
    return { bench: "rescue", figures: [], evidence: [`not measured: ${reason}`] };
  }
  const paused = await pausedRounds(stall.path, rescuer.path, smoke ? 2 : 100);
  return { bench: "rescue", figures: stallFigures(paused), evidence: evidenceOf(paused) };
}

/** The same without a pause, on cgroup v1 or v2: the limit is raised before it is met. */
export async function benchRescueAhead({ smoke }: Effort): Promise<Finding> {
  const stall = buildReference("stall");
  const reason = cgroupObstacle() ?? stall.reason;
  if (stall.path === undefined || reason !== undefined) {
    return { bench: "ahead", figures: [], evidence: [`not measured: ${reason}`] };
  }
  const rounds = await unpausedRounds(stall.path, smoke ? 2 : 100);
  const seen = rounds.flatMap((stalls) => stalls ?? []);
  const longest = seen.length === 0 ? "none" : `longest ${quantile(seen, 1).toFixed(0)} µs`;
  return {
    bench: "ahead",
    figures: [survivals(`${UNPAUSED_RATE_MIBS} MiB/s`, rounds)],
    evidence: [`pages that the programs had to wait for: ${seen.length}, ${longest}`],
  };
}

interface Paused {
  readonly ours: readonly Stalls[];
  readonly theirs: readonly Stalls[];
}

function policy(margin: string, more: string): string {
  return `[memory]\nenabled = false\n[cgroups]\nwatch = ["${pattern()}"]\nscan = "50ms"\ninterval = "100ms"
[rescue]\ncgroups = ["${pattern()}"]\nmargin = "${margin}"\nadd_min = "${ADD_MIN_BYTES}"\nadd_max = "${ADD_MAX_BYTES}"
reaction = "${REACTION_MS}ms"\nlend_max = "2000%"\nglobal_threshold = "95%"\nreturn_after = "1h"\n${more}`;
}

const pattern = (): string => `/plimsoll-bench-${process.pid}-*`;

/** The guard and the watcher in turns. */
async function pausedRounds(stall: string, rescuer: string, rounds: number): Promise<Paused> {
  const guard = await BenchGuard.start([], policy("0B", `pause = ["${pattern()}"]`));
  const ours: Stalls[] = [];
  const theirs: Stalls[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      ours.push(await guardedRound(stall, `guarded-${round}`));
      theirs.push(await watchedRound(stall, rescuer, `x-${round}`));
    }
  } finally {
    await guard.stop();
  }
  return { ours, theirs };
}

async function guardedRound(stall: string, name: string): Promise<Stalls> {
  const scope = new BenchScope(name, LIMIT_BYTES);
  try {
    return await grown(stall, scope, PAUSED_RATE_MIBS, () => isPaused(scope));
  } finally {
    await scope.remove();
  }
}

/** The same with the watcher in C; in a cgroup that the guard's pattern does not match. */
async function watchedRound(stall: string, rescuer: string, name: string): Promise<Stalls> {
  const scope = new BenchScope(name, LIMIT_BYTES, "plimsoll-reference");
  const journal = path.join(os.tmpdir(), `plimsoll-bench-${process.pid}.journal`);
  const args = [scope.directory, ADD_MIN_BYTES, ADD_MAX_BYTES, REACTION_MS * 1000, journal, "pause"];
  const watching = ReferenceProgram.start(rescuer, args.map(String));
  try {
    await watching.read();
    return await grown(stall, scope, PAUSED_RATE_MIBS, () => isPaused(scope));
  } finally {
    await watching.stop();
    await scope.remove();
    fs.rmSync(journal, { force: true });
  }
}

async function unpausedRounds(stall: string, rounds: number): Promise<readonly Stalls[]> {
  const guard = await BenchGuard.start([], policy("32MiB", ""));
  const seen: Stalls[] = [];
  try {
    while (seen.length < rounds) {
      const batch = Array.from({ length: Math.min(TOGETHER, rounds - seen.length) }, async (_, i) => {
        const scope = new BenchScope(`ahead-${seen.length + i}`, LIMIT_BYTES);
        try {
          return await grown(stall, scope, UNPAUSED_RATE_MIBS, () => guard.isWatching(scope.name));
        } finally {
          await scope.remove();
        }
      });
      seen.push(...(await Promise.all(batch)));
    }
  } finally {
    await guard.stop();
  }
  return seen;
}

const isPaused = (scope: BenchScope): boolean =>
  scope.read("memory.oom_control").startsWith("oom_kill_disable 1");

/** Lets the program grow once it is watched. @returns what it saw; null when it was killed */
async function grown(
  stall: string,
  scope: BenchScope,
  rate: number,
  watched: () => boolean,
): Promise<Stalls> {
  const args = [scope.directory, FROM_MIB, TO_MIB, rate].map(String);
  const program = ReferenceProgram.start(stall, args);
  try {
    await program.read();
    const deadline = performance.now() + ARMED_LIMIT_MS;
    while (!watched()) {
      if (performance.now() > deadline) throw new Error(`${scope.name} was not watched`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const [, ...stalls] = (await program.ask("1")).split(" ").map(Number);
    return scope.oomKills === 0 ? stalls : null;
  } catch (error) {
    if (scope.oomKills > 0) return null;
    throw error;
  } finally {
    await program.stop();
  }
}

/** All stalls but those in which the kernel itself held the program up before it told anybody. */
const waited = (rounds: readonly Stalls[]): number[] =>
  rounds.flatMap((stalls) => (stalls ?? []).filter((us) => us < THROTTLED_US));

const mean = (values: readonly number[]): number => values.reduce((sum, us) => sum + us, 0) / values.length;

function stallFigures({ ours, theirs }: Paused): Figure[] {
  const [guarded, watched] = [waited(ours), waited(theirs)];
  const ratio = mean(guarded) / mean(watched);
  const above = quantile(guarded, 0.99) - quantile(watched, 0.99);
  return [
    survivals("pause, 1 GiB/s", ours),
    {
      name: "stall at the limit, mean",
      unit: "µs",
      ours: mean(guarded),
      reference: mean(watched),
      against: "C watcher",
      ratio: { median: ratio, lower: ratio, upper: ratio },
      target: { of: "ratio", limit: RATIO_LIMIT, inclusive: true },
      note: `as the growing program sees it: ${guarded.length} stalls, beside ${watched.length}`,
    },
    {
      name: "stall at the limit, p99 above C's",
      unit: "µs",
      ours: above,
      reference: null,
      against: null,
      ratio: null,
      target: { of: "ours", limit: P99_ABOVE_LIMIT_US, inclusive: false },
      note: `p99 ${quantile(guarded, 0.99).toFixed(0)} beside ${quantile(watched, 0.99).toFixed(0)}`,
    },
  ];
}

function survivals(name: string, rounds: readonly Stalls[]): Figure {
  const killed = rounds.filter((stalls) => stalls === null).length;
  return {
    name: `killed by the kernel, ${name}`,
    unit: `of ${rounds.length}`,
    ours: killed,
    reference: null,
    against: null,
    ratio: null,
    target: { of: "ours", limit: 0, inclusive: true },
    note: `a program growing from ${FROM_MIB} to ${TO_MIB} MiB in a cgroup of ${LIMIT_BYTES / MIB} MiB`,
  };
}

function evidenceOf({ ours, theirs }: Paused): string[] {
  const line = (name: string, rounds: readonly Stalls[]): string => {
    const us = waited(rounds);
    const throttled = rounds.flatMap((stalls) => stalls ?? []).length - us.length;
    const at = (q: number): string => quantile(us, q).toFixed(0);
    return `${name}: ${us.length} stalls, median ${at(0.5)}, mean ${mean(us).toFixed(0)}, p90 ${at(0.9)}, p99 ${at(0.99)}, max ${at(1)} µs; ${throttled} times the kernel itself held it up for ${THROTTLED_US / 1000} ms or more before anybody was told`;
  };
  return [line("guard", ours), line("C watcher", theirs)];
}
