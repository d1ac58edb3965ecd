import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, expect, test, type TestContext } from "vitest";
import { TestCgroup } from "../support/cgroup.ts";
import { BIN, GuardProcess, type Line, testDirectory } from "../support/guard.ts";
import { memoryCgroups, need, root } from "../support/needs.ts";
import type { Program } from "../support/program.ts";

/** How often the first proof is given. */
const ROUNDS = Number(process.env["PLIMSOLL_ROUNDS"] ?? 3);
/** Growth of the hog by round, MiB/s: a fast one, one that a person would see, and the usual test's. */
const RATES = [500, 100, 200];

interface Scene {
  readonly cgroup: TestCgroup;
  readonly bystander: Program;
  readonly hog: Program;
  readonly guard: GuardProcess;
}

/** A small, old, busy bystander in 400 MiB, a guard on them by the built-in policy, and a hog that is about to grow. */
async function scene(context: TestContext, rate: number, args: readonly string[]): Promise<Scene> {
  const cgroup = TestCgroup.memory(context, 400);
  const bystander = await cgroup.start(context, "busy", ["--hold", "40"]);
  await bystander.said("ready");
  const guard = await GuardProcess.start(context, { scope: cgroup.scope, args });
  const hog = await cgroup.start(context, "grow", ["--to", "1024", "--rate", String(rate)]);
  await hog.said("ready");
  return { cgroup, bystander, hog, guard };
}

const candidate = (line: Line, pid: number): Line | undefined =>
  (line["candidates"] as Line[]).find((each) => each["pid"] === pid);

describe("a hog beside a bystander in a cgroup of 400 MiB", () => {
  test.for(Array.from({ length: ROUNDS }, (_, round) => [round + 1, RATES[round % RATES.length] as number]))(
    "round %i: growing at %i MiB/s, the hog alone is ended, before the kernel has to",
    async ([, rate], context) => {
      need(context, root, memoryCgroups);
      const { cgroup, bystander, hog, guard } = await scene(context, rate as number, []);
      hog.go();
      await hog.ended;
      expect(hog.end).toMatchObject({ signal: "SIGTERM" });
      expect(cgroup.oomKills).toBe(0);

      const line = await guard.decision("ended");
      expect(line).toMatchObject({ level: "critical", verdict: "end", dryRun: false });
      expect(line["victims"]).toEqual([expect.objectContaining({ pid: hog.pid })]);
      // Both are named, and the parts of the scores say why it was the one and not the other.
      const [chosen, other] = [candidate(line, hog.pid), candidate(line, bystander.pid)];
      expect(chosen?.["commandLine"]).toContain("grow.js");
      expect(other?.["commandLine"]).toContain("busy.js");
      expect(chosen?.["score"]).toBeGreaterThan(other?.["score"] as number);
      expect(chosen?.["parts"]["growth"]).toBeGreaterThan(other?.["parts"]["growth"] as number);
      expect(line["numbers"]["availableBytes"]).toBeLessThan(line["numbers"]["lineBytes"] as number);
      expect(line["broughtBackBytes"]).toBeGreaterThan(200 * 1024 * 1024);

      expect(bystander.end).toBeNull();
      bystander.kill("SIGUSR2");
      expect((await bystander.said("worked"))["turns"]).toBeGreaterThan(0);
      expect((await guard.stop()).code).toBe(0);
      const ends = guard.audit().filter((each) => each["verdict"] === "end");
      expect(ends).toHaveLength(1);
    },
  );

  test("with --dry-run nobody is signalled, and the record says what would have been", async (context) => {
    need(context, root, memoryCgroups);
    const { cgroup, bystander, hog, guard } = await scene(context, 200, ["--dry-run"]);
    hog.go();
    const line = await guard.decision("dry-run");
    expect(line).toMatchObject({ verdict: "end", dryRun: true });
    expect(line["victims"]).toEqual([expect.objectContaining({ pid: hog.pid })]);
    expect(candidate(line, bystander.pid)).toBeDefined();
    const steps = (line["steps"] as Line[]).map((step) => `${step["what"]}: ${step["result"]}`);
    expect(steps).toContain("would send SIGTERM: dry run");
    // Nothing of the guard's stops it now: the kernel itself has to.
    expect(await hog.ended).toMatchObject({ signal: "SIGKILL" });
    expect(cgroup.oomKills).toBe(1);
    expect(bystander.end).toBeNull();
    expect((await guard.stop()).code).toBe(0);
    expect(guard.audit().filter((each) => each["outcome"] === "ended")).toEqual([]);
  });
});

test("run --duration 5s on the whole host shows live headroom, ends with a summary, exits 0", async (context) => {
  const home = testDirectory(context);
  const beganMs = performance.now();
  // In a dry run: whatever else this host is doing is none of this test's business.
  const { status, stdout } = spawnSync(process.execPath, [BIN, "run", "--dry-run", "--duration", "5s"], {
    encoding: "utf8",
    env: { ...process.env, PLIMSOLL_RUN_DIR: path.join(home, "run"), XDG_STATE_HOME: home, HOME: home },
  });
  const tookMs = performance.now() - beganMs;
  expect(status).toBe(0);
  expect(tookMs).toBeGreaterThan(5000);
  expect(tookMs).toBeLessThan(9000);
  expect(
    stdout.match(/^available \S+ \S+ of \S+ \S+ \([\d.]+ %\), critical below /gm)?.length,
  ).toBeGreaterThanOrEqual(3);
  expect(stdout).toMatch(/^guarded host for \S+, stopped by: the duration is over$/m);
  const [, samples] = /^ {2}samples (\d+), missed ticks/m.exec(stdout) ?? [];
  expect(Number(samples)).toBeGreaterThan(30);
});
