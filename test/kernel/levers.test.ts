/** What lanes impose, on a real kernel of either cgroup version: journaled, put back, left, taken over, by whom it may be. */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test, type TestContext } from "vitest";
import type { CgroupLever, Lever, LeverFile } from "../../src/core/levers/lever.ts";
import { recoverAbandonedLevers } from "../../src/main/guardian/levers.ts";
import { setNice } from "../../src/native/priority.ts";
import { HOST_ROOTS } from "../../src/workers/common/roots.ts";
import { readLeverJournal } from "../../src/workers/lane/lever-journal.ts";
import { Levers, readLever } from "../../src/workers/lane/levers.ts";
import { niceValueOf, stateOf } from "../support/cpu-scene.ts";
import { testDirectory } from "../support/guard.ts";
import { need, root } from "../support/needs.ts";
import { startTicksOf } from "../support/processes.ts";
import { Program } from "../support/program.ts";
import { waitFor } from "../support/wait.ts";

/** How a host has each lever: the controller's v1 hierarchy, or the file of v2. */
const FILES: readonly { readonly v1: string; readonly file: LeverFile; readonly value: string }[] = [
  { v1: "cpu", file: "cpu.cfs_quota_us", value: "25000" },
  { v1: "freezer", file: "freezer.state", value: "FROZEN" },
  { v1: "blkio", file: "blkio.throttle.read_bps_device", value: "1048576" },
  { v1: "blkio", file: "blkio.throttle.write_iops_device", value: "50" },
];
const FILES_V2: readonly { readonly file: LeverFile; readonly value: string }[] = [
  { file: "cpu.max", value: "25000 100000" },
  { file: "cgroup.freeze", value: "1" },
  { file: "io.max", value: "rbps=1048576 wbps=max riops=max wiops=50" },
];
const V2 = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((each) =>
  fs.existsSync(path.join(each, "cgroup.controllers")),
);

/** A disk whose traffic may be limited. */
function disk(): string | null {
  const names = fs.existsSync("/sys/block") ? fs.readdirSync("/sys/block") : [];
  const name = names.find((each) => /^(vd|sd|nvme|loop)/.test(each));
  return name === undefined ? null : fs.readFileSync(`/sys/block/${name}/dev`, "utf8").trim();
}

interface Thing {
  readonly lever: CgroupLever;
  readonly original: string;
}

function madeDirectory(context: TestContext, parent: string): string {
  const directory = path.join(parent, `plimsoll-test-levers-${process.pid}`);
  fs.mkdirSync(directory, { recursive: true });
  context.onTestFinished(() => {
    if (fs.existsSync(directory)) fs.rmdirSync(directory);
  });
  return directory;
}

/** A cgroup's file of the test's own for each lever that this host has. */
function things(context: TestContext): Thing[] {
  const made: Thing[] = [];
  const add = (directory: string, file: LeverFile, value: string): void => {
    const device = file === "io.max" || file.startsWith("blkio.") ? disk() : null;
    if (!fs.existsSync(path.join(directory, file)) || (file.includes("io.") && device === null)) return;
    const { ino: inode } = fs.statSync(directory);
    const lever: CgroupLever = { kind: "cgroup", directory, inode, file, device, value };
    made.push({ lever, original: readLever("/proc", lever) as string });
  };
  for (const { v1, file, value } of FILES) {
    const hierarchy = `/sys/fs/cgroup/${v1}`;
    if (fs.existsSync(`${hierarchy}/cgroup.procs`)) add(madeDirectory(context, hierarchy), file, value);
  }
  const controllers = V2 === undefined ? "" : fs.readFileSync(`${V2}/cgroup.controllers`, "utf8");
  if (V2 !== undefined) {
    for (const controller of ["cpu", "io"].filter((each) => controllers.split(/\s+/).includes(each)))
      fs.writeFileSync(`${V2}/cgroup.subtree_control`, `+${controller}`);
    const directory = madeDirectory(context, V2);
    for (const { file, value } of FILES_V2) add(directory, file, value);
  }
  return made;
}

const present = ({ lever }: Thing): string | null => readLever("/proc", lever);

