/** kill -9 of whoever moves limits, at any moment: all are as they were found, and nothing stays paused. */
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { readJournal } from "../../src/workers/rescue/journal.ts";
import { MIB, TestCgroup } from "../support/cgroup.ts";
import { testDirectory } from "../support/guard.ts";
import { cgroupV1, memoryCgroups, need, root } from "../support/needs.ts";
import { Program, programFile } from "../support/program.ts";
import { isAlive } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";

const ROUNDS = Number(process.env["PLIMSOLL_ROUNDS"] ?? 200);
/** Up to this long after it began to move limits it is killed. */
const MOMENT_MS = 60;
const BACK_LIMIT_MS = 1000;

const seed = Number(process.env["PLIMSOLL_SEED"] ?? Date.now() % 1_000_000);

/** Limit and pause as the kernel tells them. */
function stateOf(cgroups: readonly TestCgroup[]): string[] {
  return cgroups.map((cgroup) => {
    const limit = cgroup.read("memory.limit_in_bytes");
    return `${limit} ${cgroup.read("memory.oom_control").split("\n")[0]}`;
  });
}

test(`${ROUNDS} random moments (PLIMSOLL_SEED=${seed})`, {
  timeout: 60_000 + ROUNDS * 1500,
}, async (context) => {
  need(context, root, memoryCgroups, cgroupV1);
  const cgroups = [100, 200, null].map((limitMiB) => TestCgroup.memory(context, limitMiB));
  // One that uses something, so that the kernel refuses some of what is tried.
  await (await (cgroups[1] as TestCgroup).start(context, "grow", ["--from", "30"])).said("ready");
  const found = stateOf(cgroups);
  expect(found[0]).toBe(`${100 * MIB} oom_kill_disable 0`);
  const journal = path.join(testDirectory(context), "limits.journal");
  // What the guardians say, two hundred times, is for a failure.
  const said = `${journal}.said`;
  const quietly = ["/bin/sh", "-c", 'exec "$@" 2>>"$0"', said];
  context.onTestFailed(() => void process.stderr.write(fs.readFileSync(said)));
  const tookMs: number[] = [];
  let moved = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const args = ["--journal", journal, "--seed", String(seed + round)];
    const command = [...quietly, process.execPath, programFile("limit-mover"), ...args];
    const mover = await Program.start(context, [...command, "--", ...cgroups.map((each) => each.directory)]);
    const { guardian } = await mover.said("guarded");
    // Every third is killed before it has moved much, or anything.
    if (round % 3 !== 0) await mover.said("moving");
    await new Promise((resolve) =>
      setTimeout(resolve, ((seed * 31 + round * 7919) % 1000) * (MOMENT_MS / 1000)),
    );
    mover.kill("SIGKILL");
    await mover.ended;
    const killedMs = performance.now();
    if (stateOf(cgroups).some((state, i) => state !== found[i])) moved++;
    await waitFor(
      `all limits to be back in round ${round} (${fs.readFileSync(journal, "utf8")})`,
      () => stateOf(cgroups).every((state, i) => state === found[i]),
      BACK_LIMIT_MS,
    );
    tookMs.push(performance.now() - killedMs);
    // It ends by itself, and has noted that nothing is left to do.
    await waitFor(`guardian ${String(guardian)} to end`, () => !isAlive(guardian as number), BACK_LIMIT_MS);
    expect(readJournal(journal).outstanding).toEqual([]);
    expect(readJournal(journal).problems).toEqual([]);
  }
  // Otherwise it was never killed in the middle of anything.
  expect(moved).toBeGreaterThan(ROUNDS / 10);
  tookMs.sort((a, b) => a - b);
  await context.annotate(
    `back after ${tookMs[Math.floor(ROUNDS / 2)]?.toFixed(1)} ms median, ${tookMs.at(-1)?.toFixed(1)} ms at most`,
  );
});
