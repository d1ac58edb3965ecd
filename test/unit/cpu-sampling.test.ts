/** Rows of processors into the ring, and CPU time of cgroups, from files that stand for the kernel's. */
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test, type TestContext } from "vitest";
import { ALL_CORES, CPU_COLUMNS, Cpu } from "../../src/core/cpu/columns.ts";
import { RingReader } from "../../src/core/ring/reader.ts";
import { createRing } from "../../src/core/ring/views.ts";
import { RingWriter } from "../../src/core/ring/writer.ts";
import { FairUseReader } from "../../src/workers/analysis/fair-use-reader.ts";
import { CpuReader } from "../../src/workers/sampler/host/cpu-reader.ts";
import { testDirectory } from "../support/guard.ts";

const NOBODY: ReadonlySet<string> = new Set();

interface Row {
  readonly core: number;
  readonly busyUs: number;
  readonly idleUs: number;
  readonly running: number;
  readonly someStallUs: number;
}

/** A /proc of two files, and the rows that a sample of it comes to. */
class Proc {
  readonly root: string;
  readonly #writer: RingWriter;
  readonly #rows: RingReader;
  #reader: CpuReader | null = null;

  constructor(context: TestContext, pressure: string | null) {
    this.root = testDirectory(context);
    if (pressure !== null) {
      fs.mkdirSync(path.join(this.root, "pressure"));
      fs.writeFileSync(path.join(this.root, "pressure/cpu"), pressure);
    }
    const ring = createRing({ columns: CPU_COLUMNS, rowsPerSegment: 8, segments: 4 });
    this.#writer = new RingWriter(ring);
    this.#rows = new RingReader(ring);
    context.onTestFinished(() => this.#reader?.close());
  }

  /** @param ticks of each processor: user ticks, by its number */
  sample(ticks: Readonly<Record<number, number>>, running = 3): Row[] {
    const cores = Object.entries(ticks).map(([core, user]) => `cpu${core} ${user} 1 2 100 10 3 4 5 9 9\n`);
    const sum = Object.values(ticks).reduce((all, user) => all + user, 0);
    const tail = `intr 1 ${"0 ".repeat(3000)}\nctxt 1\nprocs_running ${running}\nprocs_blocked 2\nsoftirq 1 2\n`;
    this.write(`cpu  ${sum} 1 2 100 10 3 4 5 9 9\n${cores.join("")}${tail}`);
    this.#reader ??= new CpuReader(this.root, 100);
    expect(this.#reader.sample(this.#writer, 7)).toBe(true);
    return this.read();
  }

  write(text: string): void {
    fs.writeFileSync(path.join(this.root, "stat"), text);
  }

  sampleDamaged(): boolean | undefined {
    return this.#reader?.sample(this.#writer, 8);
  }

  read(): Row[] {
    const frame = new Float64Array(CPU_COLUMNS.length);
    const rows: Row[] = [];
    while (this.#rows.next(frame)) {
      rows.push({
        core: frame[Cpu.core] as number,
        busyUs: frame[Cpu.busyUs] as number,
        idleUs: frame[Cpu.idleUs] as number,
        running: frame[Cpu.running] as number,
        someStallUs: frame[Cpu.someStallUs] as number,
      });
    }
    return rows;
  }
}

describe("a sample of the processors", () => {
  test("is a row each, then the row of all, with run queue and pressure", (context) => {
    const proc = new Proc(context, "some avg10=1.00 avg60=1.00 avg300=1.00 total=12345\nfull total=0\n");
    const absent = { running: Number.NaN, someStallUs: Number.NaN };
    // user + nice + system + irq + softirq + steal; what guests did is in user already.
    expect(proc.sample({ 0: 50, 1: 70 })).toEqual([
      { core: 0, busyUs: 650_000, idleUs: 1_000_000, ...absent },
      { core: 1, busyUs: 850_000, idleUs: 1_000_000, ...absent },
      { core: ALL_CORES, busyUs: 1_350_000, idleUs: 1_000_000, running: 3, someStallUs: 12_345 },
    ]);
  });

  test("without PSI its time is absent", (context) => {
    expect(new Proc(context, null).sample({ 0: 1 }).at(-1)?.someStallUs).toBeNaN();
  });

  test("goes on when processors go offline and come back, and a file grows", (context) => {
    const proc = new Proc(context, null);
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, core) => [core, core]));
    expect(proc.sample({ 0: 1, 1: 2 }).map(({ core }) => core)).toEqual([0, 1, ALL_CORES]);
    expect(proc.sample({ 1: 3 }).map(({ core }) => core)).toEqual([1, ALL_CORES]);
    expect(proc.sample(many)).toHaveLength(21);
  });

