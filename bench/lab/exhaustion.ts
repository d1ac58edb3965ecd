import { exhaustionOrders, worstSampleGapMs } from "../../test/lab/exhaustion.ts";
import type { GuardName } from "../../test/lab/guards.ts";
import { judge } from "../../test/lab/judge.ts";
import { playAll } from "../../test/lab/runner.ts";

/** One drive of a 512 MiB host into exhaustion. */
export interface ExhaustionFigures {
  readonly scenario: string;
  readonly swap: boolean;
  readonly right: boolean;
  readonly faults: readonly string[];
  readonly guardLives: boolean;
  readonly availableLowKib: number;
  /** The guard's own record of the worst time between two of its 20 ms samples; null: it did not say. */
  readonly guardWorstGapMs: number | null;
  /** An ordinary program in C with a 20 ms clock, its memory locked, beside it. */
  readonly clockWorstGapMs: number;
}

export async function measureExhaustion(
  guards: readonly GuardName[],
  folder: string,
): Promise<ExhaustionFigures[]> {
  const figures: ExhaustionFigures[] = [];
  if (!guards.includes("plimsoll")) return figures;
  await playAll(exhaustionOrders, folder, (order, play) => {
    const { right, faults } = judge(order.scenario, play);
    figures.push({
      scenario: order.scenario.name,
      swap: order.scenario.vm.swap !== null,
      right,
      faults,
      guardLives: play.facts?.guardLives ?? false,
      availableLowKib: play.facts?.availableLowKib ?? 0,
      guardWorstGapMs: worstSampleGapMs(play),
      clockWorstGapMs: play.facts?.clockWorstGapMs ?? 0,
    });
  });
  console.log("\nexhaustion of a 512 MiB host, worst gap of a 20 ms clock, ms");
  for (const one of figures) {
    const own = one.guardWorstGapMs === null ? "not told" : one.guardWorstGapMs.toFixed(0);
    const verdict = one.right ? "right" : `WRONG: ${one.faults.join("; ")}`;
    const clock = one.clockWorstGapMs.toFixed(0);
    console.log(
      `${one.scenario.padEnd(18)} guard ${own.padStart(8)}   clock in C ${clock.padStart(5)}   ${verdict}`,
    );
  }
  return figures;
}
