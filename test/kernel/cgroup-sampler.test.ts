import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, test, type TestContext } from "vitest";
import { type CgroupIdentity, Detail, Usage } from "../../src/core/cgroups/columns.ts";
import { lifeOfCgroup } from "../../src/core/cgroups/number.ts";
import { Mem } from "../../src/core/samples.ts";
import { monotonicUs } from "../../src/workers/common/clock.ts";
import { CgroupNest } from "../support/cgroup-nest.ts";
import { type Rows, samplerPolicy, type SamplerSetup, SamplerThread } from "../support/cgroup-sampler.ts";
import { memoryCgroups, need, root } from "../support/needs.ts";
import { waitFor } from "../support/wait.ts";

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;

const FILES = {
  1: { usage: "memory.usage_in_bytes", limit: "memory.limit_in_bytes", high: "memory.soft_limit_in_bytes" },
  2: { usage: "memory.current", limit: "memory.max", high: "memory.high" },
} as const;

async function start(context: TestContext, setup: SamplerSetup): Promise<SamplerThread> {
  const sampler = new SamplerThread(setup);
  context.onTestFinished(() => sampler.stop());
  await waitFor("the sampler to be ready", () => sampler.ready);
  return sampler;
}

/** Cgroups by their path below the nest, as told last: those that are gone left out. */
function followed(sampler: SamplerThread, nest: CgroupNest): Map<string, CgroupIdentity> {
  const known = new Map<number, CgroupIdentity>();
  for (const { appeared, gone } of sampler.told) {
    for (const each of appeared) known.set(each.number, each);
    for (const number of gone) known.delete(number);
  }
  return new Map([...known.values()].map((each) => [each.path.slice(nest.path.length), each]));
}

const numberOf = (sampler: SamplerThread, nest: CgroupNest, below: string): number | undefined =>
  followed(sampler, nest).get(below)?.number;

const of = (rows: Rows, column: number, number: number): Float64Array[] =>
  rows.take().filter((row) => row[column] === number);

/** Values by time: how many rows each time has. */
function rowsByTime(rows: readonly Float64Array[], column: number): Map<number, number> {
  const counts = new Map<number, number>();
  for (const row of rows) counts.set(row[column] as number, (counts.get(row[column] as number) ?? 0) + 1);
  return counts;
}

