/** What the guardian puts back on a real kernel, what it leaves, what it waits for, and who has it after whom. */
import fs from "node:fs";
import path from "node:path";
import { describe, expect, onTestFinished, test, type TestContext } from "vitest";
import { GuardianProcess } from "../../src/main/guardian/guardian.ts";
import { recoverJournal } from "../../src/main/guardian/recover.ts";
import type { GuardianOptions } from "../../src/main/guardian/spawn.ts";
import { systemUnits } from "../../src/native/system.ts";
import { Journal, readJournal } from "../../src/workers/rescue/journal.ts";
import { MIB, TestCgroup } from "../support/cgroup.ts";
import { testDirectory } from "../support/guard.ts";
import { cgroupV1, memoryCgroups, need, pidsCgroups, root } from "../support/needs.ts";
import { childrenOf, isAlive } from "../support/processes.ts";
import { Program, programFile } from "../support/program.ts";
import { waitFor } from "../support/wait.ts";

const LIMIT = "memory.limit_in_bytes";
const BOTH = "memory.memsw.limit_in_bytes";
const PAUSE = "memory.oom_control";
const { pageBytes } = systemUnits();

function optionsFor(context: TestContext): GuardianOptions {
  const journalPath = path.join(testDirectory(context), "limits.journal");
  return { journalPath, procRoot: "/proc", pageBytes, kernelLogPath: null };
}

/** A journal whose changes were made, as a guard leaves it that was killed. */
class Left {
  readonly journal: Journal;

  constructor(options: GuardianOptions) {
    this.journal = Journal.open(options.journalPath);
    onTestFinished(() => this.journal.close());
  }

  /** Journals and makes one change; `made` is what is written, if not what is journaled. */
  change(cgroup: TestCgroup, file: string, value: number, made: number | string | null = value): void {
    const at = path.join(cgroup.directory, file);
    const before = Number(/\d+/.exec(cgroup.read(file))?.[0]);
    this.journal.set(at, fs.statSync(cgroup.directory).ino, before, value);
    expect(this.journal.commit()).toBeNull();
    if (made !== null) cgroup.write(file, String(made));
  }
}

async function started(context: TestContext, options: GuardianOptions): Promise<GuardianProcess> {
  const start = await GuardianProcess.start(options);
  if ("refusal" in start) throw new Error(start.refusal);
  context.onTestFinished(async () => void (await start.guardian.release()));
  return start.guardian;
}

/** The guardians of a journal that are alive, whoever started them. */
function guardiansOf({ journalPath }: GuardianOptions): number[] {
  return fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`guardian\0${journalPath}\0`);
      } catch {
        return false;
      }
    });
}

const kilobytes = (cgroup: TestCgroup, file: string): number => Number(cgroup.read(file)) / 1024;
const paused = (cgroup: TestCgroup): boolean => cgroup.read(PAUSE).startsWith("oom_kill_disable 1");

