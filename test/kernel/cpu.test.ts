/** Who makes the load of the processors, through the whole guard: ended, frozen, slowed down, and let go again. */
import fs from "node:fs";
import { describe, expect, test, type TestContext } from "vitest";
import { CpuScene, niceValueOf, stateOf } from "../support/cpu-scene.ts";
import { GuardProcess, type Line } from "../support/guard.ts";
import { cgroupV1, cpuCgroups, memoryCgroups, need, root } from "../support/needs.ts";
import { isAlive } from "../support/processes.ts";
import type { Program } from "../support/program.ts";
import { waitFor } from "../support/wait.ts";

const ROUNDS = Number(process.env["PLIMSOLL_ROUNDS"] ?? 20);
const FREEZE = '["log", { action = "freeze", deadline = "1s" }]';
const END = '["log", { action = "sigterm", deadline = "2s" }, { action = "sigkill", deadline = "5s" }]';
const GENTLE = `["log", { action = "renice", nice = 15, deadline = "300ms" },
  { action = "quarantine", cores = 0.2, deadline = "300ms" }, { action = "freeze", deadline = "300ms" }]`;

async function scene(context: TestContext): Promise<CpuScene> {
  need(context, root, memoryCgroups, cgroupV1, cpuCgroups);
  const at = new CpuScene(context);
  await at.load();
  return at;
}

/** Kills the guardians that keep journals in the home of a guard. */
function killGuardians(home: string): void {
  const pids = fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const guardians = pids.filter((pid) => {
    try {
      return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`plimsoll-guardian\0${home}/`);
    } catch {
      return false;
    }
  });
  expect(guardians).toHaveLength(1);
  for (const pid of guardians) process.kill(Number(pid), "SIGKILL");
}

const isReport = (line: Line, verb: string): boolean =>
  line["event"] === "action" && line["resource"] === "cpu" && line["verb"] === verb;

async function report(guard: GuardProcess, verb: string, outcome: string): Promise<Line> {
  const matches = (line: Line): boolean => isReport(line, verb) && line["outcome"] === outcome;
  return guard.recorded(`${verb} with outcome ${outcome}`, matches, 20_000);
}

const victimsOf = (line: Line): number[] => (line["victims"] as Line[]).map((victim) => victim["pid"]);
const stepsOf = (line: Line): string[] =>
  (line["steps"] as Line[]).map((step) => `${step["what"]}: ${step["result"]}`);

async function started(context: TestContext, policy: string): Promise<GuardProcess> {
  return GuardProcess.start(context, { scope: "host", policy });
}

describe("a spinning process among busy ones", () => {
  test(`is the one that is frozen or ended, ${ROUNDS} of ${ROUNDS}`, {
    timeout: 60_000 + ROUNDS * 15_000,
  }, async (context) => {
    const at = await scene(context);
    const busy = await Promise.all([1, 2, 3].map(() => at.memory.start(context, "busy")));
    await Promise.all(busy.map((each) => each.said("ready")));
    for (let round = 0; round < ROUNDS; round++) {
      const freezes = round % 2 === 0;
      const spinner = await at.spin();
      const guard = await started(context, at.policy(freezes ? FREEZE : END));
      const line = await guard.recorded("an action", (each) => each["event"] === "action", 20_000);
      expect({ round, victims: victimsOf(line) }).toEqual({ round, victims: [spinner.pid] });
      expect(line).toMatchObject(
        freezes ? { verb: "freeze", outcome: "done" } : { verb: "sigterm", outcome: "ended" },
      );
      expect(line["before"]["culpritCores"]).toBeGreaterThan(line["after"]["culpritCores"]);
      if (freezes) expect(stateOf(spinner.pid)).toBe("T");
      else expect(await spinner.ended).toMatchObject({ signal: "SIGTERM" });
      expect((await guard.stop()).code).toBe(0);
      if (!freezes) continue;
      expect(stateOf(spinner.pid)).not.toBe("T");
      spinner.kill("SIGKILL");
      await spinner.ended;
    }
    expect(busy.filter(({ pid }) => !isAlive(pid))).toEqual([]);
  });
});

