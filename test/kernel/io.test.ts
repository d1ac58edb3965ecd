/** A cgroup that keeps a disk busy while the host stalls on it, and the guard that lets it do less. */
import { describe, expect, test, type TestContext } from "vitest";
import type { TestCgroup } from "../support/cgroup.ts";
import { GuardProcess, type Line } from "../support/guard.ts";
import {
  blkioV1,
  hog,
  ioCgroup,
  ioCgroups,
  ioPressure,
  LoopDisk,
  loopDisks,
  syncWriter,
  throttlesOf,
} from "../support/io-scene.ts";
import { need, root } from "../support/needs.ts";
import { PATIENCE, waitFor } from "../support/wait.ts";

interface Scene {
  readonly disk: LoopDisk;
  readonly parent: TestCgroup;
  readonly hog: TestCgroup;
  readonly victim: TestCgroup;
  readonly file: string;
}

async function scene(context: TestContext): Promise<Scene> {
  need(context, root, loopDisks, ioCgroups, ioPressure);
  const disk = await LoopDisk.make(context, 128);
  const parent = ioCgroup(context, "");
  const [hogs, victim] = [ioCgroup(context, "hog", parent), ioCgroup(context, "victim", parent)];
  return { disk, parent, hog: hogs, victim, file: disk.fill("read", 64) };
}

/** A loop device on a busy machine waits for processors more than it works: the lines are far below a disk's. */
function policy({ disk, parent }: Scene, more = ""): string {
  const set = (key: string, value: string): string => (more.includes(`${key} =`) ? "" : `${key} = ${value}`);
  return `
${["memory", "cpu", "disk", "net", "vm"].map((table) => `[${table}]\nenabled = false`).join("\n")}
[io]
enabled = true
interval = "200ms"
${set("busy", '"8%"')}
${set("stall", '"2%"')}
${set("for", '"600ms"')}
cgroups = ["${parent.scope}/**"]
devices = ["${disk.name}"]
${set("bytes_min", '"64KiB"')}
${set("operations_min", "10")}
${set("release", '"10m"')}
measure = "600ms"
${set("ladder", '["log", { action = "throttle", share = "1%", deadline = "2s" }]')}
${more}
`;
}

const actions = (guard: GuardProcess, verb: string): Line[] =>
  guard
    .audit()
    .filter((line) => line["event"] === "action" && line["resource"] === "io" && line["verb"] === verb);

async function guardOn(
  context: TestContext,
  of: Scene,
  more = "",
  args: string[] = [],
): Promise<GuardProcess> {
  const guard = await GuardProcess.start(context, { scope: "host", policy: policy(of, more), args });
  context.onTestFailed(() => {
    const said = guard.audit().map((line) => JSON.stringify(line));
    process.stderr.write(`${said.join("\n")}\n`);
  });
  return guard;
}

async function throttledBy(guard: GuardProcess): Promise<Line> {
  return waitFor("a throttle that has been reported", () => actions(guard, "throttle")[0], 60_000);
}

const nothingLimited = (all: Scene, limitMs: number): Promise<unknown> =>
  waitFor("no limit of the hog", () => throttlesOf(all.hog, all.disk).length === 0, limitMs);

/** A loaded machine makes a disk wait for processors before it is saturated. */
const patient = { timeout: 120_000 * PATIENCE };