describe("what is put back", () => {
  test("donor, receiver with its swap limit, and pause, at a clean stop", async (context) => {
    need(context, root, memoryCgroups, cgroupV1);
    const options = optionsFor(context);
    const [donor, receiver] = [TestCgroup.memory(context, 200), TestCgroup.memory(context, 100)];
    receiver.write(BOTH, String(100 * MIB));
    const guardian = await started(context, options);
    const left = new Left(options);
    left.change(donor, LIMIT, 150 * MIB);
    left.change(receiver, BOTH, 150 * MIB);
    left.change(receiver, LIMIT, 150 * MIB);
    left.change(receiver, PAUSE, 1);
    const { pid } = guardian;
    expect(await guardian.release()).toEqual([]);
    expect(donor.read(LIMIT)).toBe(String(200 * MIB));
    expect([receiver.read(LIMIT), receiver.read(BOTH)]).toEqual([String(100 * MIB), String(100 * MIB)]);
    expect(paused(receiver)).toBe(false);
    await waitFor("the guardian to end", () => !isAlive(pid as number), 1000);
  });

  test("a donor of swap too: memory's limit is never above that of both", async (context) => {
    need(context, root, memoryCgroups, cgroupV1);
    const options = optionsFor(context);
    const donor = TestCgroup.memory(context, 200);
    donor.write(BOTH, String(200 * MIB));
    const left = new Left(options);
    left.change(donor, LIMIT, 150 * MIB);
    left.change(donor, BOTH, 150 * MIB);
    const recovery = await recoverJournal(options);
    expect(recovery?.putBack).toHaveLength(2);
    expect([donor.read(LIMIT), donor.read(BOTH)]).toEqual([String(200 * MIB), String(200 * MIB)]);
  });

  test("what was journaled and not made, or made of odd bytes", async (context) => {
    need(context, root, memoryCgroups, cgroupV1);
    const options = optionsFor(context);
    const [untouched, odd, again] = [1, 2, 3].map(() => TestCgroup.memory(context, 100)) as [
      TestCgroup,
      TestCgroup,
      TestCgroup,
    ];
    const left = new Left(options);
    left.change(untouched, LIMIT, 150 * MIB, null);
    left.change(odd, LIMIT, 150 * MIB + 5000);
    left.change(again, LIMIT, 150 * MIB);
    left.change(again, LIMIT, 180 * MIB, null);
    const recovery = await recoverJournal(options);
    expect(recovery).toMatchObject({ abandoned: [], outstanding: [], problems: [] });
    expect(recovery?.putBack).toHaveLength(3);
    for (const cgroup of [untouched, odd, again]) expect(cgroup.read(LIMIT)).toBe(String(100 * MIB));
    // And it is told once.
    expect(await recoverJournal(options)).toMatchObject({ putBack: [], abandoned: [] });
  });

  test("no limit is no limit again", async (context) => {
    need(context, root, memoryCgroups, cgroupV1);
    const options = optionsFor(context);
    const cgroup = TestCgroup.memory(context, null);
    const unlimited = cgroup.read(LIMIT);
    new Left(options).change(cgroup, LIMIT, 100 * MIB);
    expect(readJournal(options.journalPath).outstanding).toMatchObject([
      { original: Number.POSITIVE_INFINITY },
    ]);
    await recoverJournal(options);
    expect(cgroup.read(LIMIT)).toBe(unlimited);
  });

  test("in cgroups whose names would be orders to a shell", async (context) => {
    need(context, root, memoryCgroups, cgroupV1);
    const options = optionsFor(context);
    const parent = TestCgroup.memory(context, null);
    const mark = path.join(path.dirname(options.journalPath), "INJECTED");
    const names = [
      `two  blanks`,
      `$(touch ${mark.replaceAll("/", "$@/")})`,
      "`id`;'\"",
      "*",
      "é\u0408Á\u0081",
      "-e\\n\\c",
    ];
    const left = new Left(options);
    const files = names.map((name, i) => {
      const directory = path.join(parent.directory, name.replaceAll("/", "_"));
      fs.mkdirSync(directory);
      context.onTestFinished(() => fs.rmdirSync(directory));
      const file = path.join(directory, LIMIT);
      fs.writeFileSync(file, String((i + 10) * MIB), { flag: "r+" });
      left.journal.set(file, fs.statSync(directory).ino, (i + 10) * MIB, 100 * MIB);
      expect(left.journal.commit()).toBeNull();
      fs.writeFileSync(file, String(100 * MIB), { flag: "r+" });
      return file;
    });
    expect((await recoverJournal(options))?.putBack).toHaveLength(names.length);
    const limits = files.map((file) => Number(fs.readFileSync(file, "utf8")));
    expect(limits).toEqual(names.map((_, i) => (i + 10) * MIB));
    expect(fs.existsSync(mark)).toBe(false);
  });
});

describe("what is not put back", () => {
  test("a limit that somebody else has changed since", async (context) => {
    need(context, root, memoryCgroups, cgroupV1);
    const options = optionsFor(context);
    const [theirs, ours] = [TestCgroup.memory(context, 100), TestCgroup.memory(context, 100)];
    const left = new Left(options);
    left.change(theirs, LIMIT, 150 * MIB);
    left.change(ours, LIMIT, 150 * MIB);
    theirs.limit(300);
    const recovery = await recoverJournal(options);
    expect(theirs.read(LIMIT)).toBe(String(300 * MIB));
    expect(ours.read(LIMIT)).toBe(String(100 * MIB));
    expect(recovery?.abandoned).toMatchObject([{ path: path.join(theirs.directory, LIMIT), why: "left" }]);
  });

  test("a cgroup that is gone, and another one in its place", async (context) => {
    need(context, root, memoryCgroups, cgroupV1);
    const options = optionsFor(context);
    const [gone, replaced] = [TestCgroup.memory(context, 100), TestCgroup.memory(context, 100)];
    const left = new Left(options);
    for (const cgroup of [gone, replaced]) left.change(cgroup, LIMIT, 150 * MIB);
    await gone.remove();
    await replaced.remove();
    replaced.make();
    replaced.limit(150);
    const recovery = await recoverJournal(options);
    expect(replaced.read(LIMIT)).toBe(String(150 * MIB));
    expect(recovery?.abandoned.map(({ why }) => why)).toEqual(["gone", "gone"]);
  });

  test("lines that are damaged; those around them are", async (context) => {
    need(context, root, memoryCgroups, cgroupV1);
    const options = optionsFor(context);
    const [one, two] = [TestCgroup.memory(context, 100), TestCgroup.memory(context, 100)];
    const left = new Left(options);
    left.change(one, LIMIT, 150 * MIB);
    fs.appendFileSync(options.journalPath, "set \u0000\u00ff garbage\n\nset 1 2 3 4 /etc/passwd\n");
    left.change(two, LIMIT, 150 * MIB);
    fs.appendFileSync(
      options.journalPath,
      `set ${fs.statSync(two.directory).ino} 1 1 157286400 ${two.directory}/memory.lim`,
    );
    const recovery = await recoverJournal(options);
    expect([one.read(LIMIT), two.read(LIMIT)]).toEqual([String(100 * MIB), String(100 * MIB)]);
    expect(recovery?.problems.map(({ line }) => line)).toEqual([2, 4, 6]);
  });
});

