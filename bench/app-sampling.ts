import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { APP_COLUMNS, App } from "../src/core/app/columns.ts";
import type { ApplicationPolicy } from "../src/core/policy/applications.ts";
import { RESOURCE_ROWS_PER_SEGMENT, RESOURCE_SEGMENTS } from "../src/core/resources/tables.ts";
import { RingReader } from "../src/core/ring/reader.ts";
import { createRing } from "../src/core/ring/views.ts";
import { loadPolicy } from "../src/main/config/load-policy.ts";
import { systemUnits } from "../src/native/system.ts";
import { monotonicUs } from "../src/workers/common/clock.ts";
import { Applications } from "../src/workers/app/applications.ts";
import { projectRoot } from "../test/programs/build.ts";
import { cpuUsOf, type Effort, type Figure, type Finding, median, ratioOf } from "./figures.ts";
import { buildReference, ReferenceProgram } from "./reference-program.ts";

/** About what a Python program has. */
const MAPPINGS = 100;
const PYTHON_MACHINES = 20;
const WARMING = 20;
/** New processes are looked at again and again for so long, as they may execute something else. */
const SETTLED_MS = 9000;
const INTERVAL_MS = 1000;

/**
 * The memory of three groups of processes (1 + 1 + 20), as `run --profile nso` samples it: against C that does the same
 * work, and, at an interval of a second, against the same figures got by shell as the NSO measurement tool gets them.
 */
export async function benchAppSampling({ smoke }: Effort): Promise<Finding> {
  const idler = buildReference("idler");
  const built = buildReference("app");
  if (idler.path === undefined || built.path === undefined) {
    const evidence = [`nothing was measured without C: ${idler.reason ?? built.reason}`];
    return { bench: "app", figures: [], evidence };
  }
  const crew = await Crew.start(idler.path);
  const ours = new OwnSampler();
  try {
    const alike = await againstC(ours, built.path, crew.pids, smoke);
    const shell = await againstShell(ours, smoke);
    return {
      bench: "app",
      figures: [alike.figure, shell.figure],
      evidence: [alike.evidence, shell.evidence],
    };
  } finally {
    ours.close();
    await crew.stop();
  }
}

interface Compared {
  readonly figure: Figure;
  readonly evidence: string;
}

async function againstC(
  ours: OwnSampler,
  program: string,
  pids: readonly number[],
  smoke: boolean,
): Promise<Compared> {
  const reference = ReferenceProgram.start(program, pids.map(String));
  const rounds = smoke ? 4 : 60;
  const samples = smoke ? 50 : 500;
  const own: number[] = [];
  const theirs: number[] = [];
  let answer: readonly number[] = [];
  if (!smoke) await pause(SETTLED_MS);
  for (let round = -WARMING; round < rounds; round++) {
    const ownUs = cpuUsOf(() => ours.sample(samples)) / samples;
    answer = (await reference.ask(String(samples))).split(" ").map(Number);
    // The rounds below 0 are for compiling, and for files to come into the cache; nobody counts them.
    if (round < 0) continue;
    own.push(ownUs);
    theirs.push(answer[0] as number);
  }
  await reference.stop();
  const figure: Figure = {
    name: "sample of 22 processes",
    unit: "µs",
    ours: median(own),
    reference: median(theirs),
    against: "C",
    ratio: ratioOf(own, theirs),
    target: { of: "ratio", limit: 1.3, inclusive: true },
    note: `who is new, meminfo, statm of each, a row each; C lists all processes each time, we where /proc/loadavg tells of a new one; CPU time, ${rounds} rounds of ${samples}, in turn`,
  };
  const seen = ours.newest();
  const [, processes, rows, ...sums] = answer;
  const found = [seen.rows, seen.residentBytes, seen.allocatedBytes, seen.commitLimitBytes];
  if (found.join() !== [rows, ...sums].join())
    throw new Error(`expected ${[rows, ...sums].join(" ")} as in C, found ${found.join(" ")}`);
  return {
    figure,
    evidence: `${processes} processes on the host; rows, resident, allocated and CommitLimit ${found.join(" ")} on both sides`,
  };
}

/** Each second one sample of ours, and one second of the shell's. */
async function againstShell(ours: OwnSampler, smoke: boolean): Promise<Compared> {
  const rounds = smoke ? 2 : 20;
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-bench-"));
  const shell = Shell.start(directory);
  const own: number[] = [];
  const theirs: number[] = [];
  let spentUs = 0;
  let processes = 0;
  try {
    for (let round = -1; round < rounds; round++) {
      const beganMs = performance.now();
      const answer = await shell.second();
      const tookUs = answer.spentUs - spentUs;
      ({ spentUs, processes } = answer);
      await pause(Math.max(0, INTERVAL_MS - (performance.now() - beganMs)));
      const ownUs = cpuUsOf(() => ours.sample(1));
      if (round < 0) continue;
      own.push(ownUs);
      theirs.push(tookUs);
    }
  } finally {
    await shell.stop();
    fs.rmSync(directory, { recursive: true });
  }
  const figure: Figure = {
    name: "sample of 22 processes, each second",
    unit: "µs",
    ours: median(own),
    reference: median(theirs),
    against: "shell",
    ratio: ratioOf(own, theirs),
    target: { of: "ratio", limit: 0.01, inclusive: true },
    note: `CPU time, ${rounds} seconds; the shell with its children: pgrep, pmap -d, grep, awk as the NSO measurement tool`,
  };
  const { rows } = ours.newest();
  if (processes !== rows)
    throw new Error(`expected ${rows} processes as we found, the shell found ${processes}`);
  return {
    figure,
    evidence: `${processes} processes a second on both sides; the shell needs ${(median(theirs) / 1e6).toFixed(2)} s of CPU time for each`,
  };
}

