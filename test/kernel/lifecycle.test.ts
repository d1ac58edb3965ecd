import fs from "node:fs";
import { describe, expect, test, type TestContext } from "vitest";
import { TestCgroup } from "../support/cgroup.ts";
import { GuardProcess, type Line } from "../support/guard.ts";
import { memoryCgroups, need, root } from "../support/needs.ts";
import { childrenOf, isAlive } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";

/** A clean stop takes no longer than this. */
const STOP_LIMIT_MS = 2000;

async function memoryOf(guard: GuardProcess): Promise<Line> {
  return (await guard.ask({ ask: "status" }))["memory"] as Line;
}

/** A guard on a scope of its own, with a hog that is about to grow beyond it. */
async function guarded(
  context: TestContext,
  policy = "",
): Promise<{ cgroup: TestCgroup; guard: GuardProcess }> {
  const cgroup = TestCgroup.memory(context, 200);
  return { cgroup, guard: await GuardProcess.start(context, { scope: cgroup.scope, policy }) };
}

async function expectToGuard(context: TestContext, cgroup: TestCgroup, guard: GuardProcess): Promise<void> {
  const hog = await cgroup.start(context, "grow", ["--to", "400", "--rate", "200"]);
  await hog.said("ready");
  hog.go();
  expect(await hog.ended).toMatchObject({ signal: "SIGTERM" });
  await guard.recorded("the hog's end", (line) => line["victims"]?.[0]?.pid === hog.pid);
  expect(cgroup.oomKills).toBe(0);
}

describe("stopping", () => {
  test.for(["SIGTERM", "SIGINT"] as const)(
    "by %s is clean, within 2 s, and on record",
    async (signal, context) => {
      need(context, root, memoryCgroups);
      const { guard } = await guarded(context);
      const helpers = childrenOf(guard.pid);
      expect(helpers).toHaveLength(1);
      const end = await guard.stop(signal);
      expect(end).toMatchObject({ code: 0, signal: null });
      expect(end.tookMs).toBeLessThan(STOP_LIMIT_MS);
      expect(guard.audit().at(-1)).toMatchObject({ event: "stopped", reason: signal });
      expect(guard.stdout).toContain(`stopped by: ${signal}`);
      expect(fs.existsSync(guard.socketPath)).toBe(false);
      await waitFor("the helper to end", () => !helpers.some(isAlive));
    },
  );

  test("while it is starting is clean too", async (context) => {
    need(context, root, memoryCgroups);
    const cgroup = TestCgroup.memory(context, 200);
    const guard = await GuardProcess.start(context, { scope: cgroup.scope, wait: false });
    await waitFor("it to have begun", () => fs.existsSync(guard.auditPath));
    const end = await guard.stop();
    expect(end).toMatchObject({ code: 0, signal: null });
    expect(end.tookMs).toBeLessThan(STOP_LIMIT_MS);
  });

  test("in the middle of an action is clean, and what was done so far is on record", async (context) => {
    need(context, root, memoryCgroups);
    const { cgroup, guard } = await guarded(
      context,
      `[memory.critical]\navailable = "60MiB"\nladder = [{ action = "sigterm", deadline = "60s" }]\n`,
    );
    const hog = await cgroup.start(context, "grow", ["--to", "140", "--rate", "200", "--ignore-term"]);
    await hog.said("ready");
    hog.go();
    await hog.said("ignored");
    const end = await guard.stop();
    expect(end.code).toBe(0);
    expect(end.tookMs).toBeLessThan(STOP_LIMIT_MS);
    const lines = guard.audit().filter((line) => line["verdict"] === "end");
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ outcome: "unknown", victims: [{ pid: hog.pid }] });
    expect(lines[0]?.["steps"]).toContainEqual(expect.objectContaining({ what: "SIGTERM", result: "sent" }));
  });

  test("by kill -9 leaves nothing behind that the next guard stumbles over", async (context) => {
    need(context, root, memoryCgroups);
    const { cgroup, guard } = await guarded(context);
    const helpers = childrenOf(guard.pid);
    expect(helpers).toHaveLength(1);
    guard.child.kill("SIGKILL");
    expect(await guard.ended).toMatchObject({ signal: "SIGKILL" });
    await waitFor("the helper to end", () => !helpers.some(isAlive));
    const next = await GuardProcess.start(context, { scope: cgroup.scope, home: guard.home });
    await expectToGuard(context, cgroup, next);
    expect((await next.stop()).code).toBe(0);
  });
});

describe("two guards", () => {
  test("on one scope: the second says so and exits 1, the first guards on", async (context) => {
    need(context, root, memoryCgroups);
    const { cgroup, guard } = await guarded(context);
    const second = await GuardProcess.start(context, { scope: cgroup.scope, home: guard.home, wait: false });
    expect(await second.ended).toMatchObject({ code: 1 });
    expect(second.stderr).toMatch(new RegExp(`^plimsoll: another guard is on ${cgroup.scope} already`));
    expect(second.stdout).toBe("");
    await expectToGuard(context, cgroup, guard);
  });

  test("on two scopes do not see each other", async (context) => {
    need(context, root, memoryCgroups);
    const { cgroup, guard } = await guarded(context);
    const other = TestCgroup.memory(context, 200);
    const second = await GuardProcess.start(context, { scope: other.scope, home: guard.home });
    await expectToGuard(context, other, second);
    await expectToGuard(context, cgroup, guard);
  });
});

