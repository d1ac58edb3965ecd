import type { ActionStep } from "../messages.ts";
import type { ProcessRef, ResourceChange, ResourceOutcome, ResourceReport } from "../resources/report.ts";
import type { AuditLine, IdentityOf } from "./line.ts";
import { changesText, figuresText } from "./figures.ts";

/** Lines of the audit log about other resources than memory, and the same in a sentence each. docs/formats.md describes them. */

/** More victims than these are counted, not named. */
const NAMED_VICTIMS = 1000;
const SAID_VICTIMS = 3;

export function resourceLevelLine(change: ResourceChange, wallMs: number): AuditLine {
  return {
    event: "level",
    time: new Date(wallMs).toISOString(),
    resource: change.resource,
    subject: change.subject,
    level: change.level,
    change: change.change,
    numbers: change.numbers,
  };
}

/** An action with what came of it: of whatever resource, the same fields. */
export function actionLine(report: ResourceReport, identityOf: IdentityOf): AuditLine {
  const { id, wallMs, tookMs, resource, subject, verb, target, outcome, dryRun, why } = report;
  return {
    event: "action",
    id,
    // When it was begun: the steps count from there, and a ladder may have waited for minutes.
    time: new Date(wallMs - tookMs).toISOString(),
    resource,
    subject,
    verb,
    target,
    outcome,
    dryRun,
    why,
    before: report.before,
    after: report.after,
    victims: report.victims.slice(0, NAMED_VICTIMS).map((victim) => namedVictim(victim, identityOf)),
    victimCount: report.victims.length,
    candidates: report.candidates,
    steps: report.steps,
    tookMs,
  };
}

/** A victim with its name; null: it was gone before it was asked for. */
export interface NamedVictim extends ProcessRef {
  readonly name: string | null;
}

function namedVictim({ pid, startTicks }: ProcessRef, identityOf: IdentityOf): NamedVictim {
  return { pid, startTicks, name: identityOf(pid, startTicks)?.name ?? null };
}

export type LevelFacts = Omit<ResourceChange, "atUs">;

export function resourceLevelSentence({ resource, subject, level, change, numbers }: LevelFacts): string {
  const figures = figuresText(numbers);
  return `${head(resource, subject)} ${level} ${change}${figures === "" ? "" : `: ${figures}`}`;
}

/** What a sentence about an action needs: a report has it, and so has a line that was read again. */
export type ActionFacts = Pick<
  ResourceReport,
  "id" | "subject" | "verb" | "target" | "outcome" | "why" | "before" | "after" | "dryRun" | "candidates"
> & {
  readonly resource: string;
  readonly steps: readonly Pick<ActionStep, "what" | "result">[];
  readonly victims: readonly NamedVictim[];
  readonly victimCount: number;
};

export function actionSentence(report: ResourceReport, identityOf: IdentityOf): string {
  const victims = report.victims.slice(0, NAMED_VICTIMS).map((victim) => namedVictim(victim, identityOf));
  return actionFactsSentence({ ...report, victims, victimCount: report.victims.length });
}

/** As {@link actionSentence}, of what a line holds. */
export function actionFactsSentence(facts: ActionFacts): string {
  const parts = [
    victimsText(facts),
    nextText(facts),
    stepsText(facts),
    changesText(facts.before, facts.after),
  ];
  const details = parts.filter((part) => part !== "").join("; ");
  return `${head(facts.resource, facts.subject)}: ${facts.why}; ${actText(facts)}${details === "" ? "" : `; ${details}`} (id ${facts.id})`;
}

/** `host` goes without saying. */
function head(resource: string, subject: string): string {
  return subject === "host" ? resource : `${resource} ${subject}`;
}

const WORDS: Readonly<Record<ResourceOutcome, string>> = {
  ended: "ended",
  recovered: "recovered before it was over",
  stuck: "stuck",
  gone: "gone already",
  refused: "refused",
  "dry-run": "dry run",
  noted: "noted",
  unknown: "unknown",
  done: "done",
  partly: "done in part",
  failed: "failed",
  released: "released",
};

function actText({ verb, target, outcome, dryRun }: ActionFacts): string {
  const act = target === null ? verb : `${verb} ${target}`;
  return dryRun || outcome === "dry-run" ? `would ${act}` : `${act}: ${WORDS[outcome] ?? outcome}`;
}

function victimsText({ victims, victimCount, target }: ActionFacts): string {
  const said = victims.slice(0, SAID_VICTIMS).map(({ pid, name }) => `pid ${pid} (${name ?? "?"})`);
  // Mostly the target is the victim, in the same words.
  if (said.length === 0 || (victimCount === 1 && target?.includes(String(victims[0]?.pid)))) return "";
  const more = victimCount - said.length;
  return `${said.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

function nextText({ candidates }: ActionFacts): string {
  const [next] = candidates;
  return next === undefined ? "" : `next ${next}`;
}

function stepsText({ steps }: ActionFacts): string {
  return steps
    .filter(({ what }) => what !== "log")
    .map(({ what, result }) => `${what} ${result}`)
    .join(", ");
}