function levers(journalPath: string, guarded = true): Levers {
  return new Levers({ journalPath, roots: HOST_ROOTS, guarded: () => guarded });
}

async function sleeper(context: TestContext): Promise<{ readonly pid: number; readonly startTicks: number }> {
  const { pid } = await Program.start(context, ["sleep", "600"]);
  return { pid, startTicks: startTicksOf(pid) };
}

describe("levers of cgroups", () => {
  test("are imposed, changed, and put back to what was found first", async (context) => {
    need(context, root);
    const held = levers(path.join(testDirectory(context), "levers-test.journal"));
    const all = things(context);
    if (all.length === 0) context.skip("needs a cgroup hierarchy of its own");
    for (const thing of all) {
      expect(await held.impose(thing.lever)).toBeNull();
      expect(present(thing)).toBe(thing.lever.value);
    }
    await context.annotate(all.map(({ lever }) => lever.file).join(", "));
    expect(held.held().map(({ original }) => original)).toEqual(all.map(({ original }) => original));
    // Again, with the same value: it is held once.
    for (const { lever } of all) expect(await held.impose(lever)).toBeNull();
    expect(held.held()).toHaveLength(all.length);
    const results = await held.undoAll();
    expect(results.map(({ end }) => end)).toEqual(all.map(() => "done"));
    expect(all.map(present)).toEqual(all.map(({ original }) => original));
  });

  test("are taken over by the next life of the lane", async (context) => {
    need(context, root);
    const journal = path.join(testDirectory(context), "levers-test.journal");
    const all = things(context);
    const before = levers(journal);
    for (const { lever } of all) expect(await before.impose(lever)).toBeNull();
    const after = levers(journal);
    expect(after.held()).toHaveLength(all.length);
    for (const { lever } of all) expect((await after.undo(lever)).end).toBe("done");
    expect(all.map(present)).toEqual(all.map(({ original }) => original));
    expect(readLeverJournal(journal).held).toEqual([]);
  });

  test("are put back by the guardian's script, which says what it could not", async (context) => {
    need(context, root);
    const directory = testDirectory(context);
    const all = things(context);
    const lane = levers(path.join(directory, "levers-test.journal"));
    for (const { lever } of all) expect(await lane.impose(lever)).toBeNull();
    const recovered = await recoverAbandonedLevers({ directory, procRoot: "/proc", kernelLogPath: null });
    expect(recovered).toMatchObject({ abandoned: [], outstanding: [], problems: [] });
    expect(recovered?.putBack).toHaveLength(all.length);
    expect(all.map(present)).toEqual(all.map(({ original }) => original));
  });

  test("that somebody else has changed meanwhile are left, by the lane and by the guardian", async (context) => {
    need(context, root);
    const directory = testDirectory(context);
    const all = things(context).filter(({ lever }) => /cfs_quota|cpu.max/.test(lever.file));
    const [thing] = all;
    if (thing === undefined) return context.skip("needs a cpu controller");
    const theirs = thing.lever.file === "cpu.max" ? "50000 100000" : "50000";
    const change = (): void =>
      fs.writeFileSync(path.join(thing.lever.directory, thing.lever.file), theirs, { flag: "r+" });
    const lane = levers(path.join(directory, "levers-test.journal"));
    expect(await lane.impose(thing.lever)).toBeNull();
    change();
    expect(await lane.undo(thing.lever)).toMatchObject({ end: "left" });
    expect(present(thing)).toBe(theirs);
    expect(await lane.impose(thing.lever)).toBeNull();
    fs.writeFileSync(
      path.join(thing.lever.directory, thing.lever.file),
      thing.lever.file === "cpu.max" ? "60000 100000" : "60000",
      { flag: "r+" },
    );
    const recovered = await recoverAbandonedLevers({ directory, procRoot: "/proc", kernelLogPath: null });
    // What the lane left is told too: nobody knows whether it still could.
    expect(recovered?.abandoned).toMatchObject([{ why: "left" }, { why: "left" }]);
    expect(present(thing)).toContain("60000");
  });

  test("of a cgroup that is gone, or that has another's inode, are forgotten", async (context) => {
    need(context, root);
    const [thing] = things(context);
    if (thing === undefined) return context.skip("needs a cgroup hierarchy of its own");
    const lane = levers(path.join(testDirectory(context), "levers-test.journal"));
    expect(await lane.impose(thing.lever)).toBeNull();
    expect(await lane.undo({ ...thing.lever, inode: thing.lever.inode + 1 })).toMatchObject({
      end: "not-held",
    });
    expect(await lane.impose({ ...thing.lever, inode: thing.lever.inode + 1 })).toContain("ENOENT");
    fs.rmdirSync(thing.lever.directory);
    fs.mkdirSync(thing.lever.directory);
    expect(await lane.undo(thing.lever)).toMatchObject({ end: "gone" });
  });

  test("are not imposed where nobody would put them back, nor where that cannot be written down", async (context) => {
    need(context, root);
    const [thing] = things(context);
    if (thing === undefined) return context.skip("needs a cgroup hierarchy of its own");
    const directory = testDirectory(context);
    expect(await levers(path.join(directory, "levers-a.journal"), false).impose(thing.lever)).toContain(
      "no guardian",
    );
    const nowhere = levers(path.join(directory, "no", "levers-a.journal"));
    expect(await nowhere.impose(thing.lever)).toContain("not journaled, so not done");
    expect(present(thing)).toBe(thing.original);
    expect(nowhere.held()).toEqual([]);
  });
});