function nsoPolicy(): ApplicationPolicy {
  const [application] = loadPolicy({ profile: "nso" }).app.applications;
  if (application === undefined) throw new Error("expected an application in the profile nso, found none");
  return application;
}

/** What `plimsoll run --profile nso` runs in its thread. */
class OwnSampler {
  readonly #applications: Applications;
  readonly #rows: RingReader;
  readonly #row = new Float64Array(APP_COLUMNS.length);

  constructor() {
    const ring = createRing({
      columns: APP_COLUMNS,
      rowsPerSegment: RESOURCE_ROWS_PER_SEGMENT,
      segments: RESOURCE_SEGMENTS,
    });
    const nothing = (): void => undefined;
    this.#applications = new Applications({
      procRoot: "/proc",
      units: systemUnits(),
      epoch: 1,
      ring,
      // The bench's processes are its own children: the guard is thought to be another.
      ownPid: -1,
      voice: { announce: nothing, mainChanged: nothing, severalMains: nothing, unreadable: nothing },
    });
    this.#applications.watch([nsoPolicy()], monotonicUs());
    this.#rows = new RingReader(ring);
  }

  sample(times: number): void {
    for (let i = 0; i < times; i++) {
      const nowUs = monotonicUs();
      // All that is to be done at a tick, done at once.
      for (const watched of this.#applications.watched) watched.dueUs = nowUs;
      this.#applications.sample(nowUs);
    }
  }

  newest(): { rows: number; residentBytes: number; allocatedBytes: number; commitLimitBytes: number } {
    const row = this.#row;
    while (this.#rows.next(row)) continue;
    this.sample(1);
    const seen = { rows: 0, residentBytes: 0, allocatedBytes: 0, commitLimitBytes: 0 };
    while (this.#rows.next(row)) {
      seen.rows++;
      seen.residentBytes += row[App.residentBytes] as number;
      seen.allocatedBytes += row[App.allocatedBytes] as number;
      seen.commitLimitBytes = row[App.commitLimitBytes] as number;
    }
    return seen;
  }

  close(): void {
    this.#applications.close();
  }
}

/** The measurement tool's way. */
class Shell {
  readonly #program: ReferenceProgram;

  private constructor(program: ReferenceProgram) {
    this.#program = program;
  }

  static start(directory: string): Shell {
    const patterns = nsoPolicy().groups.map(({ cmdline }) => cmdline.replaceAll(/\\S\*/g, "[^ ]*"));
    // ReferenceProgram hands its own environment on.
    process.env["PATTERNS"] = patterns.join("\n");
    const script = path.join(projectRoot, "bench/reference/measure.sh");
    return new Shell(ReferenceProgram.start("bash", [script, directory]));
  }

  /** One second's work. @returns CPU time of the shell and its children since the start, and the processes it saw */
  async second(): Promise<{ readonly spentUs: number; readonly processes: number }> {
    const words = (await this.#program.ask("1")).split(" ");
    const processes = Number(words.pop());
    return { spentUs: words.map(microseconds).reduce((sum, us) => sum + us, 0), processes };
  }

  async stop(): Promise<void> {
    await this.#program.stop();
    delete process.env["PATTERNS"];
  }
}

/** `0m1.234s`, as a shell writes times. */
function microseconds(text: string): number {
  const match = /^(\d+)m([\d.]+)s$/.exec(text);
  if (match === null) throw new Error(`expected a time such as 0m1.234s, found ${text}`);
  return (Number(match[1]) * 60 + Number(match[2])) * 1e6;
}

/** NSO's processes, as far as their command lines go. */
class Crew {
  readonly #children: readonly ChildProcess[];

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children;
  }

  static async start(program: string): Promise<Crew> {
    const calls: (readonly string[])[] = [
      ["/usr/lib/ncs/erts/bin/beam.smp", "-noshell", "-ncs", "true"],
      ["java", "-classpath", ":/opt/ncs", "com.tailf.ncs.NcsJVMLauncher"],
    ];
    for (let i = 0; i < PYTHON_MACHINES; i++)
      calls.push(["python3", "-u", "/opt/ncs/startup.py", "-l", "info", "-i", `package${i}`]);
    const children = calls.map(([argv0 = "", ...args]) =>
      spawn(program, [String(MAPPINGS), ...args], { argv0, stdio: ["pipe", "pipe", "inherit"] }),
    );
    await Promise.all(children.map((child) => new Promise((resolve) => child.stdout?.once("data", resolve))));
    return new Crew(children);
  }

  get pids(): readonly number[] {
    return this.#children.map(({ pid = 0 }) => pid);
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#children.map((child) => {
        const ended = new Promise((resolve) => child.once("exit", resolve));
        child.stdin?.end();
        return ended;
      }),
    );
  }
}
