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

/**
 * The target is a worst gap of 60 ms between two looks of a 20 ms clock: 40 ms late. On a busy machine even a locked
 * clock in C beside it, in the same play, is late, and that is not the guard's doing: its lateness comes on top.
 */
const LATE_MAX_MS = 40;
const TICK_MS = 20;

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
      const clockGap = Math.max(TICK_MS, play.facts?.clockWorstGapMs ?? TICK_MS);
      expect(gap, `the C clock's worst gap: ${clockGap} ms`).toBeLessThan(clockGap + LATE_MAX_MS);
    },
  );
});
