import fs from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { DETAIL_COLUMNS, USAGE_COLUMNS, Usage } from "../src/core/cgroups/columns.ts";
import type { Column } from "../src/core/ring/layout.ts";
import { RingReader } from "../src/core/ring/reader.ts";
import { createRing, type SharedRing } from "../src/core/ring/views.ts";
import { RingWriter } from "../src/core/ring/writer.ts";
import { findMemoryHierarchy } from "../src/workers/common/cgroup-path.ts";
import { monotonicUs } from "../src/workers/common/clock.ts";
import { detailFiles, STAT_LINES } from "../src/workers/sampler/cgroups/files.ts";
import { FollowedCgroup } from "../src/workers/sampler/cgroups/followed.ts";
import { Depth, HeldDescriptors } from "../src/workers/sampler/cgroups/held.ts";
import { CgroupList } from "../src/workers/sampler/cgroups/list.ts";
import { CgroupReader, CHUNK } from "../src/workers/sampler/cgroups/reader.ts";
import { SamplerThread } from "../test/support/cgroup-sampler.ts";
import { Herd, whyNoHerd } from "./cgroup-herd.ts";
import { cpuUsOf, type Effort, type Figure, type Finding, median, ratioOf, type Target } from "./figures.ts";
import { buildReference, ReferenceProgram } from "./reference-program.ts";

const COUNTS = [10, 100, 1000];
/** Reads of a usage file in one round, and of a memory.stat, whatever the number of cgroups. */
const USAGE_READS = 20_000;
const STAT_READS = 8000;
const RECORD_HZ = 10;
/** Details as often as `plimsoll record` reads them when it is not told otherwise. */
const DETAIL_S = 5;
const RECORD_MS = 15_000;
/** Until what runs is compiled. */
const SETTLE_MS = 3000;

/** Sweeps over real cgroups of our own, beside C that reads and parses the same. */
export async function benchCgroupSweep({ smoke }: Effort): Promise<Finding> {
  const hierarchy = findMemoryHierarchy("/sys/fs/cgroup");
  const refusal = hierarchy === null ? "no memory controller below /sys/fs/cgroup" : whyNoHerd(hierarchy);
  if (hierarchy === null || refusal !== null) {
    return { bench: "cgroups", figures: [], evidence: [`not measured: ${refusal}`] };
  }
  const herd = new Herd(hierarchy, smoke ? 100 : 1000);
  try {
    const figures: Figure[] = [];
    const evidence: string[] = [];
    for (const count of COUNTS.filter((each) => each <= herd.count)) {
      const measured = await sweeps(herd, count, smoke ? 4 : 40);
      figures.push(...measured.figures);
      evidence.push(measured.evidence);
    }
    evidence.push(growth(figures));
    figures.push(await recording(herd, smoke ? 1000 : RECORD_MS));
    return { bench: "cgroups", figures, evidence };
  } finally {
    herd.remove();
  }
}

const ring = (columns: readonly Column[]): SharedRing =>
  createRing({ columns, rowsPerSegment: 2048, segments: 4 });

/** The sampler's reader on some of the cgroups, and what it wrote last. */
class Sweeper {
  readonly #list: CgroupList;
  readonly #reader: CgroupReader;
  readonly #usage = ring(USAGE_COLUMNS);
  readonly #detail = ring(DETAIL_COLUMNS);
  readonly #version: 1 | 2;

