import fs from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, test, type TestContext } from "vitest";
import { MIB, TestCgroup } from "../support/cgroup.ts";
import { GuardProcess, type Line, testDirectory } from "../support/guard.ts";
import { cgroupV1, memoryCgroups, need, root } from "../support/needs.ts";
import { waitFor } from "../support/wait.ts";

/** A Node program is 45 MiB and more before it holds anything. */
const GROWER_LIMIT = 96;
const LENDER_LIMIT = 200;

interface Scene {
  readonly home: string;
  readonly parent: TestCgroup;
  readonly grower: TestCgroup;
  readonly lenders: readonly TestCgroup[];
}

/** Three cgroups in one: one that is about to grow, and two that use less than they used to. */
function scene(context: TestContext, parentLimitMiB: number | null): Scene {
  need(context, root, memoryCgroups);
  const parent = TestCgroup.memory(context, parentLimitMiB);
  const grower = TestCgroup.within(context, parent, "grower", GROWER_LIMIT);
  const lenders = [
    TestCgroup.within(context, parent, "lender a", LENDER_LIMIT),
    TestCgroup.within(context, parent, "lender-b", LENDER_LIMIT * 2),
  ];
  return { home: testDirectory(context), parent, grower, lenders };
}

/** What the lenders are known to use from an earlier calibration. */
function calibration({ home, grower, lenders }: Scene): string {
  const file = path.join(home, "calibration.json");
  const of = (minMiB: number, medianMiB: number, maxMiB: number): Record<string, number> => ({
    min_consumption: minMiB * MIB,
    max_consumption: maxMiB * MIB,
    median_consumption: medianMiB * MIB,
  });
  const known = {
    [grower.scope]: of(40, 60, 90),
    ...Object.fromEntries(lenders.map(({ scope }) => [scope, of(50, 120, 180)])),
  };
  fs.writeFileSync(file, JSON.stringify(known), { mode: 0o600 });
  return file;
}

function policy(from: Scene, rescue: string): string {
  return `
[memory]
enabled = false
[cgroups]
watch = ["${from.parent.scope}/**"]
interval = "100ms"
scan = "100ms"
stat_every = 1
calibration = "${calibration(from)}"
[rescue]
cgroups = ["${from.parent.scope}/*"]
add_min = "4MiB"
${/^margin/m.test(rescue) ? "" : 'margin = "16MiB"'}
reaction = "50ms"
donor_margin = "8MiB"
${/^lend_max/m.test(rescue) ? "" : 'lend_max = "1000%"'}
${/^return_after/m.test(rescue) ? "" : 'return_after = "300ms"'}
${rescue}
`;
}

const rescues = (guard: GuardProcess): Line[] => guard.audit().filter((line) => line["event"] === "rescue");

async function guardOn(
  context: TestContext,
  from: Scene,
  rescue = "",
  args: string[] = [],
): Promise<GuardProcess> {
  const { home } = from;
  context.onTestFailed(() => {
    const said = rescues(guard).map((line) => JSON.stringify(line));
    process.stderr.write(`${said.join("\n")}\n`);
  });
  const guard = await GuardProcess.start(context, {
    scope: "host",
    policy: policy(from, rescue),
    home,
    args,
    env: { PLIMSOLL_ALLOW_FAULTS: "1" },
  });
  const watched = [from.grower, ...from.lenders].map(({ scope }) => `watching ${scope} to its limit`);
  await waitFor("all to be watched", () => watched.every((line) => guard.stderr.includes(line)));
  return guard;
}

/** Grows past the grower's limit. */
async function grow(context: TestContext, { grower }: Scene, toMiB: number, rate: number) {
  const program = await grower.start(context, "grow", ["--to", String(toMiB), "--rate", String(rate)]);
  await program.said("ready");
  program.go();
  return program;
}

/** It would stand at its limit, or be slowed down below it: a pause on v1, a tripwire on v2. */
function heldUp(cgroup: TestCgroup): boolean {
  return cgroup.version === 1
    ? !cgroup.read("memory.oom_control").includes("oom_kill_disable 0")
    : cgroup.read("memory.high") !== "max";
}

async function limitsAre(
  all: readonly TestCgroup[],
  limitsMiB: readonly number[],
  limitMs: number,
): Promise<void> {
  const wished = limitsMiB.map((limit) => limit * MIB);
  await waitFor(
    "every limit to be what it was",
    () => all.every((cgroup, i) => cgroup.limitBytes === wished[i]),
    limitMs,
  ).catch((error: Error) => {
    throw new Error(
      `${error.message}; they are ${all.map(({ limitBytes }) => limitBytes / MIB).join(", ")} MiB`,
    );
  });
}

