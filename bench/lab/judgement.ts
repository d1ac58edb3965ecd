import type { GuardName } from "../../test/lab/guards.ts";
import { judge } from "../../test/lab/judge.ts";
import { type PlayOrder, playAll } from "../../test/lab/runner.ts";
import type { Facts, Play, Scenario } from "../../test/lab/scenario.ts";
import { scenarios } from "../../test/lab/scenarios/index.ts";

/** How one guard did in one scenario. */
export interface Judgement {
  readonly scenario: string;
  readonly story: string;
  readonly guard: GuardName;
  readonly right: boolean;
  readonly faults: readonly string[];
  readonly ended: readonly string[];
  readonly oomKills: number;
  /** The least that was available, of the total, KiB. */
  readonly availableLowKib: number;
  readonly totalKib: number;
  /** The worst time between two ticks of an ordinary program's 20 ms clock. */
  readonly worstGapMs: number;
  /** From the beginning of the program that is to be ended to its end; null: it did not end. */
  readonly endedAfterMs: number | null;
}

/** Plays the scenarios under the guards, prints a line a play as it comes and the table at the end. */
export async function measureJudgement(
  wants: (name: string) => boolean,
  guards: readonly GuardName[],
  folder: string,
): Promise<Judgement[]> {
  const chosen = scenarios.filter((scenario) => wants(scenario.name));
  const orders: PlayOrder[] = guards.flatMap((guard) => chosen.map((scenario) => ({ scenario, guard })));
  const judgements: Judgement[] = [];
  await playAll(orders, folder, (order, play) => {
    const judgement = judgementOf(order.scenario, order.guard, play);
    judgements.push(judgement);
    console.log(lineOf(judgement));
  });
  printTable(judgements, chosen, guards);
  return judgements;
}

function judgementOf(scenario: Scenario, guard: GuardName, play: Play): Judgement {
  const verdict = judge(scenario, play);
  const facts = play.facts;
  return {
    scenario: scenario.name,
    story: scenario.story,
    guard,
    ...verdict,
    oomKills: facts?.oomKills ?? 0,
    availableLowKib: facts?.availableLowKib ?? 0,
    totalKib: facts?.totalKib ?? 0,
    worstGapMs: facts?.clockWorstGapMs ?? 0,
    endedAfterMs: facts === null ? null : endedAfter(facts, scenario.victim?.name),
  };
}

function endedAfter(facts: Facts, name: string | undefined): number | null {
  const program = facts.programs.find((played) => played.name === name);
  return program === undefined || program.endedMs === 0
    ? null
    : Math.round(program.endedMs - program.startedMs);
}

function lineOf(judgement: Judgement): string {
  const { scenario, guard, right, faults, ended, availableLowKib, worstGapMs } = judgement;
  const done = ended.length > 0 ? ended.join(", ") : "nobody";
  const low = `low ${Math.round(availableLowKib / 1024)} MiB, gap ${Math.round(worstGapMs)} ms`;
  const head = `${right ? "right" : "WRONG"}  ${guard.padEnd(9)} ${scenario.padEnd(24)} ended ${done}; ${low}`;
  return right ? head : `${head}\n       ${faults.join("; ")}`;
}

function printTable(
  judgements: readonly Judgement[],
  chosen: readonly Scenario[],
  guards: readonly GuardName[],
): void {
  if (judgements.length === 0) return;
  console.log(`\n${"scenario".padEnd(26)}${guards.map((guard) => guard.padEnd(10)).join("")}`);
  for (const scenario of chosen) {
    const cells = guards.map((guard) => {
      const found = judgements.find((one) => one.scenario === scenario.name && one.guard === guard);
      return (found === undefined ? "-" : found.right ? "right" : "wrong").padEnd(10);
    });
    console.log(`${scenario.name.padEnd(26)}${cells.join("")}`);
  }
  const sums = guards.map((guard) => judgements.filter((one) => one.guard === guard && one.right).length);
  console.log(
    `${"right in all".padEnd(26)}${sums.map((sum) => `${sum}/${chosen.length}`.padEnd(10)).join("")}`,
  );
}
