/** kill -9 of whoever imposes on others, at any moment: all is as it was found, and nobody stays stopped. */
import fs from "node:fs";
import path from "node:path";
import { expect, test, type TestContext } from "vitest";
import { Stat } from "../../src/core/parse/process-stat.ts";
import { niceOf } from "../../src/native/priority.ts";
import { readProcessStat } from "../../src/workers/common/target.ts";
import { readLeverJournal } from "../../src/workers/lane/lever-journal.ts";
import { TestCgroup } from "../support/cgroup.ts";
import { testDirectory } from "../support/guard.ts";
import { cpuCgroups, freezer, need, root, throttleDevice } from "../support/needs.ts";
import { isAlive, startTicksOf } from "../support/processes.ts";
import { Program, programFile } from "../support/program.ts";
import { waitFor } from "../support/wait.ts";

const ROUNDS = Number(process.env["PLIMSOLL_ROUNDS"] ?? 200);
/** Up to this long after it began it is killed. */
const MOMENT_MS = 40;
const BACK_LIMIT_MS = 3000;
const seed = Number(process.env["PLIMSOLL_SEED"] ?? Date.now() % 1_000_000);

const FILES = [
  "cpu.cfs_quota_us",
  "freezer.state",
  "blkio.throttle.read_bps_device",
  "blkio.throttle.write_bps_device",
  "blkio.throttle.read_iops_device",
  "blkio.throttle.write_iops_device",
];

function cgroupState({ directory }: TestCgroup): string {
  const files = FILES.filter((file) => fs.existsSync(path.join(directory, file)));
  return files.map((file) => fs.readFileSync(path.join(directory, file), "utf8").trim()).join(" ");
}

function processState({ pid }: Program): string {
  const values = readProcessStat("/proc", pid);
  const letter = String.fromCharCode(values?.[Stat.state] ?? 0);
  return `${letter === "T" ? "stopped" : "not stopped"} ${JSON.stringify(niceOf(pid))}`;
}

/** Two programs and two cgroups of each kind: each lane of the mover has one. */
async function madeWorld(
  context: TestContext,
): Promise<{ readonly states: () => string[]; readonly args: string[] }> {
  const cgroups = [
    ...[1, 2].map(() => TestCgroup.of(context, "cpu")),
    ...[1, 2].map(() => TestCgroup.of(context, "freezer")),
    ...(throttleDevice() === null ? [1, 2].map(() => TestCgroup.of(context, "blkio")) : []),
  ];
  cgroups[0]?.write("cpu.cfs_quota_us", "150000");
  const programs = await Promise.all([1, 2].map(() => Program.start(context, ["sleep", "600"])));
  const states = (): string[] => [...cgroups.map(cgroupState), ...programs.map(processState)];
  const args = [
    ...cgroups.flatMap(({ directory }) => ["--cgroup", directory]),
    "--device",
    firstDisk() ?? "1:0",
    "--",
    ...programs.map(({ pid }) => `${pid}:${startTicksOf(pid)}`),
  ];
  return { states, args };
}

function firstDisk(): string | null {
  for (const name of fs.existsSync("/sys/block") ? fs.readdirSync("/sys/block") : [])
    return fs.readFileSync(`/sys/block/${name}/dev`, "utf8").trim();
  return null;
}

test(`${ROUNDS} random moments (PLIMSOLL_SEED=${seed})`, {
  timeout: 60_000 + ROUNDS * 2500,
}, async (context) => {
  need(context, root, cpuCgroups, freezer);
  const { states, args } = await madeWorld(context);
  const found = states();
  const home = testDirectory(context);
  const said = path.join(home, "said");
  const quietly = ["/bin/sh", "-c", 'exec "$@" 2>>"$0"', said];
  const tookMs: number[] = [];
  let moved = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const command = [...quietly, process.execPath, programFile("lever-mover"), "--home", home];
    const mover = await Program.start(context, [...command, "--seed", String(seed + round), ...args]);
    const { guardian } = await mover.said("guarded");
    // Every third is killed before it has done much, or anything.
    if (round % 3 !== 0) await mover.said("moving");
    await new Promise((resolve) =>
      setTimeout(resolve, ((seed * 31 + round * 7919) % 1000) * (MOMENT_MS / 1000)),
    );
    mover.kill("SIGKILL");
    await mover.ended;
    const killedMs = performance.now();
    if (states().some((state, i) => state !== found[i])) moved++;
    await waitFor(
      `all to be as found in round ${round}`,
      () => states().every((state, i) => state === found[i]),
      BACK_LIMIT_MS,
    ).catch((error: Error) => {
      const told = fs.readFileSync(said, "utf8");
      throw new Error(`${error.message}: ${JSON.stringify({ found, present: states() })}; ${told}`);
    });
    tookMs.push(performance.now() - killedMs);
    await waitFor(`guardian ${String(guardian)} to end`, () => !isAlive(guardian as number), BACK_LIMIT_MS);
    for (const name of fs.readdirSync(home).filter((each) => each.endsWith(".journal"))) {
      const { held, problems, abandoned } = readLeverJournal(path.join(home, name));
      expect({ held, problems, abandoned }).toEqual({ held: [], problems: [], abandoned: [] });
    }
  }
  // Otherwise it was never killed in the middle of anything.
  expect(moved).toBeGreaterThan(ROUNDS / 10);
  tookMs.sort((a, b) => a - b);
  await context.annotate(
    `back after ${tookMs[Math.floor(ROUNDS / 2)]?.toFixed(1)} ms median, ${tookMs.at(-1)?.toFixed(1)} ms at most; ${moved} were in the middle of something`,
  );
});
