import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { playUntilRight } from "./again.ts";
import { missingGuard } from "./guards.ts";
import { judge } from "./judge.ts";
import { scenarios } from "./scenarios/index.ts";
import { labObstacle } from "./vm.ts";

/** A play that goes wrong is played once more. */
const TIMES = 2;

const obstacle = labObstacle() ?? missingGuard("plimsoll");
const title = obstacle === null ? "Plimsoll in the VM" : `Plimsoll in the VM (skipped: ${obstacle})`;

describe.skipIf(obstacle !== null)(title, () => {
  const folder = mkdtempSync(join(tmpdir(), "plimsoll-lab-"));
  let faults: ReadonlyMap<string, readonly string[]> = new Map();

  beforeAll(async () => {
    const orders = scenarios.map((scenario) => ({ scenario, guard: "plimsoll" as const }));
    faults = await playUntilRight(
      orders,
      folder,
      TIMES,
      ({ scenario }, play) => judge(scenario, play).faults,
    );
  });

  test.each(scenarios.map(({ name, story }) => [name, story]))("%s: %s", (name) => {
    expect(faults.get(name), `logs, traces and records: ${folder}`).toEqual([]);
  });
});
