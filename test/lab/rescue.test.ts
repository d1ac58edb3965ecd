import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type GuestTest, testInside } from "./inside.ts";
import { labObstacle } from "./vm.ts";

/** Tests of test/kernel/rescue.test.ts that mean something on cgroup v2: there is no pause. */
const ON_V2 = [
  "a cgroup that grows over its limit lives by its parent's headroom alone, and gives back what it was lent",
  "a cgroup that grows over its limit is given what underused cgroups can spare, in proportion and never below their floor",
  "a cgroup that grows over its limit that has had all the policy lends is neither held nor slowed down: the kernel decides",
  "a cgroup that grows over its limit is let be by the built-in policy, which changes nothing",
  "a cgroup that grows over its limit in a dry run is told of and not helped",
  "kill -9 of the guard in mid-rescue: all limits and pauses are as found within a second",
  "kill -9 of the guard a program that stays above its own limit keeps the raised one until it fits",
];

const obstacle = labObstacle();
const title = obstacle === null ? "rescue on cgroup v2" : `rescue on cgroup v2 (skipped: ${obstacle})`;

describe.skipIf(obstacle !== null)(title, () => {
  let played: readonly GuestTest[] = [];
  const share = mkdtempSync(join(tmpdir(), "plimsoll-lab-"));

  beforeAll(async () => {
    const shape = { memory: "2G", swap: null, cgroup: "v2" } as const;
    played = await testInside(shape, share, ["test/kernel/rescue.test.ts"]);
  });

  test.each(ON_V2)("%s", (name) => {
    const found = played.find((each) => each.name === name);
    expect(found?.failures, `the kernel's log of the guest: ${share}`).toEqual([]);
    expect(found?.status).toBe("passed");
  });
});