describe("a cgroup that grows over its limit", () => {
  test("lives by its parent's headroom alone, and gives back what it was lent", async (context) => {
    const all = scene(context, 2048);
    const guard = await guardOn(context, all);
    const program = await grow(context, all, 300, 200);
    await program.said("grown");
    expect(all.grower.oomKills).toBe(0);
    expect(all.grower.limitBytes).toBeGreaterThan(300 * MIB);
    for (const [i, lender] of all.lenders.entries())
      expect(lender.limitBytes).toBe(LENDER_LIMIT * (i + 1) * MIB);
    const lines = rescues(guard);
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) {
      expect(line).toMatchObject({ outcome: "raised", oom_cgroup: all.grower.scope, adjusted_cgroups: [] });
      expect(line["added_memory"]).toBeGreaterThanOrEqual(4 * MIB);
    }
    program.kill("SIGKILL");
    await limitsAre([all.grower, ...all.lenders], [GROWER_LIMIT, LENDER_LIMIT, LENDER_LIMIT * 2], 10_000);
    await guard.stop();
  });

  test("is given what underused cgroups can spare, in proportion and never below their floor", async (context) => {
    // The parent is as full as its threshold says from the start: there is nothing to be had from it alone.
    const all = scene(context, 1024);
    // Nothing goes back while it is looked at.
    const guard = await guardOn(context, all, 'global_threshold = "1%"\nreturn_after = "4s"');
    const program = await grow(context, all, 200, 100);
    await program.said("grown");
    expect(all.grower.oomKills).toBe(0);
    const lines = rescues(guard).filter((line) => line["outcome"] === "raised");
    expect(lines.length).toBeGreaterThan(0);
    const taken = new Map<string, number>();
    let added = 0;
    for (const line of lines) {
      const adjusted = line["adjusted_cgroups"] as { name: string; reduced_memory: number }[];
      added += line["added_memory"] as number;
      expect(adjusted.reduce((sum, each) => sum + each.reduced_memory, 0)).toBe(line["added_memory"]);
      for (const { name, reduced_memory } of adjusted)
        taken.set(name, (taken.get(name) ?? 0) + reduced_memory);
    }
    expect(all.grower.limitBytes).toBe(GROWER_LIMIT * MIB + added);
    for (const [i, lender] of all.lenders.entries()) {
      const limit = LENDER_LIMIT * (i + 1) * MIB;
      expect(lender.limitBytes).toBe(limit - (taken.get(lender.scope) ?? 0));
      expect(lender.limitBytes, "the calibrated minimum is a floor").toBeGreaterThanOrEqual(50 * MIB);
    }
    // Slack is what is above the floor: 150 of the one, 350 of the other.
    const [a = 0, b = 0] = all.lenders.map(({ scope }) => taken.get(scope));
    expect(b / a).toBeCloseTo(350 / 150, 1);
    program.kill("SIGKILL");
    await limitsAre([all.grower, ...all.lenders], [GROWER_LIMIT, LENDER_LIMIT, LENDER_LIMIT * 2], 15_000);
    await guard.stop();
  });

  test("waits at its limit where it may be paused, and no longer than it takes to give", async (context) => {
    need(context, cgroupV1);
    const all = scene(context, 2048);
    const guard = await guardOn(context, all, `pause = ["${all.parent.scope}/grower"]\nmargin = "0B"`);
    await waitFor("the pause to be armed", () =>
      /oom_kill_disable 1/.test(all.grower.read("memory.oom_control")),
    );
    const program = await grow(context, all, 300, 200);
    await program.said("grown");
    expect(all.grower.oomKills).toBe(0);
    expect(rescues(guard)[0]).toMatchObject({ trigger: "oom", paused: true });
    await guard.stop();
    expect(heldUp(all.grower)).toBe(false);
  });

  test("that has had all the policy lends is neither held nor slowed down: the kernel decides", async (context) => {
    const all = scene(context, 2048);
    const rescue = `lend_max = "20%"\npause = ["${all.parent.scope}/grower"]\nreturn_after = "4s"`;
    const guard = await guardOn(context, all, rescue);
    const program = await grow(context, all, 300, 200);
    await guard.recorded("the cap", (line) => line["event"] === "rescue" && line["outcome"] === "cap");
    await program.ended;
    expect(all.grower.oomKills).toBe(1);
    expect(heldUp(all.grower)).toBe(false);
    await guard.stop();
  });

  test("is let be by the built-in policy, which changes nothing", async (context) => {
    const all = scene(context, 2048);
    const guard = await GuardProcess.start(context, {
      scope: "host",
      home: all.home,
      policy: "[memory]\nenabled = false",
    });
    const program = await all.grower.start(context, "grow", ["--to", "300", "--rate", "200"]);
    await program.said("ready");
    program.go();
    await program.ended;
    expect(all.grower.oomKills).toBe(1);
    expect(all.grower.limitBytes).toBe(GROWER_LIMIT * MIB);
    await guard.stop();
  });

  test("in a dry run is told of and not helped", async (context) => {
    const all = scene(context, 2048);
    const guard = await guardOn(context, all, "", ["--dry-run"]);
    const program = await grow(context, all, 300, 200);
    await program.ended;
    expect(all.grower.limitBytes).toBe(GROWER_LIMIT * MIB);
    const lines = rescues(guard);
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.every((line) => line["outcome"] === "dry-run")).toBe(true);
    await guard.stop();
  });
});

