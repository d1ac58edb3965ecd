import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { describe, expect, test } from "vitest";
import type { Candidate } from "../../src/core/victim/candidate.ts";
import { closeDescriptor } from "../../src/native/descriptor.ts";
import { Signal } from "../../src/native/pidfd.ts";
import { Targets } from "../../src/workers/action/targets.ts";
import { HOST_ROOTS } from "../../src/workers/common/roots.ts";
import { openTarget } from "../../src/workers/common/target.ts";
import { TestCgroup } from "../support/cgroup.ts";
import { GuardProcess, type Line, testDirectory } from "../support/guard.ts";
import { lowerOomScore, memoryCgroups, need, nextPid, otherUser, root } from "../support/needs.ts";
import { isAlive, startTicksOf } from "../support/processes.ts";
import { programFile } from "../support/program.ts";
import { waitFor } from "../support/wait.ts";

/** An ordinary user. */
const NOBODY = 65534;

/** Critical as soon as less than so much is available, so that who is big need not be near the limit. */
function critical(available: string, rest = ""): string {
  return `[memory.critical]\navailable = "${available}"\n${rest}`;
}

/** Starts the guard inside of the cgroup, below a parent that holds 150 MiB. */
function inside(cgroup: TestCgroup): string[] {
  const enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"';
  const nest = [process.execPath, programFile("nest"), "--hold", "150", "--"];
  return ["/bin/sh", "-c", enter, cgroup.directory, ...nest];
}

describe("the guard itself and its ancestors, the biggest in their own scope", () => {
  test("are let be: a smaller process that is neither is ended", async (context) => {
    need(context, root, memoryCgroups);
    const cgroup = TestCgroup.memory(context, 500);
    const guard = await GuardProcess.start(context, {
      scope: cgroup.scope,
      policy: critical("180MiB"),
      under: inside(cgroup),
    });
    const hog = await cgroup.start(context, "grow", ["--to", "300", "--rate", "100"]);
    await hog.said("ready");
    hog.go();
    expect(await hog.ended).toMatchObject({ signal: "SIGTERM" });
    const line = await guard.decision("ended");
    const named = (line["candidates"] as Line[]).map((each) => each["pid"] as number);
    expect(named).toContain(hog.pid);
    expect(named).not.toContain(guard.pid);
    expect(named).not.toContain(guard.child.pid);
    expect(line["candidates"][0]["recoverableBytes"]).toBeLessThan(150 * 1024 * 1024);
    expect((await guard.stop()).code).toBe(0);
  });

  test("are let be when there is nobody else: that is a state on record, and no end of the guard", async (context) => {
    need(context, root, memoryCgroups);
    const cgroup = TestCgroup.memory(context, 500);
    const guard = await GuardProcess.start(context, {
      scope: cgroup.scope,
      policy: critical("400MiB"),
      under: inside(cgroup),
    });
    const line = await guard.decision("nobody");
    expect(line).toMatchObject({ level: "critical", verdict: "nobody", victims: [], candidates: [] });
    const before = (await guard.ask({ ask: "status" }))["memory"]["samples"] as number;
    await waitFor(
      "it to go on sampling",
      async () => (await guard.ask({ ask: "status" }))["memory"]["samples"] > before,
    );
    expect((await guard.stop()).code).toBe(0);
  });
});

test("a guard of an ordinary user ends its user's hog, and says that it cannot end the others'", async (context) => {
  need(context, root, memoryCgroups, otherUser);
  const cgroup = TestCgroup.memory(context, 400);
  const home = testDirectory(context);
  fs.chownSync(home, NOBODY, NOBODY);
  const as = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  const guard = await GuardProcess.start(context, {
    scope: cgroup.scope,
    policy: critical("150MiB"),
    home,
    under: ["env", "-C", "/", ...as],
  });
  // The bigger one, and the one that grew more, is root's.
  const roots = await cgroup.start(context, "grow", ["--from", "120"]);
  await roots.said("ready");
  const own = await cgroup.run(context, [
    ...as,
    process.execPath,
    programFile("grow"),
    "--to",
    "120",
    "--rate",
    "200",
  ]);
  await own.said("ready");
  own.go();
  expect(await own.ended).toMatchObject({ signal: "SIGTERM" });
  const line = await guard.decision("ended");
  expect((line["candidates"] as Line[]).map((each) => each["pid"])).toEqual([own.pid]);
  expect(roots.end).toBeNull();
  expect(cgroup.oomKills).toBe(0);
  await guard.recorded(
    "what it cannot do",
    (each) => each["event"] === "limited" && /process/.test(each["what"] as string),
  );
  expect((await guard.stop()).code).toBe(0);
});

test("a process of oom_score_adj -1000 is let be, however it grows", async (context) => {
  need(context, root, memoryCgroups, lowerOomScore);
  const cgroup = TestCgroup.memory(context, 300);
  const guard = await GuardProcess.start(context, { scope: cgroup.scope, policy: critical("150MiB") });
  const hog = await cgroup.start(context, "grow", [
    "--to",
    "180",
    "--rate",
    "200",
    "--oom-score-adj",
    "-1000",
  ]);
  await hog.said("ready");
  hog.go();
  await guard.decision("nobody");
  await hog.said("grown");
  expect(hog.end).toBeNull();
});