describe("what is gentler than to end", () => {
  async function imposed(
    context: TestContext,
    at: CpuScene,
  ): Promise<{ guard: GuardProcess; spinner: Program }> {
    const spinner = await at.spin();
    expect([niceValueOf(spinner.pid), at.quota]).toEqual([0, "-1"]);
    const guard = await started(context, at.policy(GENTLE));
    const line = await report(guard, "freeze", "done");
    expect(victimsOf(line)).toEqual([spinner.pid]);
    expect(stepsOf(line)).toEqual([
      "log: recorded",
      "renice: gave 1 nice 15",
      `quarantine: gave ${at.cpu.scope} at most 0.2 processors`,
      "freeze: stopped 1",
    ]);
    expect([niceValueOf(spinner.pid), at.quota, stateOf(spinner.pid)]).toEqual([15, "20000", "T"]);
    return { guard, spinner };
  }

  const isAsFound = (at: CpuScene, { pid }: Program): boolean =>
    niceValueOf(pid) === 0 && at.quota === "-1" && stateOf(pid) !== "T";

  test("goes rung by rung, and is taken back when the policy no longer asks for it", async (context) => {
    const at = await scene(context);
    const { guard, spinner } = await imposed(context, at);
    guard.writePolicy(at.policy(GENTLE, "enabled = false"));
    guard.child.kill("SIGHUP");
    const line = await report(guard, "undo", "released");
    expect(victimsOf(line)).toEqual([spinner.pid, spinner.pid]);
    expect(isAsFound(at, spinner)).toBe(true);
    expect((await guard.stop()).code).toBe(0);
  });

  test("is taken back at a clean stop", async (context) => {
    const at = await scene(context);
    const { guard, spinner } = await imposed(context, at);
    expect((await guard.stop()).code).toBe(0);
    expect(isAsFound(at, spinner)).toBe(true);
  });

  test("is taken back after kill -9", async (context) => {
    const at = await scene(context);
    const { guard, spinner } = await imposed(context, at);
    await guard.stop("SIGKILL");
    await waitFor("all to be as it was found", () => isAsFound(at, spinner), 3000);
  });

  test("is taken back by the next start when guard and guardian were killed together", {
    timeout: 60_000,
  }, async (context) => {
    const at = await scene(context);
    const { guard, spinner } = await imposed(context, at);
    // As a service manager does that kills the whole unit: nobody is left to start another guardian.
    guard.child.kill("SIGSTOP");
    killGuardians(guard.home);
    await guard.stop("SIGKILL");
    expect(stateOf(spinner.pid)).toBe("T");
    const next = await GuardProcess.start(context, {
      scope: "host",
      home: guard.home,
      policy: at.policy('["log"]'),
    });
    expect(isAsFound(at, spinner)).toBe(true);
    expect((await next.stop()).code).toBe(0);
  });

  test("survives the end of the lane's thread, whose next life takes it back", {
    timeout: 60_000,
  }, async (context) => {
    const at = await scene(context);
    const spinner = await at.spin();
    const guard = await GuardProcess.start(context, {
      scope: "host",
      policy: at.policy(FREEZE),
      env: { PLIMSOLL_ALLOW_FAULTS: "1" },
    });
    await report(guard, "freeze", "done");
    await guard.ask({ ask: "fault", worker: "cpu-lane", kind: "throw" });
    guard.writePolicy(at.policy(FREEZE, "enabled = false"));
    guard.child.kill("SIGHUP");
    await waitFor("the spinner to go on", () => stateOf(spinner.pid) !== "T", 20_000);
    await guard.recorded("the gap", (line) => line["event"] === "gap" && line["worker"] === "cpu-lane");
    expect((await guard.stop()).code).toBe(0);
  });

  test("is not done to the root cgroup, and the next rung is taken", async (context) => {
    const at = await scene(context);
    const spinner = await at.spin("root");
    const guard = await started(context, at.policy(GENTLE));
    const line = await report(guard, "freeze", "done");
    expect(stepsOf(line)).toContain("quarantine: not done: it has no cgroup of its own: it is in the root");
    expect(stateOf(spinner.pid)).toBe("T");
    expect((await guard.stop()).code).toBe(0);
  });

  test("is not done to a cgroup that is shared with somebody who is protected", async (context) => {
    const at = await scene(context);
    // In the cpu cgroup, but not in the memory cgroup that the policy leaves open.
    const other = await at.run(["sleep", "600"], [at.cpu]);
    await at.spin();
    const guard = await started(context, at.policy(GENTLE));
    const line = await report(guard, "freeze", "done");
    const why = `its cgroup ${at.cpu.scope} holds pid ${other.pid} too: the policy says never`;
    expect(stepsOf(line)).toContain(`quarantine: not done: ${why}`);
    expect(at.quota).toBe("-1");
    expect((await guard.stop()).code).toBe(0);
  });

  test("leaves a lower limit of the cgroup's own alone, and does nothing in a dry run", {
    timeout: 60_000,
  }, async (context) => {
    const at = await scene(context);
    at.cpu.write("cpu.cfs_quota_us", "90000");
    const spinner = await at.spin();
    const ladder =
      '[{ action = "quarantine", cores = 1, deadline = "200ms" }, { action = "freeze", deadline = "200ms" }]';
    const guard = await started(context, at.policy(ladder));
    const line = await report(guard, "freeze", "done");
    expect(stepsOf(line)[0]).toContain("has a lower limit of its own, 0.9 processors");
    expect((await guard.stop()).code).toBe(0);
    expect(at.quota).toBe("90000");
    const dry = await started(context, `dry_run = true\n${at.policy(ladder)}`);
    const told = await report(dry, "freeze", "dry-run");
    expect(stepsOf(told)).toEqual(["would quarantine: dry run", "would freeze: dry run"]);
    expect([stateOf(spinner.pid) === "T", at.quota]).toEqual([false, "90000"]);
    expect((await dry.stop()).code).toBe(0);
  });
});