describe("a receiver that uses more than its own limit", () => {
  async function grown(context: TestContext, options: GuardianOptions): Promise<[TestCgroup, Program, Left]> {
    const cgroup = TestCgroup.memory(context, 100);
    const left = new Left(options);
    left.change(cgroup, LIMIT, 200 * MIB);
    const hog = await cgroup.start(context, "grow", ["--from", "120"]);
    await hog.said("ready");
    return [cgroup, hog, left];
  }

  test("is lowered when its program has ended; all else is back at once", async (context) => {
    need(context, root, memoryCgroups, cgroupV1);
    const options = optionsFor(context);
    const donor = TestCgroup.memory(context, 200);
    const guardian = await started(context, options);
    const [receiver, hog, left] = await grown(context, options);
    left.change(donor, LIMIT, 100 * MIB);
    left.change(receiver, PAUSE, 1);
    const beganMs = performance.now();
    const waiting = await guardian.release();
    expect(performance.now() - beganMs).toBeLessThan(1000);
    expect(waiting).toMatchObject([{ path: path.join(receiver.directory, LIMIT), original: 100 * MIB }]);
    expect(donor.read(LIMIT)).toBe(String(200 * MIB));
    expect(paused(receiver)).toBe(false);
    expect(kilobytes(receiver, LIMIT)).toBe(200 * 1024);
    expect(receiver.oomKills).toBe(0);
    hog.kill("SIGKILL");
    await waitFor("the limit to be back", () => kilobytes(receiver, LIMIT) === 100 * 1024, 1000);
    await waitFor("the guardian to end", () => guardiansOf(options).length === 0, 1000);
    expect(readJournal(options.journalPath).outstanding).toEqual([]);
  });

  test("that is removed is waited for no longer", async (context) => {
    need(context, root, memoryCgroups, cgroupV1);
    const options = optionsFor(context);
    const [receiver] = await grown(context, options);
    expect((await recoverJournal(options))?.outstanding).toHaveLength(1);
    expect(guardiansOf(options)).toHaveLength(1);
    await receiver.remove();
    await waitFor("the guardian to end", () => guardiansOf(options).length === 0, 1000);
  });

  test("passes to the next guard: the old guardian leaves, the loan stays", async (context) => {
    need(context, root, memoryCgroups, cgroupV1);
    const options = optionsFor(context);
    const [receiver, hog] = await grown(context, options);
    await recoverJournal(options);
    const [old] = guardiansOf(options);
    const start = await GuardianProcess.start(options);
    if ("refusal" in start) throw new Error(start.refusal);
    expect(isAlive(old as number)).toBe(false);
    expect(guardiansOf(options)).toEqual([start.guardian.pid]);
    expect(start.recovered.outstanding).toMatchObject([{ original: 100 * MIB, value: 200 * MIB }]);
    expect(fs.existsSync(`${options.journalPath}.handover`)).toBe(false);
    // Neither guardian touches it while the guard lives.
    hog.kill("SIGKILL");
    await hog.ended;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(kilobytes(receiver, LIMIT)).toBe(200 * 1024);
    expect(await start.guardian.release()).toEqual([]);
    expect(kilobytes(receiver, LIMIT)).toBe(100 * 1024);
  });

  test("is waited for also when nothing can be forked", async (context) => {
    need(context, root, memoryCgroups, cgroupV1, pidsCgroups);
    const options = optionsFor(context);
    const [receiver, hog] = await grown(context, options);
    await recoverJournal(options);
    const cage = TestCgroup.pids(context, 1);
    const [guardian] = guardiansOf(options);
    cage.write("cgroup.procs", String(guardian));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(guardiansOf(options)).toEqual([guardian]);
    hog.kill("SIGKILL");
    await waitFor("the limit to be back", () => kilobytes(receiver, LIMIT) === 100 * 1024, 2000);
    await waitFor("the guardian to end", () => guardiansOf(options).length === 0, 1000);
    // It did not say so each time it began anew.
    expect(
      fs
        .readFileSync(options.journalPath, "utf8")
        .split("\n")
        .filter((line) => line.startsWith("wait")),
    ).toHaveLength(1);
  });
});

