import { cpSync } from "node:fs";
import { join } from "node:path";
import { type AppRound, playApp } from "../../test/lab/app.ts";

/** Of each kind of round: what was left of the Erlang VM. */
export interface AppFigures {
  readonly rounds: number;
  readonly guardedWhole: number;
  readonly guardedOomKills: number;
  readonly aloneNone: number;
  readonly aloneOomKills: number;
  readonly troubles: readonly string[];
}

const ROUNDS = 20;

/** An Erlang VM grows until a host's memory is used up: beside the guard, and alone; what is left of it. */
export async function measureApp(folder: string): Promise<AppFigures> {
  const { rounds, troubles, share } = await playApp(ROUNDS);
  cpSync(share, join(folder, "app"), { recursive: true });
  const of = (how: AppRound["how"]): AppRound[] => rounds.filter((round) => round.how === how);
  const kills = (some: readonly AppRound[]): number => some.reduce((sum, { oomKills }) => sum + oomKills, 0);
  const figures = {
    rounds: ROUNDS,
    guardedWhole: of("guarded").filter(({ crashDump }) => crashDump === "whole").length,
    guardedOomKills: kills(of("guarded")),
    aloneNone: of("alone").filter(({ crashDump }) => crashDump === "none").length,
    aloneOomKills: kills(of("alone")),
    troubles,
  };
  console.log(
    `\nan Erlang VM that grows until memory is used up: crash dump whole in ${figures.guardedWhole} of ${ROUNDS} beside the guard (OOM kills ${figures.guardedOomKills}); none in ${figures.aloneNone} of ${ROUNDS} where the kernel is alone`,
  );
  return figures;
}
