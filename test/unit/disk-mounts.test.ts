import { describe, expect, test } from "vitest";
import { guardedMounts } from "../../src/core/disk/mounts.ts";
import { parseMountinfo } from "../../src/core/parse/mountinfo.ts";

const WITH_DEVICE = new Set(["ext4", "xfs", "squashfs", "iso9660", "btrfs", "fuseblk"]);

/** Which are watched on the sampler's thread, and which by a process of their own, of a table. */
function watched(lines: readonly string[], suspects: readonly number[] = []) {
  const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
  const { local, apart } = guardedMounts(parseMountinfo(bytes, bytes.length), WITH_DEVICE, new Set(suspects));
  return { local: local.map(({ path }) => path), apart: apart.map(({ path }) => path) };
}

const ROOT = "1 0 8:1 / / rw - ext4 /dev/sda1 rw";

describe("which mounts are watched", () => {
  test("real file systems, not pseudo ones, nor what cannot be written", () => {
    const found = watched([
      ROOT,
      "2 1 0:5 / /proc rw - proc proc rw",
      "3 1 0:6 / /run rw - tmpfs tmpfs rw,size=1024k",
      "4 1 0:7 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
      "5 1 7:0 / /snap/core ro - squashfs /dev/loop0 ro",
      "6 1 8:2 / /old rw - ext4 /dev/sda2 ro,errors=remount-ro",
      "7 1 0:9 net:[4026532] /run/netns/a rw - nsfs nsfs rw",
      "8 1 0:10 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw",
      "9 1 8:3 / /srv ro,nosuid - xfs /dev/sda3 rw",
    ]);
    expect(found).toEqual({ local: ["/", "/run", "/srv"], apart: [] });
  });

  test("the root of a container is an overlay", () => {
    expect(watched(["1 0 0:40 / / rw - overlay overlay rw"])).toEqual({ local: ["/"], apart: [] });
  });

  test("one mount a file system: writable, whole, short", () => {
    const found = watched([
      ROOT,
      "2 1 8:2 /part /a rw - ext4 /dev/sda2 rw",
      "3 1 8:2 / /data/long/path rw - ext4 /dev/sda2 rw",
      "4 1 8:2 / /data/ro ro - ext4 /dev/sda2 rw",
      "5 1 8:1 /home /home rw - ext4 /dev/sda1 rw",
    ]);
    expect(found.local).toEqual(["/", "/data/long/path"]);
  });

  test("what is mounted over is not there", () => {
    const found = watched([
      ROOT,
      "2 1 8:2 / /data rw - ext4 /dev/sda2 rw",
      "3 2 8:3 / /data/inner rw - ext4 /dev/sda3 rw",
      "4 2 8:4 / /data rw - ext4 /dev/sda4 rw",
      "5 4 8:5 / /data/inner rw - ext4 /dev/sda5 rw",
      // Mounted below /x before /x was.
      "6 1 8:6 / /x/deep rw - ext4 /dev/sda6 rw",
      "7 1 8:7 / /x rw - ext4 /dev/sda7 rw",
    ]);
    expect(found.local).toEqual(["/", "/data", "/data/inner", "/x"]);
    const devices = guardedMounts(
      parseMountinfo(Buffer.from("2 1 8:2 / /d rw - ext4 a rw\n4 2 8:4 / /d rw - ext4 b rw\n"), 57),
      WITH_DEVICE,
      new Set(),
    ).local.map(({ device }) => device);
    expect(devices).toEqual(["8:4"]);
  });

  test("whatever may hang is asked apart, and so is what lies below it, or hung before", () => {
    const lines = [
      ROOT,
      "2 1 0:50 / /net rw - nfs4 server:/x rw",
      "3 2 8:2 / /net/local rw - ext4 /dev/sda2 rw",
      "4 1 0:51 / /mnt/s rw - fuse.sshfs me@there: rw",
      "5 1 8:3 / /slow rw - ext4 /dev/sda3 rw",
    ];
    expect(watched(lines)).toEqual({ local: ["/", "/slow"], apart: ["/net", "/net/local", "/mnt/s"] });
    expect(watched(lines, [5])).toEqual({ local: ["/"], apart: ["/net", "/net/local", "/mnt/s", "/slow"] });
  });

  test("a table with a circle in it ends", () => {
    expect(
      watched(["1 2 8:1 / /a rw - ext4 a rw", "2 1 8:2 / /b rw - ext4 b rw", ROOT.replace("1 0", "9 0")])
        .local,
    ).toEqual(["/"]);
  });
});
