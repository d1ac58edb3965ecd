import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testInside } from "./inside.ts";
import { labObstacle } from "./vm.ts";

/** What needs netem, which is not in every kernel. */
const DELAYED = "what is squeezed is delayed too where the policy says so, and not any longer than that";

test(`${DELAYED}, in the VM`, async (context) => {
  const obstacle = labObstacle();
  if (obstacle !== null) context.skip(obstacle);
  const share = mkdtempSync(join(tmpdir(), "plimsoll-lab-"));
  const shape = { memory: "1G", swap: null, cgroup: "v2" } as const;
  const played = await testInside(shape, share, ["test/kernel/net-rates.test.ts"], [DELAYED]);
  const found = played.find(({ name }) => name === DELAYED);
  expect(found?.failures, `the kernel's log of the guest: ${share}`).toEqual([]);
  expect(found?.status).toBe("passed");
});
