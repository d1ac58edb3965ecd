import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import type { TestContext } from "vitest";
import { findIoHierarchy } from "../../src/workers/common/cgroup-io.ts";
import { TestCgroup } from "./cgroup.ts";
import { testDirectory } from "./guard.ts";
import { Program } from "./program.ts";
import { waitFor } from "./wait.ts";

const run = (command: string, args: readonly string[]): string =>
  execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();

/** Loop devices with ext4 on them. */
export const loopDisks = (): string | null => {
  const { status, error, stderr } = spawnSync("losetup", ["--find"], { encoding: "utf8" });
  if (status !== 0) return `needs loop devices (losetup): ${error?.message ?? stderr.trim()}`;
  return spawnSync("mkfs.ext4", ["-V"]).status === 0 ? null : "needs mkfs.ext4 (e2fsprogs)";
};

/** Cgroups of our own whose I/O can be throttled. */
export const ioCgroups = (): string | null => {
  const hierarchy = findIoHierarchy("/sys/fs/cgroup");
  if (hierarchy === null) return "needs the blkio controller of cgroup v1 or io of v2, found neither";
  const directory = path.join(hierarchy.root, `plimsoll-test-need-io-${process.pid}`);
  const file = hierarchy.version === 1 ? "blkio.throttle.read_bps_device" : "io.max";
  try {
    if (hierarchy.version === 2) fs.writeFileSync(`${hierarchy.root}/cgroup.subtree_control`, "+io");
    fs.mkdirSync(directory);
    const found = fs.existsSync(path.join(directory, file));
    fs.rmdirSync(directory);
    return found ? null : `needs throttling of block I/O: ${file} is not there`;
  } catch (error) {
    return `needs I/O cgroups of its own: ${(error as Error).message}`;
  }
};

/** cgroup v1: what a task writes through the page cache is not its own to the throttle. */
export const blkioV1 = (): string | null =>
  findIoHierarchy("/sys/fs/cgroup")?.version === 1 ? null : "needs the blkio controller of cgroup v1";

/** PSI of I/O. */
export const ioPressure = (): string | null =>
  fs.existsSync("/proc/pressure/io") ? null : "needs /proc/pressure/io (CONFIG_PSI)";

/** A small ext4 on a loop device of the test's own. */
export class LoopDisk {
  /** Such as `loop3`. */
  readonly name: string;
  /** `MAJOR:MINOR`. */
  readonly id: string;
  /** Where it is mounted. */
  readonly directory: string;

  private constructor(name: string, directory: string) {
    this.name = name;
    this.id = fs.readFileSync(`/sys/block/${name}/dev`, "utf8").trim();
    this.directory = directory;
  }

  /** Past the page cache of the file below it where that can be, as a disk is; gone after the test. */
  static async make(context: TestContext, sizeMiB: number): Promise<LoopDisk> {
    const home = testDirectory(context);
    const image = path.join(home, "disk.img");
    fs.writeFileSync(image, "");
    fs.truncateSync(image, sizeMiB * 1024 * 1024);
    const device = run("losetup", ["--find", "--show", image]);
    const directory = path.join(home, "mounted");
    context.onTestFinished(async () => {
      await waitFor(`${directory} to be unmounted`, () => {
        if (!isMounted(directory)) return true;
        return spawnSync("umount", [directory]).status === 0;
      });
      spawnSync("losetup", ["--detach", device]);
    });
    spawnSync("losetup", ["--direct-io=on", device]);
    // overlayfs says that it can, whatever the file system below it can, and fails each read (tmpfs before Linux 6.6).
    const first = [`if=${device}`, "of=/dev/null", "bs=4k", "count=1", "iflag=direct"];
    if (spawnSync("dd", first).status !== 0) run("losetup", ["--direct-io=off", device]);
    run("mkfs.ext4", ["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", device]);
    fs.mkdirSync(directory);
    run("mount", [device, directory]);
    return new LoopDisk(path.basename(device), directory);
  }

  /** A file of so many MiB, on the disk when this returns. */
  fill(name: string, sizeMiB: number): string {
    const file = path.join(this.directory, name);
    run("dd", ["if=/dev/zero", `of=${file}`, "bs=1M", `count=${sizeMiB}`, "oflag=direct", "status=none"]);
    return file;
  }
}

/** A cgroup of I/O within a parent of the test's own: `parent` null makes one of those. */
export function ioCgroup(context: TestContext, name: string, parent: TestCgroup | null = null): TestCgroup {
  const hierarchy = findIoHierarchy("/sys/fs/cgroup");
  if (hierarchy === null) throw new Error("the test should have skipped: there is no I/O controller");
  const above = parent ?? TestCgroup.in(context, hierarchy.root, hierarchy.version);
  if (parent === null) return above;
  if (hierarchy.version === 2) above.write("cgroup.subtree_control", "+io");
  return TestCgroup.below(context, above, name);
}

/** The lines of the device in the files that throttle a cgroup; empty when nothing is limited. */
export function throttlesOf(cgroup: TestCgroup, { id }: LoopDisk): string[] {
  const files =
    cgroup.version === 2
      ? ["io.max"]
      : ["read_bps", "write_bps", "read_iops", "write_iops"].map((kind) => `blkio.throttle.${kind}_device`);
  return files.flatMap((file) =>
    cgroup
      .read(file)
      .split("\n")
      .filter((line) => line.startsWith(`${id} `))
      .map((line) => `${file} ${line}`),
  );
}

/** Reads a file again and again past the page cache, in so many tasks at once. */
export async function hog(
  context: TestContext,
  cgroup: TestCgroup,
  file: string,
  tasks = 3,
): Promise<Program[]> {
  // Before whatever else the machine has to do: what is to be short is the disk.
  const script =
    'renice -n -15 $$ >/dev/null; while :; do dd if="$0" of=/dev/null bs=4k iflag=direct status=none || exit 1; done';
  return Promise.all(
    Array.from({ length: tasks }, () => cgroup.run(context, ["/bin/sh", "-c", script, file])),
  );
}

/** Writes a few blocks, each synchronously, again and again. */
export async function syncWriter(context: TestContext, cgroup: TestCgroup, file: string): Promise<Program> {
  const script =
    'while :; do dd if=/dev/zero of="$0" bs=4k count=4 oflag=dsync conv=notrunc status=none; sleep 0.4; done';
  return cgroup.run(context, ["/bin/sh", "-c", script, file]);
}

function isMounted(directory: string): boolean {
  return fs.readFileSync("/proc/self/mountinfo", "utf8").includes(` ${directory} `);
}