describe("what is followed", () => {
  test("the cgroups that match, what they lie in as ancestors, by their inodes", async (context) => {
    need(context, root, memoryCgroups);
    const nest = new CgroupNest(context);
    for (const each of ["/a", "/a/b", "/a/b/c", "/d"]) nest.make(each);
    const sampler = await start(context, { cgroups: { watch: [`${nest.path}/a/*`, "/nobody/at/all"] } });
    const all = await waitFor("the cgroups", () =>
      sampler.told.length > 0 ? followed(sampler, nest) : null,
    );
    const byPath = [...all.values()].toSorted((a, b) => a.path.length - b.path.length);
    expect(byPath.map(({ path, inode, onlyAncestor }) => ({ path, inode, onlyAncestor }))).toEqual([
      { path: nest.path, inode: nest.inode(""), onlyAncestor: true },
      { path: `${nest.path}/a`, inode: nest.inode("/a"), onlyAncestor: true },
      { path: `${nest.path}/a/b`, inode: nest.inode("/a/b"), onlyAncestor: false },
    ]);
    expect(sampler.logged).toEqual(["cgroups: the pattern /nobody/at/all matches no cgroup now"]);
    expect(new Set(sampler.sent.map(({ to }) => to))).toEqual(
      new Set(["analysis", "rescue", "dataset", "coordinator"]),
    );
    await waitFor("a row of each", () => sampler.usage.take().length >= 3);
    expect(new Set(sampler.usage.all.map((row) => row[Usage.cgroup]))).toEqual(
      new Set([...all.values()].map(({ number }) => number)),
    );
  });

  test("within a scope, only it and what is below it", async (context) => {
    need(context, root, memoryCgroups);
    const nest = new CgroupNest(context);
    for (const each of ["/a", "/a/b", "/d"]) nest.make(each);
    const sampler = await start(context, { scope: `${nest.path}/a`, cgroups: { watch: ["/**"] } });
    await waitFor("the cgroups", () => sampler.told.length > 0);
    expect([...followed(sampler, nest).keys()]).toEqual(["/a", "/a/b"]);
  });

  test("one that appears, one that vanishes, and another at the same path", async (context) => {
    need(context, root, memoryCgroups);
    const nest = new CgroupNest(context);
    const cgroups = { watch: [`${nest.path}/**`], intervalMs: 20, scanMs: 50, statEvery: 5 };
    const sampler = await start(context, { cgroups });
    nest.make("/a");
    const first = await waitFor("the new one", () => numberOf(sampler, nest, "/a"));
    await waitFor("its rows", () => of(sampler.usage, Usage.cgroup, first).length >= 2);
    // It is known with its limits at once.
    expect(of(sampler.detail, Detail.cgroup, first).length).toBeGreaterThan(0);
    nest.remove("/a");
    await waitFor("its end", () => !followed(sampler, nest).has("/a"));
    const last = of(sampler.usage, Usage.cgroup, first).length;
    nest.make("/a");
    const second = await waitFor("the other one", () => numberOf(sampler, nest, "/a"));
    expect(second).toBeGreaterThan(first);
    expect(followed(sampler, nest).get("/a")?.inode).toBe(nest.inode("/a"));
    await waitFor("the other's rows", () => of(sampler.usage, Usage.cgroup, second).length >= 2);
    expect(of(sampler.usage, Usage.cgroup, first)).toHaveLength(last);
  });

  test("the end is seen by the next look, and the successor soon after, without a scan that is due", async (context) => {
    need(context, root, memoryCgroups);
    const nest = new CgroupNest(context);
    nest.make("/a");
    const cgroups = { watch: [`${nest.path}/*`], intervalMs: 20, scanMs: HOUR_MS };
    const sampler = await start(context, { cgroups });
    const first = await waitFor("the first", () => numberOf(sampler, nest, "/a"));
    nest.remove("/a");
    nest.make("/a");
    const second = await waitFor("the successor", () => {
      const number = numberOf(sampler, nest, "/a");
      return number !== first && number;
    });
    expect(sampler.told.flatMap(({ gone }) => gone)).toEqual([first]);
    expect(second).not.toBe(first);
    // What they lie in is still the same.
    expect(followed(sampler, nest).get("")?.number).toBe(
      sampler.told[0]?.appeared.find(({ path }) => path === nest.path)?.number,
    );
  });

  test("one that is renamed (cgroup v1) is another with the same inode", async (context) => {
    need(context, root, memoryCgroups);
    const nest = new CgroupNest(context);
    if (nest.hierarchy.version === 2) context.skip("cgroup v2 renames none");
    nest.make("/a");
    const cgroups = { watch: [`${nest.path}/*`], intervalMs: 20, scanMs: 20 };
    const sampler = await start(context, { cgroups });
    const before = await waitFor("the first", () => followed(sampler, nest).get("/a"));
    nest.rename("/a", "/b");
    // The kernel's count of cgroups has not changed: it is seen when that is no longer believed.
    const after = await waitFor("it under its new name", () => followed(sampler, nest).get("/b"));
    expect(after.inode).toBe(before.inode);
    expect(after.number).not.toBe(before.number);
    expect(sampler.told.flatMap(({ gone }) => gone)).toEqual([before.number]);
  });
});