describe("SIGHUP", () => {
  const critical = (available: string): string => `[memory.critical]\navailable = "${available}"\n`;

  test("takes a good policy over", async (context) => {
    need(context, root, memoryCgroups);
    const { guard } = await guarded(context, critical("50MiB"));
    expect((await memoryOf(guard))["criticalLineBytes"]).toBe(50 * 1024 * 1024);
    guard.writePolicy(critical("70MiB"));
    guard.child.kill("SIGHUP");
    await guard.recorded("the new policy", (line) => line["event"] === "policy-reloaded");
    await waitFor(
      "the new line",
      async () => (await memoryOf(guard))["criticalLineBytes"] === 70 * 1024 * 1024,
    );
  });

  test.for([
    ["with mistakes", 'availabel = "1%"', /availabel/],
    ["that is no TOML", "= =", /policy\.toml/],
    ["of another scope", "", /scope cannot change/],
  ] as const)("refuses a policy %s and keeps the old one", async ([, text, said], context) => {
    need(context, root, memoryCgroups);
    // The scope comes from the file here: on the command line it could not change.
    const cgroup = TestCgroup.memory(context, 200);
    const scope = `scope = "${cgroup.scope}"\n`;
    const guard = await GuardProcess.start(context, {
      scope: cgroup.scope,
      fileScope: true,
      policy: scope + critical("50MiB"),
    });
    guard.writePolicy(
      text === "" ? `scope = "host"\n${critical("70MiB")}` : `${scope}${critical("70MiB")}${text}\n`,
    );
    guard.child.kill("SIGHUP");
    const line = await guard.recorded("the refusal", (each) => each["event"] === "policy-refused");
    expect((line["errors"] as string[]).join("\n")).toMatch(said);
    await guard.logged(said);
    await expectToGuard(context, cgroup, guard);
    expect((await memoryOf(guard))["criticalLineBytes"]).toBe(50 * 1024 * 1024);
  });
});

describe("a scope", () => {
  test("that is not there: exit 1, and what to do", async (context) => {
    need(context, root, memoryCgroups);
    const guard = await GuardProcess.start(context, { scope: "/plimsoll-test-not-there", wait: false });
    expect(await guard.ended).toMatchObject({ code: 1 });
    expect(guard.stderr).toMatch(
      /^plimsoll: scope \/plimsoll-test-not-there: expected a memory cgroup .* ENOENT.*; name one/m,
    );
    expect(guard.stderr).not.toMatch(/^ {4}at /m);
  });

  test("that is removed while it is guarded: said, the figures are absent, and the guard lives", async (context) => {
    need(context, root, memoryCgroups);
    const { cgroup, guard } = await guarded(context);
    expect((await memoryOf(guard))["availableBytes"]).toBeGreaterThan(0);
    await cgroup.remove();
    await waitFor("absent figures", async () => (await memoryOf(guard))["availableBytes"] === null);
    const line = await guard.recorded(
      "what is not seen any more",
      (each) => each["event"] === "limited" && /cannot be read/.test(each["what"] as string),
    );
    expect(line["what"]).toContain(cgroup.scope);
    await guard.logged(/cannot be read/);
    const { samples, level } = await memoryOf(guard);
    expect(level).toBe("none");
    await waitFor("it to go on", async () => (await memoryOf(guard))["samples"] > samples);
    expect((await guard.stop()).code).toBe(0);
  });

  test("that is removed at critical: the level does not stand for ever", async (context) => {
    need(context, root, memoryCgroups);
    const { cgroup, guard } = await guarded(
      context,
      `[memory.critical]\navailable = "190MiB"\nladder = ["log"]\n`,
    );
    const hog = await cgroup.start(context, "grow", ["--from", "30"]);
    await hog.said("ready");
    await waitFor("critical", async () => (await memoryOf(guard))["level"] === "critical");
    await cgroup.remove();
    await waitFor("no level", async () => (await memoryOf(guard))["level"] === "none");
  });

  test("that is removed and made anew, as a service's is, is guarded again", async (context) => {
    need(context, root, memoryCgroups);
    const { cgroup, guard } = await guarded(context);
    await cgroup.remove();
    await guard.logged(/cannot be read/);
    cgroup.make();
    cgroup.limit(200);
    await guard.logged(/is guarded again/);
    await expectToGuard(context, cgroup, guard);
  });

  test("without a limit: said, and watched until it gets one", async (context) => {
    need(context, root, memoryCgroups);
    const cgroup = TestCgroup.memory(context, null);
    const guard = await GuardProcess.start(context, { scope: cgroup.scope });
    await guard.logged(/has no limit/);
    expect((await memoryOf(guard))["totalBytes"]).toBeNull();
    cgroup.limit(200);
    await waitFor(
      "the limit to be seen",
      async () => (await memoryOf(guard))["totalBytes"] === 200 * 1024 * 1024,
    );
    await expectToGuard(context, cgroup, guard);
  });
});

describe("readers that go away", () => {
  test.for([
    ["text", []],
    ["JSON", ["--log-json"]],
  ] as const)(
    "stdout and stderr closed early do not stop the guard, logging %s",
    async ([, args], context) => {
      need(context, root, memoryCgroups);
      const cgroup = TestCgroup.memory(context, 200);
      const guard = await GuardProcess.start(context, { scope: cgroup.scope, args });
      guard.child.stdout?.destroy();
      guard.child.stderr?.destroy();
      // A reload is a line on stderr; the live line on stdout comes once a second.
      guard.child.kill("SIGHUP");
      await guard.recorded("the reload", (line) => line["event"] === "policy-reloaded");
      const { samples } = await memoryOf(guard);
      await waitFor("two live lines' time", async () => (await memoryOf(guard))["samples"] > samples + 15);
      await expectToGuard(context, cgroup, guard);
      expect((await guard.stop()).code).toBe(0);
    },
  );
});
