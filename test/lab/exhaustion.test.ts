import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { playUntilRight } from "./again.ts";
import { exhaustionOrders, worstSampleGapMs } from "./exhaustion.ts";
import { missingGuard } from "./guards.ts";
import { judge } from "./judge.ts";
import type { Play } from "./scenario.ts";
import { labObstacle } from "./vm.ts";

/** The figure of the issue: the worst gap of a 20 ms sampler while the host is exhausted. */
const GAP_MAX_MS = 60;
const EXHAUSTED_KIB = 16 * 1024;
/** A play that goes wrong is played again. */
const TIMES = 3;

const obstacle = labObstacle() ?? missingGuard("plimsoll");
const title = obstacle === null ? "exhaustion in the VM" : `exhaustion in the VM (skipped: ${obstacle})`;

describe.skipIf(obstacle !== null)(title, () => {
  const folder = mkdtempSync(join(tmpdir(), "plimsoll-lab-"));
  let faults: ReadonlyMap<string, readonly string[]> = new Map();

  beforeAll(async () => {
    faults = await playUntilRight(exhaustionOrders, folder, TIMES, ({ scenario }, play) => [
      ...judge(scenario, play).faults,
      ...gapFaults(play),
    ]);
  });

  test.each(exhaustionOrders)(
    "$scenario.name: the guard lives, keeps its clock and ends the hog",
    ({ scenario }) => {
      expect(faults.get(scenario.name), `logs, traces and records: ${folder}`).toEqual([]);
    },
  );
});

/** What is wrong with how the host was exhausted, and how the guard kept its clock meanwhile. */
function gapFaults(play: Play): string[] {
  const lowKib = play.facts?.availableLowKib ?? Number.POSITIVE_INFINITY;
  const gapMs = worstSampleGapMs(play) ?? Number.POSITIVE_INFINITY;
  return [
    ...(lowKib < EXHAUSTED_KIB ? [] : [`the host was not exhausted: ${lowKib} KiB were available`]),
    ...(gapMs < GAP_MAX_MS ? [] : [`the worst gap of the 20 ms sampler was ${gapMs} ms`]),
  ];
}