describe("what is read", () => {
  test("usage and details are what the files say", async (context) => {
    need(context, root, memoryCgroups);
    const nest = new CgroupNest(context);
    const scratch = path.join(os.tmpdir(), path.basename(nest.path));
    context.onTestFinished(() => fs.rmSync(scratch, { force: true }));
    nest.make("/a");
    nest.make("/a/b");
    const files = FILES[nest.hierarchy.version];
    nest.write("/a", files.limit, String(64 * MIB));
    nest.write("/a", files.high, String(48 * MIB));
    nest.charge("/a/b", scratch, 5);
    const cgroups = { watch: [`${nest.path}/**`], intervalMs: 10, statEvery: 2, scanMs: 1000 };
    const sampler = await start(context, { cgroups });
    const inner = (await waitFor("the inner one", () => numberOf(sampler, nest, "/a/b"))) as number;
    const outer = numberOf(sampler, nest, "/a") as number;
    // What lies still: the same before and after the rows that are compared.
    const statNumber = (below: string, key: string): number =>
      Number(new RegExp(`^${key} (\\d+)$`, "m").exec(nest.read(below, "memory.stat"))?.[1]);
    const cacheKey = nest.hierarchy.version === 1 ? "total_inactive_file" : "inactive_file";
    const seen = (): number[] => [
      Number(nest.read("/a/b", files.usage)),
      statNumber("/a", cacheKey),
      statNumber("/a/b", cacheKey),
    ];
    await waitFor("the same figures in the files and the rows", async () => {
      const before = seen();
      const fromUs = monotonicUs();
      await pause(60);
      if (JSON.stringify(seen()) !== JSON.stringify(before)) return false;
      const toUs = monotonicUs() - 20_000;
      const now = (row: Float64Array): boolean => (row[0] as number) > fromUs && (row[0] as number) < toUs;
      const usage = of(sampler.usage, Usage.cgroup, inner).filter(now);
      const details = [outer, inner].map((number) => of(sampler.detail, Detail.cgroup, number).filter(now));
      const rows = [
        usage.map((row) => row[Usage.usageBytes]),
        ...details.map((each) => each.map((row) => row[Detail.inactiveFileBytes])),
      ];
      return rows.every((values, i) => values.length > 0 && values.every((value) => value === before[i]));
    });
    expect(seen()[0]).toBeGreaterThan(4 * MIB);
    const [ofOuter, ofInner] = [outer, inner].map((number) =>
      of(sampler.detail, Detail.cgroup, number).at(-1),
    );
    expect(ofOuter?.[Detail.limitBytes]).toBe(64 * MIB);
    expect(ofOuter?.[Detail.highBytes]).toBe(48 * MIB);
    expect(ofInner?.[Detail.limitBytes]).toBeNaN();
    expect(ofInner?.[Detail.highBytes]).toBeNaN();
    expect(ofInner?.[Detail.limitHits]).toBe(0);
    expect(ofInner?.[Detail.oomKills]).toBe(0);
    expect(ofInner?.[Detail.anonBytes]).toBe(0);
    expect(ofInner?.[Detail.majorFaults]).toBeGreaterThanOrEqual(0);
    if (nest.hierarchy.version === 1) {
      expect(ofInner?.[Detail.peakBytes]).toBe(Number(nest.read("/a/b", "memory.max_usage_in_bytes")));
      expect(ofInner?.[Detail.minBytes]).toBeNaN();
    } else {
      expect(ofInner?.[Detail.minBytes]).toBe(0);
      expect(ofInner?.[Detail.slabReclaimableBytes]).toBeGreaterThanOrEqual(0);
      expect(ofInner?.[Detail.someStallUs]).toBeGreaterThanOrEqual(0);
    }
  });

  test("more cgroups than descriptors: all the same figures, and one word about it", async (context) => {
    need(context, root, memoryCgroups);
    const nest = new CgroupNest(context);
    const proc = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-test-"));
    context.onTestFinished(() => fs.rmSync(proc, { recursive: true }));
    fs.mkdirSync(path.join(proc, "self"));
    // A quarter of them is for cgroups: ten.
    fs.writeFileSync(
      path.join(proc, "self/limits"),
      "Max open files            40                   40       files\n",
    );
    const names = Array.from({ length: 30 }, (_, i) => `/c${i}`);
    for (const name of names) nest.make(name);
    const cgroups = { watch: [`${nest.path}/*`], intervalMs: 20, scanMs: 100, statEvery: 2 };
    const sampler = await start(context, { cgroups, roots: { proc } });
    await waitFor("ten rows of each", () => sampler.usage.take().length >= 310);
    const held = fs.readdirSync("/proc/self/fd").filter((descriptor) => {
      try {
        return fs.readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(nest.directory(""));
      } catch {
        return false;
      }
    });
    // One more may just be read.
    expect(held.length).toBeGreaterThanOrEqual(9);
    expect(held.length).toBeLessThanOrEqual(11);
    for (const name of names) {
      const number = numberOf(sampler, nest, name) as number;
      expect(of(sampler.usage, Usage.cgroup, number).every((row) => row[Usage.usageBytes] === 0)).toBe(true);
      const details = of(sampler.detail, Detail.cgroup, number);
      expect(details.length).toBeGreaterThan(2);
      expect(details.every((row) => row[Detail.anonBytes] === 0 && row[Detail.limitHits] === 0)).toBe(true);
    }
    const limited = sampler.sent.filter(({ to, message }) => to === "recorder" && message.type === "event");
    expect(limited).toHaveLength(1);
    expect(JSON.stringify(limited)).toMatch(/10 are for cgroups; raise the limit/);
    // One that is opened for each look is found to be gone too.
    nest.remove("/c29");
    nest.make("/c29");
    const before = numberOf(sampler, nest, "/c29");
    await waitFor("its successor", () => numberOf(sampler, nest, "/c29") !== before);
  });
});