  constructor(herd: Herd, count: number, withDetails: boolean) {
    const held = new HeldDescriptors(Number.MAX_SAFE_INTEGER);
    const rings = { usage: new RingWriter(this.#usage), detail: new RingWriter(this.#detail) };
    const { version } = herd.hierarchy;
    this.#version = version;
    const files = withDetails ? detailFiles(version) : [];
    this.#reader = new CgroupReader(version, rings, held, () => [], files);
    const cgroups: FollowedCgroup[] = [];
    for (let i = 0; i < count; i++) {
      const directory = herd.memberOf(i);
      const cgroup = new FollowedCgroup({
        number: i,
        path: `${herd.path}/c${i}`,
        directory,
        inode: fs.statSync(directory).ino,
        onlyAncestor: false,
        lines: this.#reader.newLines(),
        detailFiles: files.length,
      });
      if (!this.#reader.openFirst(cgroup)) throw new Error(`expected ${directory} to be a memory cgroup`);
      cgroups.push(cgroup);
    }
    this.#list = new CgroupList(cgroups);
  }

  usage(): void {
    const timeUs = Math.floor(monotonicUs());
    const count = this.#list.length;
    for (let from = 0; from < count; from += CHUNK) {
      this.#reader.readUsage(this.#list, from, Math.min(from + CHUNK, count), timeUs);
    }
  }

  details(): void {
    const timeUs = Math.floor(monotonicUs());
    for (const cgroup of this.#list.cgroups) this.#reader.readDetails(cgroup, timeUs, Depth.details);
  }

  /** Sums over one more sweep: usage, and the fields of memory.stat in its order. */
  sums(): number[] {
    const readers = [new RingReader(this.#usage), new RingReader(this.#detail)] as const;
    this.usage();
    this.details();
    const columns = STAT_LINES[this.#version].map(([, column]) => column);
    const sums = Array.from({ length: columns.length + 1 }, () => 0);
    const row = new Float64Array(DETAIL_COLUMNS.length);
    while (readers[0].next(row)) sums[0] = (sums[0] as number) + (row[Usage.usageBytes] as number);
    while (readers[1].next(row)) {
      columns.forEach((column, i) => (sums[i + 1] = (sums[i + 1] as number) + (row[column] as number)));
    }
    return sums;
  }

  close(): void {
    for (const cgroup of this.#list.cgroups) cgroup.close();
  }
}

interface Sweeps {
  readonly figures: readonly Figure[];
  readonly evidence: string;
}

async function sweeps(herd: Herd, count: number, rounds: number): Promise<Sweeps> {
  const built = buildReference("sweep");
  const args = [String(herd.hierarchy.version), herd.directory, String(count)];
  const start = (...more: string[]): ReferenceProgram | null =>
    built.path === undefined ? null : ReferenceProgram.start(built.path, [...args, ...more]);
  const references = { alone: start("alone"), threads: start() };
  const ours = { bare: new Sweeper(herd, count, false), full: new Sweeper(herd, count, true) };
  try {
    const times = await measure(references, ours, count, rounds);
    const evidence =
      references.alone === null
        ? `without C: ${built.reason}`
        : await agreement(references.alone, ours.bare, count);
    return { figures: figuresOf(times, count, rounds), evidence };
  } finally {
    for (const sweeper of Object.values(ours)) sweeper.close();
    for (const reference of Object.values(references)) await reference?.stop();
  }
}

type Times = Readonly<Record<"usage" | "stat" | "full" | "cUsage" | "cThreads" | "cStat", number[]>>;

/** Microseconds a cgroup, round by round; nothing for C where there is none. */
async function measure(
  { threads, alone }: { readonly threads: ReferenceProgram | null; readonly alone: ReferenceProgram | null },
  { bare, full }: { readonly bare: Sweeper; readonly full: Sweeper },
  count: number,
  rounds: number,
): Promise<Times> {
  const times: Times = { usage: [], stat: [], full: [], cUsage: [], cThreads: [], cStat: [] };
  const usageRounds = Math.ceil(USAGE_READS / count);
  const statRounds = Math.ceil(STAT_READS / count);
  const both = (sweeper: Sweeper): void => {
    sweeper.usage();
    sweeper.details();
  };
  // The rounds below 0 are for compiling; nobody counts them.
  for (let round = -Math.ceil(rounds / 4); round < rounds; round++) {
    const add = (into: number[], us: number | null): void => {
      if (round >= 0 && us !== null) into.push(us / count);
    };
    // Not counted: who comes first would find in the caches what the details left there.
    each(usageRounds, () => bare.usage());
    add(times.cUsage, await asked(alone, `usage ${usageRounds}`));
    add(
      times.usage,
      each(usageRounds, () => bare.usage()),
    );
    add(times.cThreads, await asked(threads, `usage ${usageRounds}`));
    add(times.cStat, await asked(alone, `stat ${statRounds}`));
    add(
      times.stat,
      each(statRounds, () => both(bare)),
    );
    add(
      times.full,
      each(statRounds, () => both(full)),
    );
  }
  return times;
}

async function asked(reference: ReferenceProgram | null, what: string): Promise<number | null> {
  return reference === null ? null : Number((await reference.ask(what)).split(" ")[0]);
}

function figuresOf(times: Times, count: number, rounds: number): Figure[] {
  const note = `CPU time a cgroup; ${rounds} rounds, in turn`;
  const limited = (limit: number): Target | null =>
    count < 1000 ? null : { of: "ratio", limit, inclusive: true };
  const beside = figure(
    `${count} cgroups, usage, beside C of two threads`,
    times.usage,
    times.cThreads,
    null,
    note,
  );
  return [
    figure(`${count} cgroups, usage`, times.usage, times.cUsage, limited(1.8), note),
    { ...beside, against: beside.against === null ? null : "C of two threads" },
    figure(`${count} cgroups, with memory.stat`, times.stat, times.cStat, limited(1.2), note),
    figure(`${count} cgroups, all details`, times.full, [], null, `${note}; limits, peak, events too`),
  ];
}

/** Microseconds of each of so many, after one that is not counted. */
function each(times: number, act: () => void): number {
  act();
  const us = cpuUsOf(() => {
    for (let i = 0; i < times; i++) act();
  });
  return us / times;
}

function figure(
  name: string,
  ours: readonly number[],
  theirs: readonly number[],
  target: Target | null,
  note: string,
): Figure {
  return {
    name,
    unit: "µs",
    ours: median(ours),
    reference: theirs.length === 0 ? null : median(theirs),
    against: theirs.length === 0 ? null : "C",
    ratio: theirs.length === 0 ? null : ratioOf(ours, theirs),
    target: theirs.length === 0 ? null : target,
    note,
  };
}

/** @throws Error when the two sides do not come to read the same */
async function agreement(reference: ReferenceProgram, sweeper: Sweeper, count: number): Promise<string> {
  let ours = "";
  let theirs = "";
  // Usage may still be settling: what the kernel keeps for each processor is given back a little later.
  for (let round = 0; round < 20; round++) {
    ours = sweeper.sums().join(" ");
    theirs = (await reference.ask("usage 1")).split(" ").slice(1).join(" ");
    if (ours === theirs && !ours.startsWith("0 ")) {
      return `${count} cgroups: usage and the sums of memory.stat's fields on both sides ${ours}`;
    }
    await pause(50);
  }
  throw new Error(`expected the same sums over ${count} cgroups, found ${ours} and in C ${theirs}`);
}

/** How the cost of one cgroup changes with their number: not at all where growth is linear. */
function growth(figures: readonly Figure[]): string {
  const of = (kind: string): string =>
    figures
      .filter(({ name }) => name.endsWith(`cgroups, ${kind}`))
      .map(({ name, ours }) => `${ours.toFixed(2)} (${name.split(" ")[0]})`)
      .join(", ");
  return `µs a cgroup, usage: ${of("usage")}; with memory.stat: ${of("with memory.stat")}; all details: ${of("all details")}`;
}

/** The sampler's thread as `plimsoll record` starts it: its share of a core. */
async function recording(herd: Herd, ms: number): Promise<Figure> {
  const sampler = new SamplerThread({
    record: true,
    rowsPerSegment: 16_384,
    cgroups: {
      watch: [`${herd.path}/*`],
      intervalMs: 1000 / RECORD_HZ,
      statEvery: RECORD_HZ * DETAIL_S,
      scanMs: 1000,
    },
  });
  try {
    while (!sampler.ready || sampler.memory.take().length < 1) await pause(20);
    await pause(Math.min(ms, SETTLE_MS));
    const cpuNs = (): number =>
      Number(fs.readFileSync(`/proc/self/task/${sampler.threadId}/schedstat`, "latin1").split(" ")[0]);
    const before = { ns: cpuNs(), ms: performance.now() };
    await pause(ms);
    const percent = ((cpuNs() - before.ns) / 1e6 / (performance.now() - before.ms)) * 100;
    return {
      name: `recording ${herd.count} cgroups at ${RECORD_HZ} Hz, sampling`,
      unit: "% of a core",
      ours: percent,
      reference: null,
      against: null,
      ratio: null,
      target: { of: "ours", limit: 5, inclusive: false },
      note: `the sampler's thread (schedstat), ${Math.round(ms / 1000)} s; details each ${DETAIL_S} s`,
    };
  } finally {
    await sampler.stop();
  }
}
