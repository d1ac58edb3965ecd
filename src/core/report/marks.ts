import type { AuditLine } from "../audit/line.ts";
import { lineSentence } from "../audit/reread.ts";
import type { MarkKind, ReportMark } from "./model.ts";

/** Something on record, and what of a report it belongs to. */
export interface DatedMark extends Omit<ReportMark, "id"> {
  /** `memory`, `app`, `cpu`, …; `cgroup`: limits moved; `guard`: what happens to the guard itself. */
  readonly resource: string;
}

interface Step {
  readonly what: string;
  readonly afterMs: number;
  readonly result: string;
}

/** What is done by steps has a mark each; but no ladder has more. */
const STEPS_MAX = 50;

/** The marks of one line of an audit log (docs/formats.md). @param timeMs the line's */
export function marksOf(line: AuditLine, timeMs: number): DatedMark[] {
  const reason = lineSentence(line);
  const mark = (kind: MarkKind, text: string, subject: string, resource: string): DatedMark => {
    return { timeMs, kind, text, reason, subject, resource };
  };
  const resource = text(line["resource"], "memory");
  switch (line["event"]) {
    case "level": {
      const subject = text(line["subject"], "host");
      const level = `${text(line["level"], "a level")} ${text(line["change"], "changed")}`;
      return [mark("level", level, subject, resource)];
    }
    case "action":
      return withSteps(
        line,
        mark(
          line["verb"] === "callback" ? "callback" : "other",
          actionText(line),
          text(line["subject"], "host"),
          resource,
        ),
      );
    case "decision":
      return withSteps(line, decisionMark(line, mark));
    case "rescue": {
      const path = text(line["oom_cgroup"], "?");
      return [mark("rescue", `rescue: ${text(line["outcome"], "?")}`, path, "cgroup")];
    }
    case "rescue-return": {
      const returned = `return of what was lent: ${text(line["outcome"], "?")}`;
      return [mark("rescue", returned, text(line["path"], "?"), "cgroup")];
    }
    case "oom-kill": {
      const killed = `the kernel ended ${text(line["name"], "a process")}`;
      return [mark("kill", killed, text(line["cgroup"], "host"), "cgroup")];
    }
    case "recommendation":
      return [mark("note", "another limit is recommended", text(line["path"], "?"), "cgroup")];
    default:
      return [mark("note", String(line["event"]).replaceAll("-", " "), "host", "guard")];
  }
}

type MakeMark = (kind: MarkKind, text: string, subject: string, resource: string) => DatedMark;

function decisionMark(line: AuditLine, mark: MakeMark): DatedMark {
  const verdict = text(line["verdict"], "?");
  const level = text(line["level"], "memory");
  if (verdict !== "end") return mark("other", `${level}: ${verdict}`, "host", "memory");
  const [victim] = list(line["victims"]);
  const name = victim === undefined ? "a process" : text(victim["name"], `pid ${String(victim["pid"])}`);
  const would = line["dryRun"] === true ? "would end" : "ends";
  return mark("kill", `${level}: the guard ${would} ${name}`, "host", "memory");
}

function actionText(line: AuditLine): string {
  const target = line["target"];
  const what = `${text(line["verb"], "action")}${typeof target === "string" ? ` ${target}` : ""}`;
  return line["dryRun"] === true ? `would ${what}` : `${what}: ${text(line["outcome"], "?")}`;
}

/** An action's own mark, where it has no steps that are worth one; else theirs, at their own times. */
function withSteps(line: AuditLine, whole: DatedMark): DatedMark[] {
  const steps = list(line["steps"])
    .flatMap(stepOf)
    .filter(({ what }) => what !== "log");
  const marks = steps.slice(0, STEPS_MAX).flatMap((step): DatedMark[] => {
    const kind = kindOf(step.what);
    if (kind === null) return [];
    const said = step.result === "" ? step.what : `${step.what}: ${step.result}`;
    const reason = stepReason(line) ?? whole.reason;
    return [{ ...whole, reason, timeMs: whole.timeMs + Math.max(0, step.afterMs), kind, text: said }];
  });
  // Who was ended, or what was done, is more than the signal that did it.
  return whole.kind === "kill" || marks.length === 0 ? [whole, ...marks] : marks;
}

/** Why all of it was done; null: the line does not say it in words. */
function stepReason({ why, id }: AuditLine): string | null {
  if (typeof why !== "string") return null;
  return typeof id === "string" ? `${why} (id ${id})` : why;
}

/** What a step is called begins with it, in a dry run after "would". */
const KINDS: readonly (readonly [RegExp, MarkKind])[] = [
  [/^(?:would )?dump\b/, "dump"],
  [/^(?:would )?wait\b/, "wait"],
  [/^(?:would )?sig[a-z0-9]+\b/i, "signal"],
  [/^(?:would )?(?:run|command)\b/, "command"],
];

/** Null: nothing that is worth a mark of its own. */
function kindOf(what: string): MarkKind | null {
  return KINDS.find(([pattern]) => pattern.test(what))?.[1] ?? null;
}

function stepOf(step: Readonly<Record<string, unknown>>): Step[] {
  const { what, afterMs, result } = step;
  if (typeof what !== "string" || typeof afterMs !== "number") return [];
  return [{ what, afterMs, result: text(result, "") }];
}

function text(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}

function list(value: unknown): Readonly<Record<string, unknown>>[] {
  if (!Array.isArray(value)) return [];
  return value.filter((each): each is Record<string, unknown> => typeof each === "object" && each !== null);
}

/** More would hide the lines. */
const MARKS_MAX = 500;
/** Of less weight are left out first, of the same weight the later ones. */
const WEIGHTS: Readonly<Record<MarkKind, number>> = {
  kill: 0,
  signal: 1,
  dump: 1,
  callback: 1,
  level: 2,
  rescue: 2,
  clock: 2,
  wait: 3,
  command: 3,
  other: 4,
  note: 5,
};

/** In order of time, and numbered; of too many the weightier ones. */
export function chosenMarks(marks: readonly DatedMark[]): {
  readonly marks: readonly (DatedMark & ReportMark)[];
  readonly leftOut: number;
} {
  const weighty = marks.toSorted((a, b) => WEIGHTS[a.kind] - WEIGHTS[b.kind] || a.timeMs - b.timeMs);
  const chosen = weighty.slice(0, MARKS_MAX).sort((a, b) => a.timeMs - b.timeMs);
  const named = chosen.map((mark, i) => ({ ...mark, id: `m${i + 1}` }));
  return { marks: named, leftOut: marks.length - chosen.length };
}