describe("when it is read", () => {
  test("at 1 ms with 200 cgroups: one row of each a tick, at one time; missed ticks are counted", async (context) => {
    need(context, root, memoryCgroups);
    const nest = new CgroupNest(context);
    for (let i = 0; i < 200; i++) nest.make(`/c${i}`);
    const sampler = await start(context, {
      record: true,
      rowsPerSegment: 65_536,
      segments: 16,
      cgroups: { watch: [`${nest.path}/*`], intervalMs: 1, statEvery: 10, scanMs: 250 },
    });
    await pause(1500);
    await sampler.stop();
    const ticks = rowsByTime(sampler.usage.take(), Usage.timeUs);
    expect(sampler.usage.reader.lostRows).toBe(0);
    // The ancestor too.
    expect(new Set(ticks.values())).toEqual(new Set([201]));
    const memory = sampler.memory.take();
    const [first, last] = [memory[0], memory.at(-1)];
    expect(first?.[Mem.totalBytes]).toBeGreaterThan(os.totalmem() / 2);
    const times = [...ticks.keys()];
    const until = times.indexOf(last?.[Mem.timeUs] as number);
    const missed = memory.slice(1).reduce((sum, row) => sum + (row[Mem.missedTicks] as number), 0);
    // Every tick of the clock after the first row's is either there or counted as missed.
    const clockTicks = ((last?.[Mem.timeUs] as number) - (times[0] as number)) / 1000;
    expect(Math.abs(until + missed - clockTicks)).toBeLessThanOrEqual(Math.max(3, clockTicks * 0.01));
    expect(memory).toHaveLength(Math.ceil(times.length / 10));
    expect(rowsByTime(sampler.detail.take(), Detail.timeUs)).toEqual(
      new Map(memory.map((row) => [row[Mem.timeUs] as number, 201])),
    );
    for (const row of memory.slice(1)) expect(row[Mem.costUs]).toBeGreaterThan(0);
  });

  test("a recording's rows are sealed within 400 ms, and at the end", async (context) => {
    need(context, root, memoryCgroups);
    const nest = new CgroupNest(context);
    const sampler = await start(context, {
      record: true,
      cgroups: { watch: [nest.path], intervalMs: 100, statEvery: 2, scanMs: 1000 },
    });
    const { reader } = sampler.usage;
    for (let sealed = 0; sealed < 3; sealed++) {
      await waitFor("a sealed segment", () => reader.newestSealed >= sealed);
      const rows = reader.segmentRows(sealed);
      expect(rows).toBeGreaterThan(0);
      const spanUs =
        reader.segmentValue(sealed, Usage.timeUs, rows - 1) - reader.segmentValue(sealed, Usage.timeUs, 0);
      expect(spanUs).toBeLessThan(400_000);
    }
    await waitFor("sealed details and memory", () =>
      [sampler.detail, sampler.memory].every(({ reader: each }) => each.newestSealed >= 0),
    );
    expect(sampler.board.rings).toBe(0);
    await sampler.stop();
    const all = sampler.usage.take().length;
    let sealed = 0;
    for (let i = 0; i <= reader.newestSealed; i++) sealed += reader.intact(i) ? reader.segmentRows(i) : 0;
    expect(sealed).toBe(all);
  });

  test("who may be rescued often, others at their interval, and the doorbell is rung", async (context) => {
    need(context, root, memoryCgroups);
    const nest = new CgroupNest(context);
    for (const each of ["/a", "/a/receiver", "/b", "/donor"]) nest.make(each);
    const sampler = await start(context, {
      cgroups: { watch: [`${nest.path}/**`], intervalMs: 1000, statEvery: 60, scanMs: 1000 },
      rescue: { cgroups: [`${nest.path}/a/receiver`], donors: [`${nest.path}/donor`] },
    });
    await pause(2500);
    const count = (below: string, rows: Rows, column: number): number =>
      of(rows, column, numberOf(sampler, nest, below) as number).length;
    for (const below of ["", "/a", "/a/receiver", "/donor"]) {
      expect(count(below, sampler.usage, Usage.cgroup)).toBeGreaterThanOrEqual(15);
      expect(count(below, sampler.usage, Usage.cgroup)).toBeLessThanOrEqual(30);
      expect(count(below, sampler.detail, Detail.cgroup)).toBeGreaterThanOrEqual(2);
    }
    expect(count("/b", sampler.usage, Usage.cgroup)).toBeLessThanOrEqual(4);
    expect(count("/b", sampler.detail, Detail.cgroup)).toBe(1);
    expect(sampler.board.rings).toBeGreaterThan(15);
  });

  test("it rests between two far looks, costs next to nothing, and hears its letters at once", async (context) => {
    need(context, root, memoryCgroups);
    const nest = new CgroupNest(context);
    nest.make("/a");
    const setup: SamplerSetup = {
      cgroups: { watch: [`${nest.path}/*`], intervalMs: 60_000, scanMs: 60_000 },
    };
    const sampler = await start(context, setup);
    await waitFor("the first look", () => sampler.usage.take().length > 0);
    await waitFor("its rest", () => sampler.board.isResting("cgroups"));
    const told = sampler.told.length;
    const schedstat = `/proc/self/task/${sampler.threadId}/schedstat`;
    const cpuNs = (): number => Number(fs.readFileSync(schedstat, "latin1").split(" ")[0]);
    const beforeNs = cpuNs();
    await pause(1000);
    expect(cpuNs() - beforeNs).toBeLessThan(5e6);
    const number = numberOf(sampler, nest, "/a");
    sampler.post({ type: "policy", policy: samplerPolicy(setup) });
    await waitFor("everybody told anew", () => sampler.told.length > told, 500);
    expect(sampler.told.at(-1)?.appeared.map((each) => each.number)).toContain(number);
    expect(sampler.board.mailTaken("cgroups")).toBe(1);
    // A new policy may follow others.
    nest.make("/b");
    const narrow = { ...setup, cgroups: { ...setup.cgroups, watch: [nest.path] } };
    sampler.post({ type: "policy", policy: samplerPolicy(narrow) });
    await waitFor("the one that is left", () => [...followed(sampler, nest).keys()].join() === "");
    expect(followed(sampler, nest).get("")?.onlyAncestor).toBe(false);
    expect(sampler.told.at(-1)?.gone).toContain(number);
    const beganMs = performance.now();
    await sampler.stop();
    expect(performance.now() - beganMs).toBeLessThan(500);
  });

  test("a later life numbers anew; a scope without cgroups is no reason to end", async (context) => {
    need(context, root, memoryCgroups);
    const nest = new CgroupNest(context);
    const later = await start(context, { epoch: 7, cgroups: { watch: [nest.path] } });
    await waitFor("the cgroup", () => followed(later, nest).size > 0);
    expect([...followed(later, nest).values()].map(({ number }) => lifeOfCgroup(number))).toEqual([7]);
    const lost = await start(context, { roots: { cgroup: "/nonexistent" } });
    await waitFor("word of it", () => lost.logged.length > 0);
    expect(lost.logged).toEqual([
      "cgroups: no cgroup is followed (no memory controller is mounted below /nonexistent)",
    ]);
  });
});
