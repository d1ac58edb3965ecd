import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { TestContext } from "vitest";
import { findMemoryHierarchy } from "../../src/workers/common/cgroup-path.ts";

/** What a test needs of the host: null when it is there, else why not. */
type Need = () => string | null;

/** Asked once each: the host does not change under the tests. */
const answers = new Map<Need, string | null>();

/** Skips the test, saying why, unless the host has all that it needs. */
export function need(context: TestContext, ...needs: readonly Need[]): void {
  for (const each of needs) {
    let reason = answers.get(each);
    if (reason === undefined) {
      reason = each();
      answers.set(each, reason);
    }
    if (reason !== null) context.skip(reason);
  }
}

export const root: Need = () =>
  process.getuid?.() === 0 ? null : "needs root: it makes cgroups and guards processes of others";

export const notRoot: Need = () =>
  process.getuid?.() === 0 ? "needs another user than root, who may read and write all" : null;

/** Memory cgroups of our own. */
export const memoryCgroups: Need = () => {
  const hierarchy = findMemoryHierarchy("/sys/fs/cgroup");
  if (hierarchy === null) return "needs the memory controller below /sys/fs/cgroup, found none";
  return canMakeDirectory(hierarchy.root, "memory cgroups");
};

/** The memory controller of cgroup v1: pausing, and limits of memory and swap together, are only there. */
export const cgroupV1: Need = () =>
  findMemoryHierarchy("/sys/fs/cgroup")?.version === 1
    ? null
    : "needs the memory controller of cgroup v1 at /sys/fs/cgroup/memory";

/** The v1 freezer: what it has frozen does not die, not even of SIGKILL, before it is thawed. */
export const freezer: Need = () =>
  fs.existsSync("/sys/fs/cgroup/freezer")
    ? canMakeDirectory("/sys/fs/cgroup/freezer", "freezer cgroups")
    : "needs the cgroup v1 freezer at /sys/fs/cgroup/freezer: nothing else keeps a process from dying";

/** The v1 cpu controller: quotas of processor time. */
export const cpuCgroups: Need = () =>
  fs.existsSync("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") || fs.existsSync("/sys/fs/cgroup/cpu/cgroup.procs")
    ? canMakeDirectory("/sys/fs/cgroup/cpu", "cpu cgroups")
    : "needs the cgroup v1 cpu controller at /sys/fs/cgroup/cpu";

/** The v1 blkio controller with throttling, and a block device to throttle. */
export const throttleDevice: Need = () => {
  if (!fs.existsSync("/sys/fs/cgroup/blkio/blkio.throttle.read_bps_device"))
    return "needs the cgroup v1 blkio controller with throttling at /sys/fs/cgroup/blkio";
  return fs.existsSync("/sys/block") && fs.readdirSync("/sys/block").length > 0
    ? null
    : "needs a block device in /sys/block";
};

/** The v1 pids controller: how many processes there may be. */
export const pidsCgroups: Need = () =>
  fs.existsSync("/sys/fs/cgroup/pids")
    ? canMakeDirectory("/sys/fs/cgroup/pids", "pids cgroups")
    : "needs the cgroup v1 pids controller at /sys/fs/cgroup/pids: nothing else makes root's fork fail";

export const kernelLog: Need = () => writable("/dev/kmsg", "the kernel log");

/** Who may choose the next pid (needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN, and CONFIG_CHECKPOINT_RESTORE). */
export const nextPid: Need = () => writable("/proc/sys/kernel/ns_last_pid", "the choice of the next pid");

/** Lowering oom_score_adj (needs CAP_SYS_RESOURCE, proc(5)). */
export const lowerOomScore: Need = () => {
  const file = "/proc/self/oom_score_adj";
  const before = fs.readFileSync(file, "utf8");
  try {
    fs.writeFileSync(file, "-1000");
    fs.writeFileSync(file, before);
    return null;
  } catch (error) {
    return `needs CAP_SYS_RESOURCE to set oom_score_adj to -1000: ${(error as Error).message}`;
  }
};

/** Small file systems of our own, to fill them up. */
export const mounts: Need = () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "plimsoll-test-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "plimsoll-test", directory], { stdio: "pipe" });
    execFileSync("umount", [directory], { stdio: "pipe" });
    return null;
  } catch (error) {
    return `needs to mount a tmpfs: ${(error as Error).message.trim()}`;
  } finally {
    fs.rmdirSync(directory);
  }
};

/** What checks units without a running systemd. */
export const systemdAnalyze: Need = () =>
  spawnSync("systemd-analyze", ["--version"]).status === 0 ? null : "needs systemd-analyze (systemd)";

/** An ordinary user (65534) who can run what was built: the folders above it may be entered by all. */
export const otherUser: Need = () => {
  const program = fileURLToPath(new URL("../../dist/src/main/cli/bin.js", import.meta.url));
  const args = ["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath, program, "--version"];
  const { status, error, stderr } = spawnSync("setpriv", args, { encoding: "utf8", cwd: "/" });
  if (status === 0) return null;
  return `needs another user who can run the build (setpriv): ${(error?.message ?? stderr).split("\n")[0]}`;
};

function canMakeDirectory(parent: string, what: string): string | null {
  const directory = `${parent}/plimsoll-test-need-${process.pid}`;
  try {
    fs.mkdirSync(directory);
    fs.rmdirSync(directory);
    return null;
  } catch (error) {
    return `needs ${what} of its own: ${(error as Error).message}`;
  }
}

function writable(file: string, what: string): string | null {
  try {
    fs.closeSync(fs.openSync(file, fs.constants.O_WRONLY));
    return null;
  } catch (error) {
    return `needs ${what}: ${(error as Error).message}`;
  }
}
