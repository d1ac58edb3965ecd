/** Virtual machines through the whole guard, on libvirt's test driver: they come before processes. */
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test, type TestContext } from "vitest";
import { CALM, machinePolicy } from "../support/vm-policy.ts";
import { MIB, TestCgroup } from "../support/cgroup.ts";
import { GuardProcess, type Line, testDirectory } from "../support/guard.ts";
import { memoryCgroups, need, root } from "../support/needs.ts";
import type { Program } from "../support/program.ts";
import {
  domainUuid,
  hungVirsh,
  testDriver,
  testVirsh,
  virsh,
  virshHangingFrom,
  virshInPath,
} from "../support/virsh.ts";
import { waitFor } from "../support/wait.ts";

const DOMAINS = [
  { name: "small", memoryMiB: 512 },
  { name: `the "big" one's $HOME`, memoryMiB: 4096 },
  { name: "middle", memoryMiB: 1024 },
  { name: "spared-huge", memoryMiB: 8192 },
];

interface Scene {
  readonly cgroup: TestCgroup;
  readonly hog: Program;
}

/** Somebody small who is ended when nothing else helps. */
async function scene(context: TestContext): Promise<Scene> {
  const cgroup = TestCgroup.memory(context, 600);
  const hog = await cgroup.start(context, "busy", ["--hold", "400"]);
  await hog.said("ready");
  return { cgroup, hog };
}

const reports = (guard: GuardProcess): Line[] =>
  guard.audit().filter((line) => line["resource"] === "vm" && line["verb"] !== undefined);

const done = (line: Line): string => `${line["verb"]} ${line["subject"]}: ${line["outcome"]}`;

describe("virtual machines, when memory is at the policy's level", () => {
  test("are hibernated first, the biggest before the smaller; a process only after them", async (context) => {
    need(context, root, memoryCgroups, virsh);
    const { cgroup, hog } = await scene(context);
    const uri = testDriver(context, DOMAINS);
    const vm = `uri = "${uri}"\nhibernate_at = "warning"\nnever = ["spared-*"]\ndeadline = "20s"`;
    const guard = await GuardProcess.start(context, {
      scope: "host",
      policy: machinePolicy(cgroup.scope, vm),
      env: { PATH: testVirsh(context) },
    });
    expect(await hog.ended).toMatchObject({ signal: "SIGKILL" });
    await guard.decision("ended");
    const lines = reports(guard);
    expect(lines.map(done)).toEqual([
      `hibernate the "big" one's $HOME: done`,
      "hibernate middle: done",
      "hibernate small: done",
    ]);
    // Before and after are figures of the same things; the first was weighed against those who lost.
    expect(lines[0]?.["before"]).toMatchObject({ state: 1, memoryBytes: 4096 * MIB });
    expect(lines[0]?.["after"]).toMatchObject({ state: 5, memoryBytes: null });
    expect(lines[0]?.["candidates"]).toEqual(["middle, 1.00 GiB", "small, 512 MiB"]);
    const audit = guard.audit();
    const ended = audit.findIndex((line) => line["event"] === "decision" && line["outcome"] === "ended");
    const last = audit.findLastIndex((line) => line["resource"] === "vm" && line["verb"] === "hibernate");
    expect(ended).toBeGreaterThan(last);
  });

  test("in the policy's order before their size counts", async (context) => {
    need(context, root, memoryCgroups, virsh);
    const { cgroup, hog } = await scene(context);
    const uri = testDriver(context, DOMAINS);
    const vm = `uri = "${uri}"\nhibernate_at = "warning"\norder = ["small", "mid*"]\ndeadline = "20s"`;
    const guard = await GuardProcess.start(context, {
      scope: "host",
      policy: machinePolicy(cgroup.scope, vm),
      env: { PATH: testVirsh(context) },
    });
    await hog.ended;
    await guard.decision("ended");
    expect(reports(guard).map((line) => line["subject"])).toEqual([
      "small",
      "middle",
      "spared-huge",
      `the "big" one's $HOME`,
    ]);
  });

  test("in a dry run none is touched, and what would have been is on record", async (context) => {
    need(context, root, memoryCgroups, virsh);
    const { cgroup, hog } = await scene(context);
    const uri = testDriver(context, DOMAINS);
    const vm = `uri = "${uri}"\nhibernate_at = "warning"`;
    const guard = await GuardProcess.start(context, {
      scope: "host",
      policy: machinePolicy(cgroup.scope, vm),
      args: ["--dry-run"],
      env: { PATH: testVirsh(context) },
    });
    const line = await guard.recorded("the first domain", (each) => each["verb"] === "hibernate");
    expect(line).toMatchObject({ subject: "spared-huge", outcome: "dry-run", dryRun: true });
    expect(line["before"]).toEqual(line["after"]);
    expect(hog.end).toBeNull();
  });

  test("one that refuses is passed over, and the next one goes", async (context) => {
    need(context, root, memoryCgroups, virsh);
    const { cgroup, hog } = await scene(context);
    const uri = testDriver(context, DOMAINS.slice(0, 3));
    // As libvirt refuses to save a domain with a device that cannot be migrated.
    const refusing = `sed -u 's/^managedsave --running ${domainUuid(1)}$/managedsave --no-such-option/' | real "$@"`;
    const guard = await GuardProcess.start(context, {
      scope: "host",
      policy: machinePolicy(cgroup.scope, `uri = "${uri}"\nhibernate_at = "warning"`),
      env: { PATH: virshInPath(context, refusing) },
    });
    await hog.ended;
    await guard.decision("ended");
    expect(reports(guard).map(done)).toEqual([
      `hibernate the "big" one's $HOME: failed`,
      "hibernate middle: done",
      "hibernate small: done",
    ]);
    expect(reports(guard)[0]?.["steps"][0]["result"]).toContain("no-such-option");
  });

  test("start again when memory has been enough for long enough, and only those that were hibernated", async (context) => {
    need(context, root, memoryCgroups, virsh);
    const { cgroup, hog } = await scene(context);
    const uri = testDriver(context, DOMAINS.slice(0, 3));
    const vm = `uri = "${uri}"\nhibernate_at = "warning"\nresume_after = "1s"`;
    const guard = await GuardProcess.start(context, {
      scope: "host",
      policy: machinePolicy(cgroup.scope, vm),
      env: { PATH: testVirsh(context) },
    });
    await hog.ended;
    await waitFor("all to be hibernated", () => reports(guard).length === 3);
    guard.writePolicy(machinePolicy(cgroup.scope, vm, CALM));
    guard.child.kill("SIGHUP");
    await waitFor("all to be started", () => reports(guard).length === 6, 20_000);
    // Smallest first: it is the likeliest to fit.
    expect(reports(guard).slice(3).map(done)).toEqual([
      "start small: released",
      "start middle: released",
      `start the "big" one's $HOME: released`,
    ]);
  });
});

