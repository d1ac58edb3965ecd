import type { Decision, LevelChange } from "../memory/decision.ts";
import type { ActionReport } from "../messages.ts";
import { formatBytes } from "../units.ts";
import type { IdentityOf } from "./line.ts";

/** The same as the audit line in one sentence, for the kernel log and the terminal. */

export function decisionSentence(
  decision: Decision,
  report: ActionReport | null,
  identityOf: IdentityOf,
): string {
  const head = `memory ${decision.level}: ${headroom(decision)}`;
  switch (decision.verdict) {
    case "nobody":
      return `${head}; nobody may be ended (id ${decision.id})`;
    case "spare":
      return `${head}; nobody is ended: ${sparing(decision)} (id ${decision.id})`;
    case "notify":
      return `${head}; ${report === null ? "noted" : steps(report)} (id ${decision.id})`;
    case "end":
      return `${head}; ${ending(decision, report, identityOf)} (id ${decision.id})`;
  }
}

export function levelSentence(change: LevelChange): string {
  const { availableBytes, totalBytes } = change.numbers;
  const of = `${bytes(availableBytes)} of ${bytes(totalBytes)} available`;
  return `memory ${change.level} ${change.change}: ${of}`;
}

function headroom(decision: Decision): string {
  const { availableBytes, lineBytes, timeToExhaustionMs } = decision.numbers;
  const line = lineBytes === null ? "" : `, line ${formatBytes(lineBytes)}`;
  const left = timeToExhaustionMs === null ? "" : `, exhausted in ${timeToExhaustionMs} ms`;
  return `${bytes(availableBytes)} available${line}${left}`;
}

function bytes(value: number | null): string {
  return value === null ? "unknown" : formatBytes(value);
}

function sparing(decision: Decision): string {
  const spared = decision.sparing;
  if (spared?.why !== "held-elsewhere") return "no candidate";
  const holder = { shared: "shared memory (tmpfs)", "huge-pages": "huge pages", kernel: "the kernel" }[
    spared.holder
  ];
  return `${formatBytes(spared.heldBytes)} are held by ${holder}, and no process would bring them back`;
}

function ending(decision: Decision, report: ActionReport | null, identityOf: IdentityOf): string {
  const victim = decision.victim;
  if (victim === null) return "nobody";
  const name = identityOf(victim.pid, victim.startTicks)?.name ?? "?";
  const who =
    victim.kind === "process"
      ? `pid ${victim.pid} (${name})`
      : `${victim.kind} ${victim.id} of ${victim.members.length} processes (${name})`;
  const why = `grew ${formatBytes(victim.grownBytes)}, would bring back ${formatBytes(victim.recoverableBytes)}, score ${victim.score.toFixed(1)}`;
  const next = decision.candidates[1];
  const before = next === undefined ? "" : `, next pid ${next.pid} with ${next.score.toFixed(1)}`;
  const act = decision.dryRun
    ? "would end"
    : report === null
      ? "ending"
      : (WORDS[report.outcome] ?? report.outcome);
  return `${act} ${who}: ${why}${before}${report === null ? "" : `; ${steps(report)}${result(report)}`}`;
}

const WORDS: Readonly<Record<string, string>> = {
  ended: "ended",
  recovered: "recovered, let be",
  stuck: "could not end",
  gone: "gone already:",
  refused: "not permitted to end",
};

function steps(report: ActionReport): string {
  return report.steps
    .filter((step) => step.what !== "log")
    .map((step) => `${step.what} ${step.result}`)
    .join(", ");
}

function result(report: ActionReport): string {
  const { availableBeforeBytes: before, availableAfterBytes: after } = report;
  return before === null || after === null
    ? ""
    : `, available ${formatBytes(before)} -> ${formatBytes(after)}`;
}