describe("guardians and guards", () => {
  test("one that is killed is followed by another; until it listens there is none", async (context) => {
    need(context, root, memoryCgroups, cgroupV1);
    const options = optionsFor(context);
    const cgroup = TestCgroup.memory(context, 100);
    const guardian = await started(context, options);
    const told: [boolean, string, boolean][] = [];
    guardian.onChange((alive, why) => told.push([alive, why, guardian.alive]));
    const first = guardian.pid as number;
    process.kill(first, "SIGKILL");
    await waitFor("another guardian", () => told.length === 2);
    expect(told).toEqual([
      [false, "it ended with SIGKILL", false],
      [true, "", true],
    ]);
    expect(guardian.pid).not.toBe(first);
    new Left(options).change(cgroup, LIMIT, 150 * MIB);
    expect(await guardian.release()).toEqual([]);
    expect(cgroup.read(LIMIT)).toBe(String(100 * MIB));
    expect(told).toHaveLength(2);
  });

  test("it is deaf to the signals that end a guard", async (context) => {
    need(context, root, memoryCgroups, cgroupV1);
    const options = optionsFor(context);
    const guardian = await started(context, options);
    const pid = guardian.pid as number;
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGPIPE"] as const)
      process.kill(pid, signal);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isAlive(pid)).toBe(true);
    expect(fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[5]).toBe(String(pid));
    expect(childrenOf(pid)).toEqual([]);
    expect(await guardian.release()).toEqual([]);
  });

  test("a second guard does not get the journal of one that lives, and need not wait for that", async (context) => {
    need(context, root, memoryCgroups, cgroupV1);
    const options = optionsFor(context);
    const first = await started(context, options);
    const beganMs = performance.now();
    const second = await GuardianProcess.start(options);
    expect(second).toMatchObject({
      refusal: expect.stringContaining("another guard of this host") as string,
    });
    expect(first.alive).toBe(true);
    expect(await recoverJournal(options)).toBeNull();
    expect(performance.now() - beganMs).toBeLessThan(1000);
    // A signature of a process that is no more, though another may have its pid, is no reason.
    expect(fs.readFileSync(`${options.journalPath}.lock`, "utf8")).toMatch(
      new RegExp(`^${process.pid} \\d+\n$`),
    );
    fs.writeFileSync(`${options.journalPath}.lock`, `${process.pid} 1\n`);
    const waiting = recoverJournal(options);
    await first.release();
    expect(await waiting).toMatchObject({ outstanding: [], problems: [] });
    expect(fs.existsSync(`${options.journalPath}.handover`)).toBe(false);
  });

  test("guard and guardian killed at one stroke: the next start puts back", async (context) => {
    need(context, root, memoryCgroups, cgroupV1);
    const options = optionsFor(context);
    const cgroup = TestCgroup.memory(context, 100);
    const args = ["--journal", options.journalPath, "--seed", "5", "--", cgroup.directory];
    const mover = await Program.start(context, [process.execPath, programFile("limit-mover"), ...args]);
    const { guardian } = await mover.said("guarded");
    await mover.said("moving");
    await waitFor("a limit to be moved", () => cgroup.read(LIMIT) !== String(100 * MIB));
    process.kill(guardian as number, "SIGSTOP");
    mover.kill("SIGKILL");
    process.kill(guardian as number, "SIGKILL");
    await mover.ended;
    const { outstanding } = readJournal(options.journalPath);
    expect(outstanding.length).toBeGreaterThan(0);
    const next = await GuardianProcess.start(options);
    if ("refusal" in next) throw new Error(next.refusal);
    expect(next.recovered.putBack).toEqual(outstanding);
    expect(cgroup.read(LIMIT)).toBe(String(100 * MIB));
    expect(paused(cgroup)).toBe(false);
    await next.guardian.release();
  });

  test("without a shell to run, or a place for the journal, there is no guardian, and why is said", async (context) => {
    need(context, root);
    const nowhere = { ...optionsFor(context), journalPath: "/nonexistent/limits.journal" };
    expect(await GuardianProcess.start(nowhere)).toMatchObject({
      refusal: expect.stringContaining("ENOENT") as string,
    });
    // One whose start failed does not keep others from the journal.
    const options = optionsFor(context);
    fs.mkdirSync(options.journalPath);
    expect(await GuardianProcess.start(options)).toMatchObject({
      refusal: expect.stringContaining("EISDIR") as string,
    });
    fs.rmdirSync(options.journalPath);
    const guardian = await started(context, options);
    expect(guardian.alive).toBe(true);
  });
});