describe("kill -9 of the guard", () => {
  test("in mid-rescue: all limits and pauses are as found within a second", async (context) => {
    const all = scene(context, 1024);
    const rescue = `global_threshold = "1%"\npause = ["${all.parent.scope}/grower"]`;
    const guard = await guardOn(context, all, rescue);
    const program = await grow(context, all, 1000, 100);
    await guard.recorded("a rescue", (line) => line["event"] === "rescue");
    guard.child.kill("SIGKILL");
    // Nobody lends any more: the kernel ends the program at what it has been lent, as it would have without a guard.
    await program.ended;
    await limitsAre([all.grower, ...all.lenders], [GROWER_LIMIT, LENDER_LIMIT, LENDER_LIMIT * 2], 1000);
    expect(heldUp(all.grower)).toBe(false);
  });

  test("a program that stays above its own limit keeps the raised one until it fits", async (context) => {
    const all = scene(context, 2048);
    const guard = await guardOn(context, all);
    const program = await grow(context, all, 200, 200);
    await program.said("grown");
    guard.child.kill("SIGKILL");
    await pause(1000);
    expect(program.end).toBeNull();
    expect(all.grower.limitBytes).toBeGreaterThan(200 * MIB);
    program.kill("SIGKILL");
    await limitsAre([all.grower], [GROWER_LIMIT], 2000);
  });
});

describe("a policy that is read anew", () => {
  test("begins to rescue where the old one named nobody", async (context) => {
    const all = scene(context, 2048);
    const guard = await GuardProcess.start(context, {
      scope: "host",
      home: all.home,
      policy: "[memory]\nenabled = false",
    });
    guard.writePolicy(policy(all, ""));
    guard.child.kill("SIGHUP");
    await waitFor("the grower to be watched", () =>
      guard.stderr.includes(`watching ${all.grower.scope} to its limit`),
    );
    const program = await grow(context, all, 200, 200);
    await program.said("grown");
    expect(all.grower.oomKills).toBe(0);
    guard.child.kill("SIGKILL");
    program.kill("SIGKILL");
    await limitsAre([all.grower, ...all.lenders], [GROWER_LIMIT, LENDER_LIMIT, LENDER_LIMIT * 2], 2000);
  });

  test("does not make a dry run move limits: nobody would put them back", async (context) => {
    const all = scene(context, 2048);
    const wet = policy(all, "");
    const guard = await GuardProcess.start(context, {
      scope: "host",
      home: all.home,
      policy: `dry_run = true\n${wet}`,
    });
    guard.writePolicy(wet);
    guard.child.kill("SIGHUP");
    await guard.logged(/nobody is rescued before the next start/);
    const program = await grow(context, all, 300, 200);
    await program.ended;
    expect(all.grower.limitBytes).toBe(GROWER_LIMIT * MIB);
    expect(heldUp(all.grower)).toBe(false);
    await guard.stop();
  });
});

describe("a thread of the guard fails while something is lent", () => {
  test.for(
    ["rescue", "analysis", "cgroups"].flatMap((worker) => [
      [worker, "throw"] as const,
      [worker, "hang"] as const,
    ]),
  )("%s told to %s: rescues go on, and all goes back in the end", async ([worker, kind], context) => {
    const all = scene(context, 2048);
    const guard = await guardOn(context, all, `pause = ["${all.parent.scope}/grower"]`);
    const program = await grow(context, all, 150, 100);
    await program.said("grown");
    await guard.ask({ ask: "fault", worker, kind });
    await guard.recorded("the gap", (line) => line["event"] === "gap" && line["worker"] === worker);
    const before = rescues(guard).length;
    program.go(300);
    await waitFor("the program to have grown on", () => all.grower.usageBytes > 300 * MIB);
    expect(all.grower.oomKills).toBe(0);
    await waitFor("more rescues", () => rescues(guard).length > before);
    program.kill("SIGKILL");
    await limitsAre([all.grower, ...all.lenders], [GROWER_LIMIT, LENDER_LIMIT, LENDER_LIMIT * 2], 15_000);
    await guard.stop();
    expect(heldUp(all.grower)).toBe(false);
  });
});
