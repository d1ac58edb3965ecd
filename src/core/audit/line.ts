import type { Decision, LevelChange } from "../memory/decision.ts";
import type { ActionReport, ProcessIdentity } from "../messages.ts";
import type { Candidate } from "../victim/candidate.ts";

/** Who a process is, as far as it is known. */
export type IdentityOf = (pid: number, startTicks: number) => ProcessIdentity | null;

/** Members of a group that are named on record; the rest is counted. */
const NAMED_MEMBERS = 5;

/** One line of the audit log: plain data, in the order in which a reader wants it. docs/formats.md describes it. */
export type AuditLine = Readonly<Record<string, unknown>>;

/** A decision with what came of it; without a report, nothing was to be done. */
export function decisionLine(
  decision: Decision,
  wallMs: number,
  report: ActionReport | null,
  identityOf: IdentityOf,
): AuditLine {
  return {
    event: "decision",
    id: decision.id,
    time: new Date(wallMs).toISOString(),
    resource: "memory",
    level: decision.level,
    verdict: decision.verdict,
    outcome: report?.outcome ?? decision.verdict,
    dryRun: decision.dryRun,
    ahead: decision.ahead,
    numbers: decision.numbers,
    shortfallBytes: decision.shortfallBytes,
    victims: decision.victim === null ? [] : victimsOf(decision.victim, identityOf),
    ...(decision.sparing === null ? {} : { sparing: decision.sparing }),
    candidates: decision.candidates.map((candidate) => candidateOf(candidate, identityOf)),
    excluded: decision.excluded,
    ...(report === null ? {} : outcomeOf(report)),
  };
}

export function levelLine(change: LevelChange, wallMs: number): AuditLine {
  return {
    event: "level",
    time: new Date(wallMs).toISOString(),
    resource: "memory",
    level: change.level,
    change: change.change,
    numbers: change.numbers,
  };
}

function outcomeOf(report: ActionReport): AuditLine {
  const before = report.availableBeforeBytes;
  const after = report.availableAfterBytes;
  return {
    broughtBackBytes: before === null || after === null ? null : after - before,
    availableAfterBytes: after,
    crossingToSignalUs: report.crossingToSignalUs,
    signalToEndUs: report.signalToEndUs,
    steps: report.steps,
  };
}

function victimsOf(victim: Candidate, identityOf: IdentityOf): AuditLine[] {
  return victim.members.slice(0, 1000).map(({ pid, startTicks }) => {
    return { pid, startTicks, name: identityOf(pid, startTicks)?.name ?? null };
  });
}

function candidateOf(candidate: Candidate, identityOf: IdentityOf): AuditLine {
  const identity = identityOf(candidate.pid, candidate.startTicks);
  const { kind, pid, startTicks, members, recoverableBytes, grownBytes, ageSeconds, score, parts } =
    candidate;
  return {
    kind,
    pid,
    startTicks,
    name: identity?.name ?? null,
    commandLine: identity?.commandLine ?? null,
    uid: identity?.uid ?? null,
    cgroup: identity?.cgroup ?? null,
    ...(kind === "process"
      ? {}
      : { id: candidate.id, memberCount: members.length, members: members.slice(0, NAMED_MEMBERS) }),
    recoverableBytes,
    grownBytes,
    ageSeconds,
    score,
    parts,
  };
}
