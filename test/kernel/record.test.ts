import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test, type TestContext } from "vitest";
import { TestCgroup } from "../support/cgroup.ts";
import { GuardProcess, type Line, parseLines, testDirectory } from "../support/guard.ts";
import { mountSmall } from "../support/mount.ts";
import { kernelLog, memoryCgroups, mounts, need, root } from "../support/needs.ts";
import type { Program } from "../support/program.ts";
import { waitFor } from "../support/wait.ts";

/** A hog that grows until it is ended. */
async function endHog(context: TestContext, cgroup: TestCgroup): Promise<Program> {
  const hog = await cgroup.start(context, "grow", ["--to", "400", "--rate", "200"]);
  await hog.said("ready");
  hog.go();
  expect(await hog.ended).toMatchObject({ signal: "SIGTERM" });
  expect(cgroup.oomKills).toBe(0);
  return hog;
}

/** Reads the policy again, which is a line on record each. */
async function reload(guard: GuardProcess): Promise<void> {
  const lines = (): number => guard.stderr.split("guarding by the new policy").length;
  const before = lines();
  guard.child.kill("SIGHUP");
  await waitFor("the reload", () => lines() > before);
}

describe("the audit log", () => {
  test("on a full disk: lines wait and are written when there is room, it stays JSON lines, and guarding goes on", async (context) => {
    need(context, root, memoryCgroups, mounts);
    const cgroup = TestCgroup.memory(context, 200);
    const home = testDirectory(context);
    const disk = path.join(home, "disk");
    mountSmall(context, disk, 64);
    const auditPath = path.join(disk, "audit.jsonl");
    const guard = await GuardProcess.start(context, { scope: cgroup.scope, home, auditPath });
    await guard.recorded("its start", (line) => line["event"] === "started");
    const filler = path.join(disk, "filler");
    // Every page is taken, the one that the log has begun aside: the disk is full in the middle of a line.
    expect(() => fs.writeFileSync(filler, Buffer.alloc(256 * 1024))).toThrow(/ENOSPC/);
    for (let i = 0; !/lines wait in memory/.test(guard.stderr); i++) {
      expect(i).toBeLessThan(200);
      await reload(guard);
    }
    const hog = await endHog(context, cgroup);
    await guard.logged(new RegExp(`ended pid ${hog.pid}`));
    const waiting = guard.audit();
    expect(waiting.some((line) => line["event"] === "decision")).toBe(false);
    fs.rmSync(filler);
    const line = await guard.decision("ended");
    expect(line["victims"]).toEqual([expect.objectContaining({ pid: hog.pid })]);
    expect((await guard.stop()).code).toBe(0);
    const text = fs.readFileSync(auditPath, "utf8");
    expect(text.endsWith("\n")).toBe(true);
    const lines = parseLines(text);
    const reloads = guard.stderr.split("guarding by the new policy").length - 1;
    expect(lines.filter((each) => each["event"] === "policy-reloaded")).toHaveLength(reloads);
    expect(lines.at(-1)).toMatchObject({ event: "stopped" });
  });

  test("is begun anew at its limit, one older one kept, no line torn or lost between them", async (context) => {
    need(context, root, memoryCgroups);
    const cgroup = TestCgroup.memory(context, 200);
    const limitBytes = 64 * 1024;
    const guard = await GuardProcess.start(context, {
      scope: cgroup.scope,
      record: `kmsg = false\naudit_limit = "64KiB"`,
    });
    const older = `${guard.auditPath}.1`;
    // A refused policy is a long line: all its mistakes are on record.
    guard.writePolicy(Array.from({ length: 150 }, (_, i) => `unknown_key_${i} = 1`).join("\n"));
    let reloads = 0;
    for (; !fs.existsSync(older); reloads++) {
      guard.child.kill("SIGHUP");
      await waitFor(
        "the refusal",
        () => guard.stderr.split("the new policy is refused").length > reloads + 1,
      );
      expect(reloads).toBeLessThan(20);
    }
    expect(fs.statSync(older).size).toBeLessThanOrEqual(limitBytes);
    expect((await guard.stop()).code).toBe(0);
    expect(fs.statSync(guard.auditPath).size).toBeLessThanOrEqual(limitBytes);
    const lines = [...parseLines(fs.readFileSync(older, "utf8")), ...guard.audit()];
    expect(lines[0]).toMatchObject({ event: "started" });
    expect(lines.filter((line) => line["event"] === "policy-refused")).toHaveLength(reloads);
    expect(lines.at(-1)).toMatchObject({ event: "stopped" });
  });

  test("of a guard that was killed in mid-line is gone on with on a line of its own", async (context) => {
    need(context, root, memoryCgroups);
    const cgroup = TestCgroup.memory(context, 200);
    const home = testDirectory(context);
    fs.writeFileSync(path.join(home, "audit.jsonl"), '{"event":"started"}\n{"event":"deci');
    const guard = await GuardProcess.start(context, { scope: cgroup.scope, home });
    await waitFor("its start", () =>
      /"event":"started","version"/.test(fs.readFileSync(guard.auditPath, "utf8")),
    );
    expect((await guard.stop()).code).toBe(0);
    const lines = fs.readFileSync(guard.auditPath, "utf8").split("\n");
    expect(lines[1]).toBe('{"event":"deci');
    for (const line of lines.slice(2, -1)) expect(JSON.parse(line)).toHaveProperty("event");
  });

  test("in a place that cannot be written: said, and guarding goes on", async (context) => {
    need(context, root, memoryCgroups);
    const cgroup = TestCgroup.memory(context, 200);
    const guard = await GuardProcess.start(context, {
      scope: cgroup.scope,
      auditPath: "/proc/plimsoll/audit.jsonl",
    });
    await guard.logged(/error: no audit log: .*set \[record\] audit to a place that can be written/);
    expect((await guard.ask({ ask: "status" }))["auditPath"]).toBeNull();
    const hog = await endHog(context, cgroup);
    await guard.logged(new RegExp(`ended pid ${hog.pid}`));
    expect((await guard.stop()).code).toBe(0);
  });

  test.for([
    ["a symbolic link", (file: string) => fs.symlinkSync(`${file}.target`, file), "ELOOP"],
    ["a directory", (file: string) => fs.mkdirSync(file), "EISDIR"],
    ["a pipe that nobody reads", (file: string) => execFileSync("mkfifo", [file]), "ENXIO"],
  ] as const)("that is %s is refused, and guarding goes on", async ([, make, code], context) => {
    need(context, root, memoryCgroups);
    const cgroup = TestCgroup.memory(context, 200);
    const home = testDirectory(context);
    make(path.join(home, "audit.jsonl"));
    const guard = await GuardProcess.start(context, { scope: cgroup.scope, home });
    await guard.logged(new RegExp(`error: no audit log: ${code}`));
    expect((await guard.ask({ ask: "status" }))["auditPath"]).toBeNull();
    expect(fs.existsSync(path.join(home, "audit.jsonl.target"))).toBe(false);
    expect((await guard.stop()).code).toBe(0);
  });
});

