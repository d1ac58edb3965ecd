import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { libvirtd } from "../support/libvirtd.ts";
import { type GuestTest, testInside } from "./inside.ts";
import { labObstacle } from "./vm.ts";

/** Tests of test/kernel/vm-qemu.test.ts, on cgroup v2 and where no domain is anybody's. */
const INSIDE = [
  "a real guest under a real libvirtd is hibernated when memory is short, and goes on when it no longer is",
  "a real guest under a real libvirtd is frozen under load of the processors, and goes on after it",
  "a real guest without libvirt is frozen by its cgroup under load, goes on after it, and after kill -9 of the guard",
];

const obstacle = labObstacle() ?? libvirtd();
const title =
  obstacle === null
    ? "machines in the lab's machine"
    : `machines in the lab's machine (skipped: ${obstacle})`;

describe.skipIf(obstacle !== null)(title, () => {
  let played: readonly GuestTest[] = [];
  const share = mkdtempSync(join(tmpdir(), "plimsoll-lab-"));

  beforeAll(async () => {
    const shape = { memory: "2G", swap: null, cgroup: "v2" } as const;
    played = await testInside(shape, share, ["test/kernel/vm-qemu.test.ts"], INSIDE);
  });

  test.each(INSIDE)("%s", (name) => {
    const found = played.find((each) => each.name === name);
    expect(found?.failures, `the kernel's log of the guest: ${share}`).toEqual([]);
    expect(found?.status).toBe("passed");
  });
});
