import { crossingOrders, crossingsOf, LINE_PERCENT, RATES_MIBS } from "../../test/lab/crossing.ts";
import type { GuardName } from "../../test/lab/guards.ts";
import { playAll } from "../../test/lab/runner.ts";

/** Crossing to signal for one guard at one rate. Times in ms; null: not one program was signalled by the guard. */
export interface CrossingFigures {
  readonly guard: GuardName;
  readonly rateMibS: number;
  readonly linePercent: number;
  readonly programs: number;
  readonly signalled: number;
  /** How many the kernel's OOM killer ended before the guard did. */
  readonly kernelFirst: number;
  readonly minMs: number | null;
  /** A program that the guard never signalled counts as later than any other. Null: that is where the median lies. */
  readonly medianMs: number | null;
  readonly maxMs: number | null;
  readonly allMs: readonly (number | null)[];
}

const PROGRAMS = 10;

export async function measureCrossing(
  guards: readonly GuardName[],
  folder: string,
): Promise<CrossingFigures[]> {
  const figures: CrossingFigures[] = [];
  const compared = guards.filter((guard) => guard === "earlyoom" || guard === "plimsoll");
  await playAll(crossingOrders(compared, PROGRAMS), folder, (order, play) => {
    const rate = RATES_MIBS.find((one) => order.scenario.name === `crossing-${one}`) ?? 0;
    figures.push(figuresOf(order.guard, rate, crossingsOf(play)));
  });
  print(figures);
  return figures;
}

function figuresOf(
  guard: GuardName,
  rateMibS: number,
  crossings: ReturnType<typeof crossingsOf>,
): CrossingFigures {
  const allMs = crossings.map(({ toSignalMs }) => toSignalMs);
  const sorted = allMs.map((ms) => ms ?? Number.POSITIVE_INFINITY).toSorted((a, b) => a - b);
  const finite = sorted.filter(Number.isFinite);
  const median =
    ((sorted[(sorted.length - 1) >> 1] ?? Infinity) + (sorted[sorted.length >> 1] ?? Infinity)) / 2;
  return {
    guard,
    rateMibS,
    linePercent: LINE_PERCENT,
    programs: crossings.length,
    signalled: finite.length,
    kernelFirst: crossings.filter(({ byKernel }) => byKernel).length,
    minMs: finite[0] ?? null,
    medianMs: Number.isFinite(median) ? median : null,
    maxMs: finite.at(-1) ?? null,
    allMs,
  };
}

function print(figures: readonly CrossingFigures[]): void {
  if (figures.length === 0) return;
  console.log(`\ncrossing ${LINE_PERCENT} % available to signal, ms (1 GiB, ${PROGRAMS} programs each)`);
  console.log("guard      MiB/s  signalled  kernel first       min    median       max");
  for (const one of figures) {
    const times = [one.minMs, one.medianMs, one.maxMs].map((ms) =>
      (ms === null ? "-" : ms.toFixed(1)).padStart(10),
    );
    const counts = `${String(one.signalled).padStart(9)}  ${String(one.kernelFirst).padStart(12)}`;
    console.log(`${one.guard.padEnd(10)} ${String(one.rateMibS).padStart(5)}  ${counts}${times.join("")}`);
  }
}
