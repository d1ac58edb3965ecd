import {
  APP_LEVELS,
  APP_MEASURES,
  type AppLevel,
  type AppMeasure,
  type MeasurePolicy,
} from "../policy/applications.ts";
import { Mem } from "../samples.ts";

/** Figures of the host that levels are judged by. NaN: not known. */
export interface HostFigures {
  /** CLOCK_MONOTONIC. */
  readonly timeUs: number;
  /** MemTotal, huge pages among it, as the NSO memory toolset counts. */
  readonly totalBytes: number;
  readonly availableBytes: number;
  readonly freeBytes: number;
  readonly committedBytes: number;
  readonly commitLimitBytes: number;
}

/** What is in use of what there is; share is NaN where it is not known, as of a limit of nothing. */
export interface Use {
  readonly usedBytes: number;
  readonly ofBytes: number;
  readonly share: number;
}

/** A sample of the host's memory ({@link ../samples.Mem}) in such figures. */
export function figuresOf(frame: Float64Array): HostFigures {
  const poolBytes = frame[Mem.hugePagesBytes] as number;
  return {
    timeUs: frame[Mem.timeUs] as number,
    totalBytes: (frame[Mem.totalBytes] as number) + (poolBytes > 0 ? poolBytes : 0),
    availableBytes: frame[Mem.availableBytes] as number,
    freeBytes: frame[Mem.freeBytes] as number,
    committedBytes: frame[Mem.committedBytes] as number,
    commitLimitBytes: frame[Mem.commitLimitBytes] as number,
  };
}

export function useOf(measure: AppMeasure, policy: Pick<MeasurePolicy, "basis">, figures: HostFigures): Use {
  if (measure === "allocated") return use(figures.committedBytes, figures.commitLimitBytes);
  const leftBytes = policy.basis === "free" ? figures.freeBytes : figures.availableBytes;
  return use(figures.totalBytes - leftBytes, figures.totalBytes);
}

function use(usedBytes: number, ofBytes: number): Use {
  return { usedBytes, ofBytes, share: ofBytes > 0 ? usedBytes / ofBytes : Number.NaN };
}

/** Which of the two is worse. */
export function rankOf(level: AppLevel): number {
  return APP_LEVELS.indexOf(level);
}

/** The share from which on a level stands; of info there is none. */
export function lineOf(level: AppLevel, policy: MeasurePolicy): number | null {
  if (level === "info") return null;
  return level === "warning" ? policy.warningShare : policy.criticalShare;
}

/**
 * The level at a share of use: from its line on it stands (exactly at it too), and until so much less is in use as the
 * hysteresis says.
 * @param before the level that stood; info where none was known
 */
export function levelAt(share: number, before: AppLevel, policy: MeasurePolicy): AppLevel {
  if (Number.isNaN(share)) return before;
  const stands = (level: "warning" | "critical"): boolean => {
    const line = level === "warning" ? policy.warningShare : policy.criticalShare;
    return share >= line || (rankOf(before) >= rankOf(level) && share > line - policy.hysteresisShare);
  };
  if (stands("critical")) return "critical";
  return stands("warning") ? "warning" : "info";
}

/** What the record calls an application's measure: the `subject` of its levels and actions. */
export function subjectOf(application: string, measure: AppMeasure): string {
  return `${application} ${measure}`;
}

/** The same taken apart; null where it is no such subject. Names of applications have no blanks. */
export function partsOfSubject(
  subject: string,
): { readonly application: string; readonly measure: AppMeasure } | null {
  const at = subject.lastIndexOf(" ");
  const measure = APP_MEASURES.find((each) => each === subject.slice(at + 1));
  return at <= 0 || measure === undefined ? null : { application: subject.slice(0, at), measure };
}