describe("a cgroup that saturates a disk", patient, () => {
  test("is throttled, the others are not, and the disk is no longer saturated", async (context) => {
    const all = await scene(context);
    const victim = await syncWriter(context, all.victim, `${all.disk.directory}/log`);
    const guard = await guardOn(context, all);
    await hog(context, all.hog, all.file);
    const line = await throttledBy(guard);
    expect(line).toMatchObject({ outcome: "done", subject: all.disk.name, target: all.hog.scope });
    expect(throttlesOf(all.hog, all.disk)).not.toEqual([]);
    expect(throttlesOf(all.victim, all.disk)).toEqual([]);
    expect(line["after"].cgroupOperationsPerSecond).toBeLessThan(
      line["before"].cgroupOperationsPerSecond / 5,
    );
    expect(line["after"].busyShare).toBeLessThan(line["before"].busyShare);
    const ended = (each: Line): boolean => each["event"] === "level" && each["change"] === "ended";
    await guard.recorded("the end of the level", ended, 60_000);
    expect(victim.end).toBeNull();
    const { resources } = await guard.ask({ ask: "resources" });
    const status = (resources as Line[]).find((each) => each["subject"] === all.disk.name);
    expect(status).toMatchObject({ resource: "io", lastAction: { verb: "throttle", target: all.hog.scope } });
    await guard.stop();
    expect(throttlesOf(all.hog, all.disk)).toEqual([]);
  });

  test("is tested at doubling intervals, and let go when it behaves", async (context) => {
    const all = await scene(context);
    const guard = await guardOn(context, all, 'release = "1s"');
    const hogs = await hog(context, all.hog, all.file);
    await throttledBy(guard);
    // It does not behave: whenever it is let go it is throttled again, and the next test comes later.
    await waitFor("it to be throttled again, twice", () => actions(guard, "throttle")[2], 60_000);
    const times = actions(guard, "release").map((line) => Date.parse(String(line["time"])));
    expect(times.length).toBeGreaterThan(1);
    expect((times[1] as number) - (times[0] as number)).toBeGreaterThan(2000);
    for (const each of hogs) each.kill("SIGKILL");
    for (const pid of all.hog.pids) process.kill(pid, "SIGKILL");
    await nothingLimited(all, 30_000);
    await guard.stop();
    expect(throttlesOf(all.hog, all.disk)).toEqual([]);
  });

  test("gets its limits back within a second of the guard's kill -9", async (context) => {
    const all = await scene(context);
    const guard = await guardOn(context, all);
    await hog(context, all.hog, all.file);
    await throttledBy(guard);
    expect(throttlesOf(all.hog, all.disk)).not.toEqual([]);
    guard.child.kill("SIGKILL");
    await nothingLimited(all, 2000);
  });

  test("keeps a lower limit that is its own", async (context) => {
    const all = await scene(context);
    const file = all.hog.version === 2 ? "io.max" : "blkio.throttle.read_iops_device";
    all.hog.write(file, `${all.disk.id} ${all.hog.version === 2 ? "riops=" : ""}2000`);
    const before = throttlesOf(all.hog, all.disk);
    const more = 'busy = "1%"\nstall = "1%"\nbytes_min = "1GiB"\noperations_min = 5000';
    const guard = await guardOn(context, all, more);
    await hog(context, all.hog, all.file);
    expect(await throttledBy(guard)).toMatchObject({ outcome: "done", target: all.hog.scope });
    const now = throttlesOf(all.hog, all.disk).join("\n");
    expect(now).toMatch(/read_iops_device \S+ 2000$|riops=2000/m);
    expect(now).toMatch(/1073741824/);
    await guard.stop();
    expect(throttlesOf(all.hog, all.disk)).toEqual(before);
  });

  test("in a dry run is told of and not throttled", async (context) => {
    const all = await scene(context);
    const guard = await guardOn(context, all, "", ["--dry-run"]);
    if (all.hog.version === 1) all.hog.write("blkio.throttle.read_bps_device", `${all.disk.id} 0`);
    await hog(context, all.hog, all.file);
    expect(await throttledBy(guard)).toMatchObject({
      outcome: "dry-run",
      target: all.hog.scope,
      dryRun: true,
    });
    expect(throttlesOf(all.hog, all.disk)).toEqual([]);
    await guard.stop();
  });
});

describe("a disk that is saturated by nobody in particular", patient, () => {
  test("is told of, and nobody is throttled: the load is spread", async (context) => {
    const all = await scene(context);
    const third = ioCgroup(context, "third", all.parent);
    // All before the guard: it shall not see the first one alone.
    for (const each of [all.hog, all.victim, third]) await hog(context, each, all.file, 1);
    const guard = await guardOn(context, all);
    expect(await throttledBy(guard)).toMatchObject({ outcome: "noted", target: null });
    for (const each of [all.hog, all.victim, third]) expect(throttlesOf(each, all.disk)).toEqual([]);
    await guard.stop();
  });

  test("v1: buffered writes are nobody's, so nobody is throttled for them", async (context) => {
    const all = await scene(context);
    need(context, blkioV1);
    const guard = await guardOn(context, all);
    const script =
      'while :; do dd if=/dev/zero of="$0" bs=1M count=32 conv=notrunc status=none; sync -f "$0"; done';
    await all.hog.run(context, ["/bin/sh", "-c", script, `${all.disk.directory}/written`]);
    const began = (line: Line): boolean => line["event"] === "level" && line["change"] === "began";
    await guard.recorded("the level", began, 60_000);
    expect((await throttledBy(guard))["outcome"]).toBe("noted");
    expect(throttlesOf(all.hog, all.disk)).toEqual([]);
    await guard.stop();
  });
});
