import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type GuestTest, testInside } from "./inside.ts";
import { labObstacle } from "./vm.ts";

/** Tests of test/kernel/io.test.ts that mean something on cgroup v2, where io.max is what throttles. */
const ON_V2 = [
  "a cgroup that saturates a disk is throttled, the others are not, and the disk is no longer saturated",
  "a cgroup that saturates a disk is tested at doubling intervals, and let go when it behaves",
  "a cgroup that saturates a disk gets its limits back within a second of the guard's kill -9",
  "a cgroup that saturates a disk keeps a lower limit that is its own",
  "a cgroup that saturates a disk in a dry run is told of and not throttled",
  "a disk that is saturated by nobody in particular is told of, and nobody is throttled: the load is spread",
];

const obstacle = labObstacle();
const title = obstacle === null ? "I/O on cgroup v2" : `I/O on cgroup v2 (skipped: ${obstacle})`;

describe.skipIf(obstacle !== null)(title, () => {
  let played: readonly GuestTest[] = [];
  const share = mkdtempSync(join(tmpdir(), "plimsoll-lab-"));

  beforeAll(async () => {
    const shape = { memory: "2G", swap: null, cgroup: "v2" } as const;
    played = await testInside(shape, share, ["test/kernel/io.test.ts"]);
  });

  test.each(ON_V2)("%s", (name) => {
    const found = played.find((each) => each.name === name);
    expect(found?.failures, `the kernel's log of the guest: ${share}`).toEqual([]);
    expect(found?.status).toBe("passed");
  });
});