describe("levers of processes", () => {
  test("stop and go on; who is stopped already is somebody else's", async (context) => {
    need(context, root);
    const lane = levers(path.join(testDirectory(context), "levers-test.journal"));
    const [one, other] = [await sleeper(context), await sleeper(context)];
    const lever: Lever = { kind: "stop", ...one };
    expect(await lane.impose(lever)).toBeNull();
    await waitFor("it to be stopped", () => stateOf(one.pid) === "T");
    process.kill(other.pid, "SIGSTOP");
    await waitFor("the other to be stopped", () => stateOf(other.pid) === "T");
    expect(await lane.impose({ kind: "stop", ...other })).toBe("it is stopped already, by somebody else");
    expect(await lane.undoAll()).toMatchObject([{ end: "done" }]);
    await waitFor("it to go on", () => stateOf(one.pid) === "S");
    expect(stateOf(other.pid)).toBe("T");
  });

  test("another process that got the number is not meant", async (context) => {
    need(context, root);
    const directory = testDirectory(context);
    const lane = levers(path.join(directory, "levers-test.journal"));
    const one = await sleeper(context);
    const wrong = { pid: one.pid, startTicks: one.startTicks + 1 };
    expect(await lane.impose({ kind: "stop", ...wrong })).toBe("it is gone");
    expect(await lane.impose({ kind: "nice", ...wrong, value: 5 })).toBe("it is gone");
    // As an earlier guard may have left it, whose process has ended.
    process.kill(one.pid, "SIGSTOP");
    await waitFor("it to be stopped", () => stateOf(one.pid) === "T");
    const line = `set 1 stop ${wrong.pid} ${wrong.startTicks}\n`;
    fs.writeFileSync(path.join(directory, "levers-other.journal"), line);
    const recovered = await recoverAbandonedLevers({ directory, procRoot: "/proc", kernelLogPath: null });
    expect(recovered?.abandoned).toMatchObject([{ why: "gone" }]);
    expect(stateOf(one.pid)).toBe("T");
  });

  test("a nice value is that of all threads; one that has its own gets its own back", async (context) => {
    need(context, root);
    const directory = testDirectory(context);
    const lane = levers(path.join(directory, "levers-test.journal"));
    const { pid } = await Program.start(context, [process.execPath, "-e", "setInterval(() => {}, 1000)"]);
    const threadIds = await waitFor("its threads", () => {
      const ids = fs.readdirSync(`/proc/${pid}/task`).map(Number);
      return ids.length >= 5 ? ids : null;
    });
    const own = threadIds.find((each) => each !== pid) as number;
    expect(setNice(own, 3)).toBeNull();
    const lever: Lever = { kind: "nice", pid, startTicks: startTicksOf(pid), value: 15 };
    const values = (): number[] => threadIds.map(niceValueOf);
    const before = values();
    for (const takeBack of ["lane", "guardian"]) {
      expect(await lane.impose(lever)).toBeNull();
      expect(values()).toEqual(threadIds.map(() => 15));
      if (takeBack === "lane") await lane.undo(lever);
      else await recoverAbandonedLevers({ directory, procRoot: "/proc", kernelLogPath: null });
      expect(values()).toEqual(before);
      expect(readLeverJournal(path.join(directory, "levers-test.journal")).held).toEqual([]);
    }
    expect(before).toContain(3);
  });
});