describe("fair use", () => {
  test("a cgroup above its share is quarantined, tested, put back, and let go when it behaves", {
    timeout: 60_000,
  }, async (context) => {
    const at = await scene(context);
    await at.spin();
    const guard = await started(
      context,
      at.policy(
        '["log"]',
        `[cpu.fair_use]
cgroups = ["${at.cpu.scope}"]
cores = 0.3
window = "1s"
warn = "300ms"
quarantine = "300ms"
quarantine_cores = 0.1
release = "1s"
measure = "300ms"`,
      ),
    );
    const count = (verb: string): number => guard.audit().filter((line) => isReport(line, verb)).length;
    const first = await report(guard, "quarantine", "done");
    expect(first).toMatchObject({ subject: at.cpu.scope, target: at.cpu.scope });
    expect(first["before"]["cores"]).toBeGreaterThan(0.3);
    expect(first["after"]["cores"]).toBeLessThan(0.3);
    expect(at.quota).toBe("10000");
    await report(guard, "release", "released");
    // It does not behave: it goes back.
    await waitFor("its second quarantine", () => count("quarantine") >= 2, 20_000);
    expect(at.quota).toBe("10000");
    at.rest(true);
    const ended = (line: Line): boolean =>
      line["event"] === "level" && line["subject"] === at.cpu.scope && line["change"] === "ended";
    await guard.recorded("the end of its level", ended, 30_000);
    expect(at.quota).toBe("-1");
    expect((await guard.stop()).code).toBe(0);
  });

  test("a quarantine is taken back after kill -9", async (context) => {
    const at = await scene(context);
    await at.spin();
    const fairUse = `[cpu.fair_use]
cgroups = ["${at.cpu.scope}"]
cores = 0.3
window = "1s"
warn = "100ms"
quarantine = "100ms"
release = "1h"`;
    const guard = await started(context, at.policy('["log"]', fairUse));
    await report(guard, "quarantine", "done");
    expect(at.quota).toBe("25000");
    await guard.stop("SIGKILL");
    await waitFor("its quota to be back", () => at.quota === "-1", 3000);
  });
});
