/** What lanes impose on cgroup v2, in a VM: cpu.max, cgroup.freeze, io.max. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type GuestTest, testInside } from "./inside.ts";
import { labObstacle } from "./vm.ts";

/** Tests of test/kernel/levers.test.ts. */
const ON_V2 = [
  "levers of cgroups are imposed, changed, and put back to what was found first",
  "levers of cgroups are taken over by the next life of the lane",
  "levers of cgroups are put back by the guardian's script, which says what it could not",
  "levers of cgroups that somebody else has changed meanwhile are left, by the lane and by the guardian",
  "levers of cgroups of a cgroup that is gone, or that has another's inode, are forgotten",
  "levers of cgroups are not imposed where nobody would put them back, nor where that cannot be written down",
  "levers of processes stop and go on; who is stopped already is somebody else's",
  "levers of processes a nice value is that of all threads; one that has its own gets its own back",
  "levers of interfaces shaping and being down are taken back, by lane and guardian, also when it was renamed",
  "levers of interfaces a root qdisc that somebody else has set meanwhile is left",
];

const obstacle = labObstacle();
const title = obstacle === null ? "levers on cgroup v2" : `levers on cgroup v2 (skipped: ${obstacle})`;

describe.skipIf(obstacle !== null)(title, () => {
  let played: readonly GuestTest[] = [];
  const share = mkdtempSync(join(tmpdir(), "plimsoll-lab-"));

  beforeAll(async () => {
    const shape = { memory: "2G", swap: null, cgroup: "v2" } as const;
    played = await testInside(shape, share, ["test/kernel/levers.test.ts"]);
  });

  test.each(ON_V2)("%s", (name) => {
    const found = played.find((each) => each.name === name);
    expect(found?.failures, `the kernel's log of the guest: ${share}`).toEqual([]);
    expect(found?.status).toBe("passed");
  });
});