describe("what the policy says never of", () => {
  const policy = (descendants: boolean): string =>
    critical("150MiB", `[victim]\nnever = [{ name = "keeper", descendants = ${descendants} }]\n`);
  const keeper = [
    process.execPath,
    programFile("nest"),
    "--hold",
    "20",
    "--name",
    "keeper",
    "--",
    process.execPath,
    programFile("grow"),
    "--to",
    "180",
    "--rate",
    "200",
  ];

  test("is let be, and what descends from it", async (context) => {
    need(context, root, memoryCgroups);
    const cgroup = TestCgroup.memory(context, 300);
    const guard = await GuardProcess.start(context, { scope: cgroup.scope, policy: policy(true) });
    const parent = await cgroup.run(context, keeper);
    const child = (await parent.said("ready"))["pid"] as number;
    parent.go();
    const line = await guard.decision("nobody");
    expect(line["excluded"]).toMatchObject({ never: 2 });
    await parent.said("grown");
    expect([parent.pid, child].map(isAlive)).toEqual([true, true]);
    expect(guard.audit().filter((each) => each["verdict"] === "end")).toEqual([]);
  });

  test("is let be alone, where the rule says so", async (context) => {
    need(context, root, memoryCgroups);
    const cgroup = TestCgroup.memory(context, 300);
    const guard = await GuardProcess.start(context, { scope: cgroup.scope, policy: policy(false) });
    const parent = await cgroup.run(context, keeper);
    const child = (await parent.said("ready"))["pid"] as number;
    parent.go();
    const line = await guard.decision("ended");
    expect(line["victims"]).toEqual([expect.objectContaining({ pid: child })]);
    // The keeper ended as its child did: by itself, and with an exit code.
    expect(await parent.ended).toMatchObject({ signal: null });
  });
});

describe("a pid that has another owner by now", () => {
  test("is not opened: it is the start time that says who is meant", () => {
    const ticks = startTicksOf(process.pid);
    expect(openTarget("/proc", process.pid, ticks - 1)).toMatchObject({ code: "ESRCH" });
    const target = openTarget("/proc", process.pid, ticks);
    expect(target).toBeTypeOf("number");
    closeDescriptor(target as number);
  });

  test("is not signalled: the pid of a process that has ended was given to another", async (context) => {
    need(context, root, nextPid);
    const first = spawn("sleep", ["60"]);
    const pid = first.pid as number;
    const startTicks = startTicksOf(pid);
    first.kill("SIGKILL");
    await once(first, "exit");
    const second = await sleeperWithPid(pid, startTicks);
    context.onTestFinished(() => void second.kill("SIGKILL"));

    const member = { pid, startTicks };
    const candidate: Candidate = {
      kind: "process",
      ...member,
      id: pid,
      members: [member],
      recoverableBytes: 0,
      grownBytes: 0,
      ageSeconds: 0,
      score: 0,
      parts: { recovers: 0, growth: 0, age: 0, oomScoreAdj: 0, preference: 0, few: 0 },
    };
    const targets = new Targets(HOST_ROOTS, candidate, process.pid);
    expect(targets.signal(Signal.kill)).toEqual({ sent: 0, gone: 1, refusal: null });
    targets.close();
    expect(isAlive(pid)).toBe(true);
    expect(second.exitCode ?? second.signalCode).toBeNull();
  });
});

/** Begins processes until one has the pid, and another start than the one that had it before. */
async function sleeperWithPid(pid: number, not: number): Promise<ReturnType<typeof spawn>> {
  return waitFor(`a process with pid ${pid}`, async () => {
    fs.writeFileSync("/proc/sys/kernel/ns_last_pid", String(pid - 1));
    const child = spawn("sleep", ["60"]);
    if (child.pid === pid && startTicksOf(pid) !== not) return child;
    child.kill("SIGKILL");
    await once(child, "exit");
    return null;
  });
}

test("pid 1 and kernel threads are never candidates on the host, not even for a dry run at critical", async (context) => {
  need(context, root, memoryCgroups);
  // Somebody large enough to be worth naming, whatever else this host runs.
  const large =
    "const held = Buffer.alloc(800 * 2 ** 20, 1); process.stdout.write('held'); setInterval(() => held, 1e6)";
  const holder = spawn(process.execPath, ["-e", large], { stdio: ["ignore", "pipe", "inherit"] });
  context.onTestFinished(() => void holder.kill("SIGKILL"));
  await once(holder.stdout, "data");
  // 99 %: critical at once, with the whole host to choose from; nothing is signalled.
  const guard = await GuardProcess.start(context, {
    scope: "host",
    args: ["--dry-run"],
    policy: `[memory]\nwarning = false\n${critical("99%")}`,
  });
  const line = await guard.recorded("a decision", (each) => each["event"] === "decision");
  const kernelThreads = spawnSync("ps", ["--ppid", "2", "-o", "pid="], { encoding: "utf8" }).stdout;
  const never = new Set([1, 2, guard.pid, process.pid, ...kernelThreads.split("\n").map(Number)]);
  const named = (line["candidates"] as Line[]).map((each) => each["pid"] as number);
  expect(named).toContain(holder.pid);
  expect(named.filter((each) => never.has(each))).toEqual([]);
  expect(line["excluded"]).toMatchObject({ init: 1 });
});