/** Records of the kernel log that are there now: priority and facility, and the text. */
function kernelRecords(): { priority: number; text: string }[] {
  const descriptor = fs.openSync("/dev/kmsg", fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  const buffer = Buffer.alloc(8192);
  const records: { priority: number; text: string }[] = [];
  try {
    for (;;) {
      const length = readRecord(descriptor, buffer);
      if (length === null) return records;
      const [, priority, text] = /^(\d+),[^;]*;(.*)/.exec(buffer.toString("utf8", 0, length)) ?? [];
      records.push({ priority: Number(priority), text: text ?? "" });
    }
  } finally {
    fs.closeSync(descriptor);
  }
}

/** One record; null when there is no more. What was overwritten meanwhile (EPIPE) is passed over. */
function readRecord(descriptor: number, buffer: Buffer): number | null {
  for (;;) {
    try {
      return fs.readSync(descriptor, buffer);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EAGAIN") return null;
      if (code !== "EPIPE") throw error;
    }
  }
}

/** Facility daemon (3), and the priorities of syslog(3). */
const DAEMON = 3 << 3;
const [CRITICAL, NOTICE] = [2, 5];

test("the kernel log has each decision in one line, with its priority, before and after the act", async (context) => {
  need(context, root, memoryCgroups, kernelLog);
  const cgroup = TestCgroup.memory(context, 200);
  const guard = await GuardProcess.start(context, { scope: cgroup.scope, record: "kmsg = true" });
  const hog = await endHog(context, cgroup);
  const { id } = (await guard.decision("ended")) as Line;
  expect((await guard.stop()).code).toBe(0);
  const own = kernelRecords().filter(({ text }) => text.startsWith("plimsoll: "));
  const about = own.filter(({ text }) => text.includes(`(id ${id})`));
  expect(about.map(({ priority }) => priority)).toEqual([DAEMON | CRITICAL, DAEMON | CRITICAL]);
  expect(about[0]?.text).toMatch(
    new RegExp(`^plimsoll: memory critical: .*; ending pid ${hog.pid} \\(node\\): grew `),
  );
  expect(about[1]?.text).toMatch(
    new RegExp(`^plimsoll: memory critical: .*; ended pid ${hog.pid} \\(node\\): grew .*SIGTERM sent`),
  );
  const start = own.filter(({ text }) => text.includes(`guarding ${cgroup.scope},`));
  expect(start.map(({ priority }) => priority)).toEqual([DAEMON | NOTICE]);
  expect(own.at(-1)).toEqual({ priority: DAEMON | NOTICE, text: "plimsoll: stopped: SIGTERM" });
});
