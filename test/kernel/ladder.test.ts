import fs from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { TestCgroup } from "../support/cgroup.ts";
import { GuardProcess, type Line, testDirectory } from "../support/guard.ts";
import { freezer, memoryCgroups, need, root } from "../support/needs.ts";
import { childrenOf } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";

function stepsOf(line: Line): string[] {
  return (line["steps"] as Line[]).map((step) => `${step["what"]}: ${step["result"]}`);
}

test("a hog that ignores SIGTERM gets SIGKILL before the kernel has to act", async (context) => {
  need(context, root, memoryCgroups);
  const cgroup = TestCgroup.memory(context, 200);
  const guard = await GuardProcess.start(context, { scope: cgroup.scope });
  const hog = await cgroup.start(context, "grow", ["--to", "400", "--rate", "100", "--ignore-term"]);
  await hog.said("ready");
  hog.go();
  expect(await hog.ended).toMatchObject({ signal: "SIGKILL" });
  expect(cgroup.oomKills).toBe(0);
  const steps = stepsOf(await guard.decision("ended"));
  expect(steps).toContain("SIGTERM: sent");
  expect(steps).toContain("SIGKILL: sent to 1");
});

test("many small processes that are the hog together are ended as one, and the bystander is not", async (context) => {
  need(context, root, memoryCgroups);
  const cgroup = TestCgroup.memory(context, 400);
  const bystander = await cgroup.start(context, "busy", ["--hold", "40"]);
  await bystander.said("ready");
  const guard = await GuardProcess.start(context, { scope: cgroup.scope });
  const crowd = await cgroup.start(context, "crowd", ["--count", "80", "--each", "6"]);
  await crowd.said("ready");
  crowd.go();
  await crowd.ended;
  const line = await guard.decision("ended");
  expect(cgroup.oomKills).toBe(0);
  expect(line["candidates"][0]["kind"]).toMatch(/^(process-group|tree)$/);
  expect(line["candidates"][0]["memberCount"]).toBeGreaterThan(20);
  expect(line["victims"].length).toBeGreaterThan(20);
  expect(line["victims"].map((each: Line) => each["pid"])).not.toContain(bystander.pid);
  // All of it is gone, also what was begun after it had been chosen.
  await waitFor("the crowd to be gone", () => cgroup.pids.join() === String(bystander.pid));
  expect(guard.audit().filter((each) => each["verdict"] === "end")).toHaveLength(1);
});

test("one that does not die is stuck on record after its deadline, and the next is considered", async (context) => {
  need(context, root, memoryCgroups, freezer);
  const cgroup = TestCgroup.memory(context, 300);
  const ice = TestCgroup.freezer(context);
  const guard = await GuardProcess.start(context, {
    scope: cgroup.scope,
    policy: `
[memory.critical]
available = "60MiB"
ladder = ["log", { action = "sigterm", deadline = "200ms" }, { action = "sigkill", deadline = "400ms" }]
[victim]
prefer = [{ cmdline = ".*--from 100.*" }]
avoid = [{ cmdline = ".*--from 20 .*" }]
`,
  });
  const frozen = await cgroup.start(context, "grow", ["--from", "100"]);
  await frozen.said("ready");
  const next = await cgroup.start(context, "grow", ["--from", "20", "--to", "400", "--rate", "200"]);
  await next.said("ready");
  ice.write("cgroup.procs", String(frozen.pid));
  context.onTestFinished(() => ice.write("freezer.state", "THAWED"));
  ice.write("freezer.state", "FROZEN");
  await waitFor("it to be frozen", () => ice.read("freezer.state") === "FROZEN");
  next.go();
  expect(await next.ended).toMatchObject({ signal: "SIGTERM" });
  expect(cgroup.oomKills).toBe(0);

  const stuck = await guard.decision("stuck");
  expect(stuck["victims"]).toEqual([expect.objectContaining({ pid: frozen.pid })]);
  expect(stepsOf(stuck)).toContain("SIGKILL: sent to 1");
  expect(stepsOf(stuck).at(-1)).toMatch(/^state: D \(disk sleep\), in \S+$/);
  const ended = await guard.decision("ended");
  expect(ended["victims"]).toEqual([expect.objectContaining({ pid: next.pid })]);
  expect(frozen.end).toBeNull();
  ice.write("freezer.state", "THAWED");
  expect(await frozen.ended).toMatchObject({ signal: "SIGKILL" });
});

