/** A lane that hangs holds up nobody but itself: the other resources act as fast as ever meanwhile. */
import { once } from "node:events";
import fs from "node:fs";
import { describe, expect, test, type TestContext } from "vitest";
import { MIB } from "../support/cgroup.ts";
import { CpuScene } from "../support/cpu-scene.ts";
import { GuardProcess, type Line, testDirectory } from "../support/guard.ts";
import { agedFile, loopDisk, loopDisks } from "../support/loop-disk.ts";
import { cgroupV1, cpuCgroups, memoryCgroups, need, root } from "../support/needs.ts";
import { hungVirsh } from "../support/virsh.ts";
import { waitFor, within } from "../support/wait.ts";

const HANG_S = 30;
/** What the others take at most: a look every 200 ms, and room for a busy machine. */
const USUAL_MS = 3000;
/** What failed is begun again after this (core/disk/step.ts). */
const RETRY_MS = 10_000;
const HOG_MIB = 600;

const availableBytes = (): number =>
  Number(/^MemAvailable:\s+(\d+) kB$/m.exec(fs.readFileSync("/proc/meminfo", "utf8"))?.[1]) * 1024;

/** Memory's line: far enough below that nothing but the hog comes to it. Drawn before the test begins. */
const LINE_BELOW_BYTES = (HOG_MIB / 2) * MIB;

/** Only who is in the scene's cgroup may be acted on; memory's line is met when its hog has grown. */
function policy({ at, disk, lineBytes }: Scene, cpuLadder: string): string {
  const { scope } = at.memory;
  return `
[memory]
interval = "50ms"
warning = false
thrashing = false
[memory.critical]
available = "${lineBytes}B"
recover = "${lineBytes + LINE_BELOW_BYTES / 2}B"
swap_free = false
ladder = [{ action = "sigkill", deadline = "5s" }]
[victim]
unit = "process"
never = [{ cgroup = "(?!${scope}$).*", descendants = false }]
[cpu]
interval = "200ms"
busy = "30%"
window = 4
in_a_row = 2
ladder = ${cpuLadder}
[disk]
interval = "200ms"
interval_min = "20ms"
mounts = [
  { path = "/", enabled = false },
  { path = "/**", enabled = false },
  { path = "${disk}", enabled = true },
]
space = "4MiB"
space_recover = "12MiB"
places = [{ files = "${disk}/log/*", age = "1h" }]
ladder = ["log", "reclaim"]
[io]
enabled = false
[net]
enabled = false
[vm]
enabled = true
hibernate_at = false
interval = "1s"
`;
}

const freeBytes = (at: string): number => {
  const { bavail, bsize } = fs.statfsSync(at);
  return bavail * bsize;
};

interface Scene {
  readonly at: CpuScene;
  readonly disk: string;
  readonly lineBytes: number;
}

async function scene(context: TestContext): Promise<Scene> {
  need(context, root, memoryCgroups, cgroupV1, cpuCgroups, loopDisks);
  const at = new CpuScene(context);
  await at.load();
  const { path: disk } = loopDisk(context, 32);
  for (let i = 0; i < 6; i++) agedFile(`${disk}/log/${i}`, 4096, 100_000 - i);
  return { at, disk, lineBytes: availableBytes() - LINE_BELOW_BYTES };
}

/** Fills the disk over its line, and waits until there is room again. */
async function reclaimMs(disk: string, limitMs: number): Promise<void> {
  fs.writeFileSync(`${disk}/more`, Buffer.alloc(Math.max(0, freeBytes(disk) - 3 * MIB), 1));
  await waitFor("room on the disk", () => freeBytes(disk) > 11 * MIB, limitMs);
}

/** Has a hog cross memory's line. @returns the guard's decision on it */
async function hogEnded(context: TestContext, { at, lineBytes }: Scene, guard: GuardProcess): Promise<Line> {
  // Other programs may have given memory back since the line was drawn.
  const toMib = Math.ceil((availableBytes() - lineBytes + LINE_BELOW_BYTES) / MIB);
  const hog = await at.memory.start(context, "grow", ["--to", String(toMib), "--rate", "400"]);
  await hog.said("ready");
  hog.go();
  expect(await within("the hog to end", hog.ended, 30_000)).toMatchObject({ signal: "SIGKILL" });
  const line = await guard.decision("ended");
  expect(line["victims"]).toMatchObject([{ pid: hog.pid }]);
  return line;
}

describe("a lane that hangs", () => {
  test(`for ${HANG_S} s: disk and memory act meanwhile within their usual times`, {
    timeout: 120_000,
  }, async (context) => {
    const here = await scene(context);
    const begun = `${testDirectory(context)}/begun`;
    const command = `{ action = "command", run = "echo $$ > ${begun}; exec sleep ${HANG_S}", deadline = "${2 * HANG_S}s" }`;
    const guard = await GuardProcess.start(context, {
      scope: "host",
      policy: policy(here, `["log", ${command}]`),
      // libvirt hangs too.
      env: { PATH: hungVirsh(context, HANG_S) },
    });
    const spinner = await here.at.spin();
    await waitFor("the processors' lane to be busy", () => fs.existsSync(begun), 20_000);
    const hungMs = performance.now();
    await reclaimMs(here.disk, USUAL_MS);
    const decision = await hogEnded(context, here, guard);
    expect(decision["crossingToSignalUs"]).toBeLessThan(USUAL_MS * 1000);
    expect(performance.now() - hungMs).toBeLessThan(HANG_S * 1000 - USUAL_MS);
    // It still hangs: nothing has come of what it was told to do.
    const cpuActions = guard
      .audit()
      .filter((line) => line["event"] === "action" && line["resource"] === "cpu");
    expect(cpuActions).toEqual([]);
    expect(guard.audit().filter((line) => line["event"] === "gap")).toEqual([]);
    const stoppedMs = performance.now();
    guard.child.kill("SIGTERM");
    const [code] = (await within("the guard to exit", once(guard.child, "exit"))) as [number | null];
    expect([code, performance.now() - stoppedMs < USUAL_MS]).toEqual([0, true]);
    // A ladder's command may outlive the guard, until its own deadline; it has the guard's stderr.
    process.kill(Number(fs.readFileSync(begun, "utf8")), "SIGKILL");
    spinner.kill("SIGKILL");
  });

  test.for(["throw", "hang"] as const)(
    "whose thread fails (%s) is started again; what it was told to do is on record as failed",
    { timeout: 120_000 },
    async (fault, context) => {
      const here = await scene(context);
      const guard = await GuardProcess.start(context, {
        scope: "host",
        policy: policy(here, '["log"]'),
        env: { PATH: hungVirsh(context, HANG_S), PLIMSOLL_ALLOW_FAULTS: "1" },
      });
      await guard.ask({ ask: "fault", worker: "host", kind: fault });
      await guard.recorded("the gap", (line) => line["event"] === "gap" && line["worker"] === "host");
      await reclaimMs(here.disk, 2 * USUAL_MS);
      // Its lane has just worked, so it is there to fail.
      await guard.ask({ ask: "fault", worker: "disk-lane", kind: fault });
      fs.rmSync(`${here.disk}/more`);
      for (let i = 0; i < 3; i++) agedFile(`${here.disk}/log/again-${i}`, 4096, 50_000);
      // What the lane failed at is tried again, but not at once.
      await reclaimMs(here.disk, RETRY_MS + 3 * USUAL_MS);
      const gap = await guard.recorded("its gap", (line) => line["worker"] === "disk-lane");
      expect(gap["event"]).toBe("gap");
      await hogEnded(context, here, guard);
    },
  );
});
