import type { Recommendation, RescueReport, ReturnReport } from "../rescue/report.ts";
import { formatBytes } from "../units.ts";
import type { AuditLine } from "./line.ts";

/** Lines of the audit log about limits that were moved, and the same in a sentence each. docs/formats.md describes them. */

/** The object that the calibration tool's log is to hold, under the names that were given for it. Bytes. */
interface Adjustment {
  readonly oom_cgroup: string;
  readonly added_memory: number;
  readonly adjusted_cgroups: readonly { readonly name: string; readonly reduced_memory: number }[];
}

/** An amount that JSON can hold: null is not known, or no limit. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** A rescue: what was given by whom, then what it stands on, when, and what came of it. */
export function rescueLine(report: RescueReport): AuditLine {
  const adjustment: Adjustment = {
    oom_cgroup: report.path,
    added_memory: report.addedBytes,
    adjusted_cgroups: report.donors.map(({ path, reducedBytes }) => {
      return { name: path, reduced_memory: reducedBytes };
    }),
  };
  return {
    event: "rescue",
    id: report.id,
    time: new Date(report.wallMs).toISOString(),
    outcome: report.outcome,
    ...adjustment,
    trigger: report.trigger,
    step: report.step,
    paused: report.paused,
    inode: report.inode,
    usageBytes: finite(report.usageBytes),
    growthBytesPerSecond: finite(report.growthBytesPerSecond),
    limitBeforeBytes: finite(report.limitBeforeBytes),
    limitAfterBytes: finite(report.limitAfterBytes),
    donors: report.donors.map(({ path, limitBeforeBytes, limitAfterBytes }) => {
      return {
        path,
        limitBeforeBytes: finite(limitBeforeBytes),
        limitAfterBytes: finite(limitAfterBytes),
      };
    }),
    wokenToRaisedUs: report.outcome === "raised" ? finite(report.raisedUs - report.wokenUs) : null,
    refusal: report.refusal,
  };
}

/** Something lent that went back, or did not. */
export function returnLine(report: ReturnReport): AuditLine {
  return {
    event: "rescue-return",
    time: new Date(report.wallMs).toISOString(),
    outcome: report.outcome,
    path: report.path,
    why: report.why,
    returnedBytes: report.returnedBytes,
    limitAfterBytes: finite(report.limitAfterBytes),
    donors: report.donors.map(({ path, returnedBytes, limitAfterBytes }) => {
      return { path, returnedBytes, limitAfterBytes: finite(limitAfterBytes) };
    }),
    refusal: report.refusal,
  };
}

export function recommendationLine(recommendation: Recommendation, wallMs: number): AuditLine {
  const { path, limitBytes, recommendedBytes, why } = recommendation;
  return {
    event: "recommendation",
    time: new Date(wallMs).toISOString(),
    path,
    limitBytes: limitBytes === null ? null : finite(limitBytes),
    recommendedBytes,
    why,
  };
}

/** What a sentence about a rescue needs: a report has it, and so has a line that was read again. */
export type RescueFacts = Pick<
  RescueReport,
  "id" | "path" | "trigger" | "outcome" | "refusal" | "step" | "addedBytes" | "paused" | "usageBytes"
> &
  Pick<RescueReport, "limitBeforeBytes" | "limitAfterBytes" | "growthBytesPerSecond"> & {
    readonly donors: readonly { readonly path: string; readonly reducedBytes: number }[];
    readonly wokenToRaisedUs: number;
  };

export function rescueSentence(report: RescueReport): string {
  return rescueFactsSentence({ ...report, wokenToRaisedUs: report.raisedUs - report.wokenUs });
}

/** As {@link rescueSentence}, of what a line holds. Numbers that are not known are NaN. */
export function rescueFactsSentence(facts: RescueFacts): string {
  return `rescue of ${facts.path}: ${cause(facts)}; ${result(facts)} (id ${facts.id})`;
}

function cause({ trigger, usageBytes, limitBeforeBytes, growthBytesPerSecond }: RescueFacts): string {
  const where = trigger === "oom" ? "met" : "came near";
  const used = Number.isFinite(usageBytes) ? `, ${formatBytes(usageBytes)} in use` : "";
  const growth = growthBytesPerSecond > 0 ? `, growing ${formatBytes(growthBytesPerSecond)}/s` : "";
  return `${where} its limit of ${limit(limitBeforeBytes)}${used}${growth}`;
}

function result(facts: RescueFacts): string {
  // A pause ends with every outcome: by memory, or because there is none.
  const dies = facts.paused ? ", its pause was ended" : "";
  switch (facts.outcome) {
    case "raised": {
      const took = Number.isFinite(facts.wokenToRaisedUs)
        ? `, after ${Math.round(facts.wokenToRaisedUs)} µs`
        : "";
      return `given ${gift(facts)}${facts.paused ? " while it waited" : ""}, ${limitNow(facts)}${took}`;
    }
    case "dry-run":
      return `would be given ${gift(facts)}, ${limitNow(facts)}`;
    case "no-plan":
      return `nobody has memory to give${dies}`;
    case "cap":
      return `it has had all that the policy lends${dies}`;
    case "refused":
      return `not permitted to give ${formatBytes(facts.addedBytes)}: ${facts.refusal ?? "refused"}${dies}`;
  }
}

function gift({ addedBytes, donors }: RescueFacts): string {
  const from = donors.map(({ path, reducedBytes }) => `${formatBytes(reducedBytes)} of ${path}`);
  return `${formatBytes(addedBytes)} (${from.length === 0 ? "free memory" : from.join(", ")})`;
}

function limitNow({ limitAfterBytes }: RescueFacts): string {
  return `limit now ${limit(limitAfterBytes)}`;
}

function limit(bytes: number): string {
  return Number.isFinite(bytes) ? formatBytes(bytes) : "unknown size";
}

const RETURN_REASONS: Readonly<Record<ReturnReport["why"], string>> = {
  unneeded: "not needed any more",
  "donor-needs": "a donor needs it",
  "receiver-gone": "its cgroup is gone",
  "limit-changed": "somebody else has written its limit",
  policy: "the policy no longer names it",
};

export type ReturnFacts = Pick<ReturnReport, "path" | "why" | "outcome" | "refusal" | "returnedBytes"> & {
  readonly donors: readonly { readonly path: string; readonly returnedBytes: number }[];
};

export function returnSentence(report: ReturnFacts): string {
  const why = RETURN_REASONS[report.why];
  if (report.outcome === "refused") {
    return `return from ${report.path} (${why}): refused, ${report.refusal ?? "no reason given"}`;
  }
  if (report.outcome === "waits") return `return from ${report.path} (${why}): it uses too much just now`;
  const to = report.donors.map(({ path, returnedBytes }) => `${formatBytes(returnedBytes)} to ${path}`);
  const whom = to.length === 0 ? "" : `, ${to.join(", ")}`;
  return `return from ${report.path} (${why}): ${formatBytes(report.returnedBytes)}${whom}`;
}

export function recommendationSentence(recommendation: Recommendation): string {
  const { path, limitBytes, recommendedBytes, why } = recommendation;
  const now = limitBytes === null || !Number.isFinite(limitBytes) ? "none" : formatBytes(limitBytes);
  return `recommendation for ${path}: a limit of ${formatBytes(recommendedBytes)} instead of ${now}: ${why}`;
}