describe("a command on the ladder", () => {
  /** The ladder of critical: a command, then SIGTERM. */
  function ladder(command: string, deadline: string, available = "60MiB"): string {
    return `
[memory.critical]
available = "${available}"
ladder = [
  "log",
  { action = "command", run = ${JSON.stringify(command)}, deadline = "${deadline}" },
  { action = "sigterm", deadline = "2s" },
  { action = "sigkill", deadline = "2s" },
]
`;
  }

  test("is run by the helper with what it has to know, and its result is on record", async (context) => {
    need(context, root, memoryCgroups);
    const cgroup = TestCgroup.memory(context, 300);
    const out = path.join(testDirectory(context), "it's out");
    // Several lines, quotes and a dollar: it reaches sh as it stands in the policy.
    const command = `env | grep ^PLIMSOLL_ | sort > "${out}"\nprintf '%s' "a\\b $((1 + 1))" >> "${out}"\nexit 3`;
    const guard = await GuardProcess.start(context, {
      scope: cgroup.scope,
      policy: ladder(command, "2s", "120MiB"),
    });
    const hog = await cgroup.start(context, "grow", ["--to", "220", "--rate", "300"]);
    await hog.said("ready");
    hog.go();
    expect(await hog.ended).toMatchObject({ signal: "SIGTERM" });
    expect(cgroup.oomKills).toBe(0);
    const line = await guard.decision("ended");
    expect(stepsOf(line)).toContain(`run: ${command}: exit 3`);
    const text = fs.readFileSync(out, "utf8");
    const variables = Object.fromEntries(
      text
        .split("\n")
        .filter((each) => each.startsWith("PLIMSOLL_"))
        .map((each) => each.split("=") as [string, string])
        // What the tests themselves were started with is the guard's environment too.
        .filter(([name]) => process.env[name] === undefined),
    );
    expect(variables).toEqual({
      PLIMSOLL_AVAILABLE_BYTES: String(line["numbers"]["availableBytes"]),
      PLIMSOLL_ID: line["id"],
      PLIMSOLL_LEVEL: "critical",
      PLIMSOLL_RUN_DIR: expect.any(String),
      PLIMSOLL_TOTAL_BYTES: String(300 * 1024 * 1024),
      PLIMSOLL_VICTIM_NAME: "node",
      PLIMSOLL_VICTIM_PID: String(hog.pid),
    });
    expect(text).toMatch(/^a\\b 2$/m);
  });

  test("that hangs does not keep the guard from ending a hog that is faster", async (context) => {
    need(context, root, memoryCgroups);
    const cgroup = TestCgroup.memory(context, 300);
    const guard = await GuardProcess.start(context, { scope: cgroup.scope, policy: ladder("sleep 3", "2s") });
    const hog = await cgroup.start(context, "grow", ["--to", "600", "--rate", "200"]);
    await hog.said("ready");
    hog.go();
    expect(await hog.ended).toMatchObject({ signal: "SIGTERM" });
    expect(cgroup.oomKills).toBe(0);
    expect(stepsOf(await guard.decision("ended"))).toContain(
      "run: sleep 3: not finished in time, goes on beside",
    );
  });

  test("of a level that ends nobody is ended at its deadline, and that is on record", async (context) => {
    need(context, root, memoryCgroups);
    const cgroup = TestCgroup.memory(context, 300);
    const guard = await GuardProcess.start(context, {
      scope: cgroup.scope,
      policy: `
[memory.warning]
available = "100MiB"
ladder = [{ action = "command", run = "sleep 30", deadline = "300ms" }, { action = "command", run = "true", deadline = "1s" }]
`,
    });
    const hog = await cgroup.start(context, "grow", ["--to", "200", "--rate", "300"]);
    await hog.said("ready");
    hog.go();
    const line = await guard.decision("noted");
    expect(line).toMatchObject({ level: "warning", verdict: "notify", victims: [] });
    expect(stepsOf(line)).toEqual(["run: sleep 30: ended at its deadline", "run: true: exit 0"]);
    expect(hog.end).toBeNull();
  });

  test("is run also after the helper was killed: it comes back", async (context) => {
    need(context, root, memoryCgroups);
    const cgroup = TestCgroup.memory(context, 300);
    const guard = await GuardProcess.start(context, {
      scope: cgroup.scope,
      policy: ladder("true", "5s", "210MiB"),
    });
    const hog = await cgroup.start(context, "grow", ["--from", "60", "--to", "100", "--rate", "40"]);
    await hog.said("ready");
    const [helper] = childrenOf(guard.pid) as [number];
    process.kill(helper, "SIGKILL");
    // Told what to run while it is dead: the line waits for its successor.
    hog.go();
    const line = await guard.decision("ended");
    expect(stepsOf(line)).toContain("run: true: exit 0");
    const [successor] = childrenOf(guard.pid);
    expect(successor).toBeGreaterThan(0);
    expect(successor).not.toBe(helper);
  });
});
