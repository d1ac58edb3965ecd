import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseLines, type Line } from "../support/guard.ts";
import { projectRoot } from "../programs/build.ts";
import { runVm } from "./vm.ts";

/** What was left of an Erlang VM that grew until memory was used up. */
export interface AppRound {
  /** `guarded`: beside the guard. `alone`: by the kernel. `promised`: beside the guard in overcommit mode 2. */
  readonly how: "guarded" | "alone" | "promised";
  readonly crashDump: "whole" | "torn" | "none";
  readonly oomKills: number;
}

export interface AppRounds {
  readonly rounds: readonly AppRound[];
  /** What did not go as planned: there should be nothing. */
  readonly troubles: readonly string[];
  /** Of the round in overcommit mode 2. */
  readonly promisedAudit: readonly Line[];
  /** Where all is kept. */
  readonly share: string;
}

/** Plays so many rounds of each in a VM of its own, and one in overcommit mode 2; test/lab/guest/app.sh. */
export async function playApp(rounds: number): Promise<AppRounds> {
  const share = mkdtempSync(join(tmpdir(), "plimsoll-lab-app-"));
  const shape = { memory: "1G", swap: null, cgroup: "v2" } as const;
  const timeoutMs = (300 + rounds * 240) * 1000;
  const run = { shape, share, timeoutMs, kernelLog: join(share, "kernel.log") };
  const script = join(projectRoot, "test/lab/guest/app.sh");
  const { status, output } = await runVm(run, ["sh", script, projectRoot, share, String(rounds)]);
  if (status !== 0) throw new Error(`the VM ended with ${status}, ${share}: ${output}`);
  const lines = readFileSync(join(share, "seen"), "utf8").trim().split("\n");
  const [troubles, told] = [lines.filter(isTrouble), lines.filter((line) => !isTrouble(line))];
  const found = told.map((line): AppRound => {
    const [how = "", , crashDump = "", kills = ""] = line.split(" ");
    return {
      how: how as AppRound["how"],
      crashDump: crashDump as AppRound["crashDump"],
      oomKills: Number(kills),
    };
  });
  const promisedAudit = parseLines(readFileSync(join(share, "promised-1", "audit.jsonl"), "utf8"));
  return { rounds: found, troubles, promisedAudit, share };
}

const isTrouble = (line: string): boolean => line.startsWith("never:");
