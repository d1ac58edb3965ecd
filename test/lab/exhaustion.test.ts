import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { exhaustionOrders, worstSampleGapMs } from "./exhaustion.ts";
import { missingGuard } from "./guards.ts";
import { judge } from "./judge.ts";
import { playAll } from "./runner.ts";
import type { Play } from "./scenario.ts";
import { labObstacle } from "./vm.ts";

/** The figure of the issue: the worst gap of a 20 ms sampler while the host is exhausted. */
const GAP_MAX_MS = 60;

const obstacle = labObstacle() ?? missingGuard("plimsoll");
const title = obstacle === null ? "exhaustion in the VM" : `exhaustion in the VM (skipped: ${obstacle})`;

describe.skipIf(obstacle !== null)(title, () => {
  const plays = new Map<string, Play>();
  const folder = mkdtempSync(join(tmpdir(), "plimsoll-lab-"));

  beforeAll(async () => {
    await playAll(exhaustionOrders, folder, ({ scenario }, play) => {
      plays.set(scenario.name, play);
    });
  });

  test.each(exhaustionOrders)(
    "$scenario.name: the guard lives, keeps its clock and ends the hog",
    ({ scenario }) => {
      const play = plays.get(scenario.name);
      if (play === undefined) throw new Error(`${scenario.name} was not played: see ${folder}`);
      expect(judge(scenario, play).faults, `logs, trace and record: ${folder}`).toEqual([]);
      expect(play.facts?.availableLowKib, "the host was exhausted").toBeLessThan(16 * 1024);
      const gap = worstSampleGapMs(play);
      expect(gap, `the guard tells its worst gap: ${play.guardLog}`).not.toBeNull();
      expect(gap).toBeLessThan(GAP_MAX_MS);
    },
  );
});