  test("of a file that is no such file is none", (context) => {
    const proc = new Proc(context, null);
    proc.sample({ 0: 1 });
    proc.write("garbage\n");
    expect(proc.sampleDamaged()).toBe(false);
    expect(proc.read()).toEqual([]);
  });
});

/** A cgroup root of files, as the kernel would have them. */
function cgroups(
  context: TestContext,
  version: 1 | 2,
): { root: string; use: (cgroup: string, us: number) => void } {
  const root = testDirectory(context);
  if (version === 2) fs.writeFileSync(path.join(root, "cgroup.controllers"), "cpu memory\n");
  const use = (cgroup: string, us: number): void => {
    const directory = path.join(root, version === 1 ? "cpuacct" : "", cgroup);
    fs.mkdirSync(directory, { recursive: true });
    if (version === 1) fs.writeFileSync(path.join(directory, "cpuacct.usage"), `${us * 1000}\n`);
    else fs.writeFileSync(path.join(directory, "cpu.stat"), `usage_usec ${us}\nuser_usec 0\nsystem_usec 0\n`);
  };
  use("", 1);
  return { root, use };
}

describe.each([1, 2] as const)("CPU time of cgroups, version %i", (version) => {
  test("is that of those whom the patterns name, and of those who come later", (context) => {
    const { root, use } = cgroups(context, version);
    use("machine.slice/one", 5);
    use("system.slice", 7);
    const reader = new FairUseReader(root);
    context.onTestFinished(() => reader.close());
    reader.setPatterns(["/machine.slice/**"], NOBODY);
    expect(reader.read(0)).toMatchObject([{ cgroup: "/machine.slice/one", usageUs: 5, limitCores: null }]);
    use("machine.slice/one", 6);
    use("machine.slice/two", 1);
    expect(reader.read(1e6).map(({ usageUs }) => usageUs)).toEqual([6]);
    expect(
      reader
        .read(20e6)
        .map(({ cgroup, usageUs }) => `${cgroup} ${usageUs}`)
        .sort(),
    ).toEqual(["/machine.slice/one 6", "/machine.slice/two 1"]);
    reader.setPatterns([], new Set(["/machine.slice/two"]));
    expect(reader.read(21e6).map(({ cgroup }) => cgroup)).toEqual(["/machine.slice/two"]);
    fs.rmSync(path.join(root, version === 1 ? "cpuacct" : "", "machine.slice/two"), { recursive: true });
    expect(reader.read(40e6)).toEqual([]);
  });

  test("comes with the limit that there is", (context) => {
    const { root, use } = cgroups(context, version);
    use("a", 5);
    if (version === 2) fs.writeFileSync(path.join(root, "a/cpu.max"), "10000 100000\n");
    else {
      fs.mkdirSync(path.join(root, "cpu/a"), { recursive: true });
      fs.writeFileSync(path.join(root, "cpu/a/cpu.cfs_quota_us"), "10000\n");
      fs.writeFileSync(path.join(root, "cpu/a/cpu.cfs_period_us"), "100000\n");
    }
    const reader = new FairUseReader(root);
    context.onTestFinished(() => reader.close());
    reader.setPatterns(["/a"], NOBODY);
    expect(reader.read(0)).toMatchObject([{ cgroup: "/a", limitCores: 0.1 }]);
  });
});

test("where no cgroup has CPU time, there is nothing to read by", (context) => {
  const reader = new FairUseReader(testDirectory(context));
  expect(reader.absent).toBe(true);
  reader.setPatterns(["/**"], NOBODY);
  expect(reader.read(0)).toEqual([]);
});