describe("levers of interfaces", () => {
  /** An interface of the test's own. */
  function ownInterface(context: TestContext, name: string): number {
    try {
      execFileSync("ip", ["link", "add", name, "type", "veth", "peer", "name", `${name}p`], {
        stdio: "pipe",
      });
    } catch (error) {
      context.skip(`needs to make interfaces: ${(error as Error).message.split("\n")[0]}`);
    }
    context.onTestFinished(() => void execFileSync("sh", ["-c", "ip link del $0 || ip link del $0x", name]));
    execFileSync("ip", ["link", "set", "dev", name, "up"]);
    return Number(fs.readFileSync(`/sys/class/net/${name}/ifindex`, "utf8"));
  }

  const qdiscs = (name: string): string =>
    execFileSync("tc", ["qdisc", "show", "dev", name], { encoding: "utf8" });
  const isUp = (name: string): boolean => {
    return (Number(fs.readFileSync(`/sys/class/net/${name}/flags`, "utf8")) & 1) === 1;
  };
  const ran =
    (command: string, ...args: string[]) =>
    async (): Promise<string | null> => {
      execFileSync(command, args, { stdio: "pipe" });
      return null;
    };

  test("shaping and being down are taken back, by lane and guardian, also when it was renamed", async (context) => {
    need(context, root);
    const name = `plim${process.pid % 100000}`;
    const ifindex = ownInterface(context, name);
    const directory = testDirectory(context);
    const lane = levers(path.join(directory, "levers-test.journal"));
    const shape: Lever = { kind: "shape", ifindex, interface: name };
    const link: Lever = { kind: "link", ifindex, interface: name };
    const tbf = [
      "qdisc",
      "replace",
      "dev",
      name,
      "root",
      "handle",
      "7015:",
      "tbf",
      "rate",
      "1mbit",
      "burst",
      "16kb",
      "latency",
      "50ms",
    ];
    for (const takeBack of ["lane", "guardian"]) {
      expect(await lane.impose(shape, ran("tc", ...tbf))).toBeNull();
      expect(await lane.impose(link, ran("ip", "link", "set", "dev", name, "down"))).toBeNull();
      expect([qdiscs(name).includes("qdisc tbf 7015: root"), isUp(name)]).toEqual([true, false]);
      if (takeBack === "lane") expect((await lane.undoAll()).map(({ end }) => end)).toEqual(["done", "done"]);
      else {
        execFileSync("ip", ["link", "set", "dev", name, "name", `${name}x`]);
        await recoverAbandonedLevers({ directory, procRoot: "/proc", kernelLogPath: null });
        execFileSync("ip", ["link", "set", "dev", `${name}x`, "down"]);
        execFileSync("ip", ["link", "set", "dev", `${name}x`, "name", name, "up"]);
      }
      expect([qdiscs(name).includes("tbf"), isUp(name)]).toEqual([false, true]);
      expect(readLeverJournal(path.join(directory, "levers-test.journal")).held).toEqual([]);
    }
  });

  test("a root qdisc that somebody else has set meanwhile is left", async (context) => {
    need(context, root);
    const name = `plim${process.pid % 100000}`;
    const ifindex = ownInterface(context, name);
    const lane = levers(path.join(testDirectory(context), "levers-test.journal"));
    const shape: Lever = { kind: "shape", ifindex, interface: name };
    expect(
      await lane.impose(shape, ran("tc", "qdisc", "replace", "dev", name, "root", "handle", "1:", "pfifo")),
    ).toBeNull();
    expect(await lane.undo(shape)).toMatchObject({ end: "left" });
    expect(qdiscs(name)).toContain("qdisc pfifo 1: root");
    expect(await lane.undo(shape)).toMatchObject({ end: "not-held" });
  });
});
