import type { Decision, LevelChange, Numbers } from "../memory/decision.ts";
import type { ActionReport, ProcessIdentity } from "../messages.ts";
import { switchedOffSentence } from "../policy/switches.ts";
import type { Recommendation } from "../rescue/report.ts";
import type { Candidate } from "../victim/candidate.ts";
import type { Figures, Resource } from "../resources/resource.ts";
import type { ResourceOutcome } from "../resources/report.ts";
import type { AuditLine, IdentityOf } from "./line.ts";
import {
  recommendationSentence,
  type RescueFacts,
  rescueFactsSentence,
  type ReturnFacts,
  returnSentence,
} from "./rescue.ts";
import { type ActionFacts, actionFactsSentence, resourceLevelSentence } from "./resource.ts";
import { decisionSentence, levelSentence } from "./sentence.ts";

/** A line that is not as docs/formats.md says: of a newer guard, or changed by hand. */
class Misshapen extends Error {}

/** Reads fields of a value that may be anything. */
class Fields {
  readonly #value: Readonly<Record<string, unknown>>;

  constructor(value: unknown) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Misshapen("an object");
    this.#value = value as Readonly<Record<string, unknown>>;
  }

  text(name: string): string {
    const value = this.#value[name];
    if (typeof value !== "string") throw new Misshapen(name);
    return value;
  }

  textOrNull(name: string): string | null {
    return this.#value[name] === null ? null : this.text(name);
  }

  number(name: string): number {
    const value = this.#value[name];
    if (typeof value !== "number") throw new Misshapen(name);
    return value;
  }

  numberOrNull(name: string): number | null {
    return this.#value[name] === null ? null : this.number(name);
  }

  /** NaN for null. */
  numberOrNaN(name: string): number {
    return this.numberOrNull(name) ?? Number.NaN;
  }

  flag(name: string): boolean {
    return this.#value[name] === true;
  }

  has(name: string): boolean {
    return this.#value[name] !== undefined;
  }

  part(name: string): Fields {
    return new Fields(this.#value[name]);
  }

  texts(name: string): string[] {
    const value = this.#value[name];
    if (!Array.isArray(value) || value.some((each) => typeof each !== "string")) throw new Misshapen(name);
    return value as string[];
  }

  /** Numbers by any name. */
  figures(name: string): Figures {
    const value = this.#value[name];
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Misshapen(name);
    for (const figure of Object.values(value))
      if (figure !== null && typeof figure !== "number") throw new Misshapen(name);
    return value as Figures;
  }

  list(name: string): Fields[] {
    const value = this.#value[name];
    if (!Array.isArray(value)) throw new Misshapen(name);
    return value.map((each) => new Fields(each));
  }

  oneOf<T extends string>(name: string, ...words: readonly T[]): T {
    const found = words.find((word) => word === this.#value[name]);
    if (found === undefined) throw new Misshapen(name);
    return found;
  }
}

/** A line of the audit log in one sentence, as it was said when it was written. Of any object at all there is one. */
export function lineSentence(line: AuditLine): string {
  try {
    return sentenceOf(new Fields(line)) ?? plain(line);
  } catch (error) {
    if (error instanceof Misshapen) return plain(line);
    throw error;
  }
}

/** What is not known by its event is shown as it is. */
function plain(line: AuditLine): string {
  const { event, time: _, ...rest } = line;
  return `${String(event)}: ${JSON.stringify(rest)}`;
}

function sentenceOf(line: Fields): string | null {
  switch (line.text("event")) {
    case "decision":
      return rereadDecision(line);
    case "level":
      return rereadLevel(line);
    case "action":
      return actionFactsSentence(rereadAction(line));
    case "rescue":
      return rescueFactsSentence(rereadRescue(line));
    case "rescue-return":
      return returnSentence(rereadReturn(line));
    case "recommendation":
      return recommendationSentence(rereadRecommendation(line));
    default:
      return guardEventSentence(line);
  }
}

/** What happened to the guard itself. @returns null for an event that this version does not know */
function guardEventSentence(line: Fields): string | null {
  switch (line.text("event")) {
    case "started": {
      const dryRun = line.flag("dryRun") ? ", dry run" : "";
      const who = `plimsoll ${line.text("version")}, pid ${line.number("pid")}`;
      return `guarding ${line.text("scope")}, policy ${line.text("policy")}${dryRun} (${who})`;
    }
    case "stopped":
      return `stopped: ${line.text("reason")}`;
    case "policy-reloaded":
      return `policy ${line.text("policy")} was read again`;
    case "policy-refused":
      return "the new policy is wrong, the old one goes on";
    case "gap": {
      const after = `${line.number("restartedAfterMs")} ms`;
      return `the ${line.text("worker")} thread failed (${line.text("why")}) and was started again after ${after}`;
    }
    case "switched-off":
      return switchedOffSentence(line.texts("words"), line.texts("switchedOff"), line.texts("unknown"));
    case "limited":
      return `${line.text("what")} (${line.text("why")})`;
    case "line-lost":
      return `${line.number("lines")} lines of this log were lost: ${line.text("why")}`;
    default:
      return null;
  }
}

function rereadLevel(line: Fields): string {
  const change = line.oneOf("change", "began", "ended");
  if (line.has("subject")) {
    return resourceLevelSentence({
      resource: line.text("resource") as Resource,
      subject: line.text("subject"),
      level: line.oneOf("level", "warning", "critical"),
      change,
      numbers: line.figures("numbers"),
    });
  }
  const level = line.text("level") as LevelChange["level"];
  return levelSentence({ level, change, atUs: 0, numbers: rereadNumbers(line.part("numbers")) });
}

function rereadAction(line: Fields): ActionFacts {
  return {
    id: line.text("id"),
    resource: line.text("resource"),
    subject: line.text("subject"),
    verb: line.text("verb"),
    target: line.textOrNull("target"),
    // One that this version does not know is said as it stands.
    outcome: line.text("outcome") as ResourceOutcome,
    dryRun: line.flag("dryRun"),
    why: line.text("why"),
    before: line.figures("before"),
    after: line.figures("after"),
    victims: line.list("victims").map((victim) => {
      const [pid, startTicks] = [victim.number("pid"), victim.number("startTicks")];
      return { pid, startTicks, name: victim.textOrNull("name") };
    }),
    victimCount: line.number("victimCount"),
    candidates: line.texts("candidates"),
    steps: line.list("steps").map((step) => ({ what: step.text("what"), result: step.text("result") })),
  };
}

function rereadNumbers(numbers: Fields): Numbers {
  return {
    availableBytes: numbers.numberOrNull("availableBytes"),
    totalBytes: numbers.numberOrNull("totalBytes"),
    lineBytes: numbers.numberOrNull("lineBytes"),
    timeToExhaustionMs: numbers.numberOrNull("timeToExhaustionMs"),
  } as Numbers;
}

/** Only what the sentence looks at. */
function rereadDecision(line: Fields): string {
  const verdict = line.oneOf("verdict", "end", "notify", "spare", "nobody");
  const names = new Map<string, string>();
  const candidates = line.list("candidates").map((each) => rereadCandidate(each, names));
  const [first] = line.list("victims");
  const decision = {
    id: line.text("id"),
    level: line.text("level"),
    verdict,
    numbers: rereadNumbers(line.part("numbers")),
    victim: first === undefined ? null : (candidates[0] ?? null),
    candidates,
    sparing: line.has("sparing") ? rereadSparing(line.part("sparing")) : null,
    dryRun: line.flag("dryRun"),
  } as unknown as Decision;
  const identityOf: IdentityOf = (pid, startTicks) => {
    const name = names.get(`${pid}:${startTicks}`);
    return name === undefined ? null : ({ pid, startTicks, name } as ProcessIdentity);
  };
  return decisionSentence(decision, line.has("steps") ? rereadReport(line) : null, identityOf);
}

function rereadCandidate(candidate: Fields, names: Map<string, string>): Candidate {
  const kind = candidate.oneOf("kind", "process", "process-group", "tree", "cgroup");
  const pid = candidate.number("pid");
  const startTicks = candidate.number("startTicks");
  const name = candidate.textOrNull("name");
  if (name !== null) names.set(`${pid}:${startTicks}`, name);
  const count = kind === "process" ? 1 : candidate.number("memberCount");
  return {
    kind,
    pid,
    startTicks,
    id: kind === "process" ? pid : candidate.number("id"),
    members: { length: count } as Candidate["members"],
    recoverableBytes: candidate.number("recoverableBytes"),
    grownBytes: candidate.number("grownBytes"),
    score: candidate.number("score"),
  } as Candidate;
}

function rereadSparing(sparing: Fields): Decision["sparing"] {
  if (sparing.oneOf("why", "no-candidate", "held-elsewhere") === "no-candidate")
    return { why: "no-candidate" };
  return {
    why: "held-elsewhere",
    holder: sparing.oneOf("holder", "shared", "huge-pages", "kernel"),
    heldBytes: sparing.number("heldBytes"),
  };
}

function rereadReport(line: Fields): ActionReport {
  const after = line.numberOrNull("availableAfterBytes");
  const brought = line.numberOrNull("broughtBackBytes");
  return {
    id: line.text("id"),
    outcome: line.text("outcome"),
    steps: line.list("steps").map((step) => ({ what: step.text("what"), result: step.text("result") })),
    availableBeforeBytes: after === null || brought === null ? null : after - brought,
    availableAfterBytes: after,
  } as unknown as ActionReport;
}

function rereadRescue(line: Fields): RescueFacts {
  return {
    id: line.text("id"),
    path: line.text("oom_cgroup"),
    trigger: line.oneOf("trigger", "oom", "near-limit"),
    outcome: line.oneOf("outcome", "raised", "no-plan", "cap", "refused", "dry-run"),
    refusal: line.textOrNull("refusal"),
    step: line.number("step") as RescueFacts["step"],
    addedBytes: line.number("added_memory"),
    paused: line.flag("paused"),
    usageBytes: line.numberOrNaN("usageBytes"),
    limitBeforeBytes: line.numberOrNaN("limitBeforeBytes"),
    limitAfterBytes: line.numberOrNaN("limitAfterBytes"),
    growthBytesPerSecond: line.numberOrNaN("growthBytesPerSecond"),
    wokenToRaisedUs: line.numberOrNaN("wokenToRaisedUs"),
    donors: line.list("adjusted_cgroups").map((donor) => {
      return { path: donor.text("name"), reducedBytes: donor.number("reduced_memory") };
    }),
  };
}

function rereadReturn(line: Fields): ReturnFacts {
  return {
    path: line.text("path"),
    why: line.oneOf("why", "unneeded", "donor-needs", "receiver-gone", "limit-changed", "policy"),
    outcome: line.oneOf("outcome", "returned", "waits", "refused"),
    refusal: line.textOrNull("refusal"),
    returnedBytes: line.number("returnedBytes"),
    donors: line.list("donors").map((donor) => {
      return { path: donor.text("path"), returnedBytes: donor.number("returnedBytes") };
    }),
  };
}

function rereadRecommendation(line: Fields): Recommendation {
  return {
    path: line.text("path"),
    limitBytes: line.numberOrNull("limitBytes"),
    recommendedBytes: line.number("recommendedBytes"),
    why: line.text("why"),
  };
}