describe("a libvirt that does not answer", () => {
  test("keeps nobody from being ended: processes do not wait for machines that cannot be seen", async (context) => {
    need(context, root, memoryCgroups, virsh);
    const { cgroup, hog } = await scene(context);
    const guard = await GuardProcess.start(context, {
      scope: "host",
      policy: machinePolicy(cgroup.scope, 'uri = "test:///default"\nhibernate_at = "warning"'),
      env: { PATH: hungVirsh(context, 60) },
    });
    await hog.ended;
    await guard.decision("ended", 10_000);
    // It is told of once, when it is known.
    const said = (line: Line): boolean =>
      String(line["what"]).startsWith("virtual machines of test:///default");
    const line = await guard.recorded("that machines are not seen", said, 20_000);
    expect(line["why"]).toMatch(/has not answered/);
    const { tookMs, code } = await guard.stop();
    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(5000);
    expect(guard.audit().filter(said)).toHaveLength(1);
  });

  test("in the middle of a hibernation: processes wait for no longer than its deadline", async (context) => {
    need(context, root, memoryCgroups, virsh);
    const { cgroup, hog } = await scene(context);
    const flag = path.join(testDirectory(context), "hang");
    const uri = testDriver(context, DOMAINS.slice(0, 3));
    const vm = `uri = "${uri}"\nhibernate_at = "warning"\ndeadline = "3s"`;
    const guard = await GuardProcess.start(context, {
      scope: "host",
      policy: machinePolicy(cgroup.scope, vm, CALM),
      env: { PATH: virshHangingFrom(context, flag) },
    });
    await waitFor("the domains to be seen", async () => {
      const status = await guard.ask({ ask: "resources" });
      return JSON.stringify(status).includes("middle");
    });
    fs.writeFileSync(flag, "");
    guard.writePolicy(machinePolicy(cgroup.scope, vm));
    guard.child.kill("SIGHUP");
    const beganMs = performance.now();
    await hog.ended;
    expect(performance.now() - beganMs).toBeLessThan(15_000);
    await guard.decision("ended");
  });
});
