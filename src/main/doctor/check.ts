import { ExitCode } from "../../core/fault.ts";
import type { HostRoots } from "../../workers/common/roots.ts";

/** `ok`: as good as it gets. `limited`: guarding goes on without it, worse. `missing`: not there. */
export type CheckState = "ok" | "limited" | "missing";

/** One thing that was looked at; docs/formats.md describes it. */
export interface Check {
  readonly name: string;
  readonly state: CheckState;
  readonly found: string;
  /** What that means for guarding. */
  readonly means: string;
  /** What to do about it; null when there is nothing to do. */
  readonly advice: string | null;
  /** Without it nothing can be guarded at all. */
  readonly essential: boolean;
  /** It is the want of privilege that stands in the way, not the kernel. */
  readonly needsRoot: boolean;
}

/** What is looked at. */
export interface Subject {
  readonly roots: HostRoots;
  /** `host`, or a memory cgroup's path. */
  readonly scope: string;
  readonly uid: number;
  /** Where libvirt is asked for machines, `qemu:///system` when not given. */
  readonly vmUri?: string;
}

export function good(name: string, found: string, means: string): Check {
  return { name, state: "ok", found, means, advice: null, essential: false, needsRoot: false };
}

export function limited(name: string, found: string, means: string, advice: string): Check {
  return { name, state: "limited", found, means, advice, essential: false, needsRoot: false };
}

export function missing(name: string, found: string, means: string, advice: string): Check {
  return { name, state: "missing", found, means, advice, essential: false, needsRoot: false };
}

/** 0 when guarding is possible; else 5 when root could, 4 when nobody could. */
export function exitCodeOf(checks: readonly Check[], uid: number): ExitCode {
  const lacking = checks.filter(({ essential, state }) => essential && state === "missing");
  if (lacking.length === 0) return ExitCode.done;
  return uid !== 0 && lacking.every(({ needsRoot }) => needsRoot)
    ? ExitCode.notPermitted
    : ExitCode.unsupportedHost;
}

/** The word of errno(3) for a refusal, or its text. */
export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
}

export function isRefusal(code: string): boolean {
  return code === "EPERM" || code === "EACCES";
}
