import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { missingGuard } from "./guards.ts";
import { judge, type Verdict } from "./judge.ts";
import { playAll } from "./runner.ts";
import { scenarios } from "./scenarios/index.ts";
import { labObstacle } from "./vm.ts";

const obstacle = labObstacle() ?? missingGuard("plimsoll");
const title = obstacle === null ? "Plimsoll in the VM" : `Plimsoll in the VM (skipped: ${obstacle})`;

describe.skipIf(obstacle !== null)(title, () => {
  const verdicts = new Map<string, Verdict>();
  const folder = mkdtempSync(join(tmpdir(), "plimsoll-lab-"));

  beforeAll(async () => {
    const orders = scenarios.map((scenario) => ({ scenario, guard: "plimsoll" as const }));
    await playAll(orders, folder, ({ scenario }, play) => {
      verdicts.set(scenario.name, judge(scenario, play));
    });
  });

  test.each(scenarios.map(({ name, story }) => [name, story]))("%s: %s", (name) => {
    expect(verdicts.get(name)?.faults, `logs, trace and record: ${folder}/${name}.plimsoll.*`).toEqual([]);
  });
});
