import type { Rung } from "./policy.ts";

/** Applications that are warned, dumped and ended gracefully before the host's memory is gone. Shares are 0 to 1. */

export const APP_LEVELS = ["info", "warning", "critical"] as const;
export type AppLevel = (typeof APP_LEVELS)[number];
/** `physical`: memory of the host in use, of MemTotal. `allocated`: Committed_AS, of CommitLimit. */
export const APP_MEASURES = ["physical", "allocated"] as const;
export type AppMeasure = (typeof APP_MEASURES)[number];

export type AppRung =
  | Rung
  /** Runs a command so often, so far apart; what it writes to stdout, and files it leaves in $PLIMSOLL_DUMP, are the dump. */
  | {
      readonly action: "dump";
      readonly command: string;
      readonly count: number;
      readonly spacingMs: number;
      readonly deadlineMs: number;
    }
  /** To the main process, by pidfd. The name without SIG is refused: "SIGUSR1". */
  | { readonly action: "signal"; readonly signal: string; readonly deadlineMs: number }
  /** Waits until a file is whole: it ends with `endsWith`, or (null) has not grown for `stableMs`. */
  | {
      readonly action: "wait";
      /** Of the main process: {@link ./wait-file.ts} makes a path of it. */
      readonly file: string;
      readonly endsWith: string | null;
      readonly stableMs: number;
      readonly deadlineMs: number;
    };

/** Which processes belong together. */
export interface GroupRule {
  readonly name: string;
  /** Source of a regular expression that must match somewhere in the command line (arguments joined by blanks). */
  readonly cmdline: string;
  /** Subprocesses belong to it too. */
  readonly descendants: boolean;
  /** Source of a regular expression whose first group in the command line tells members apart (a Python VM's package). */
  readonly member: string | null;
}

export interface MeasurePolicy {
  /** Of physical: in use is MemTotal less what is `available`, or less what is `free` (page cache counts as used). */
  readonly basis: "available" | "free";
  readonly warningShare: number;
  readonly criticalShare: number;
  /** A level ends when so much less is in use than where it begins. */
  readonly hysteresisShare: number;
  /** Values of vm.overcommit_memory under which ladders are climbed; under the others levels are only said. */
  readonly actsInModes: readonly number[];
  readonly ladders: Readonly<Record<AppLevel, readonly AppRung[]>>;
}

export interface ApplicationPolicy {
  readonly name: string;
  readonly intervalMs: number;
  readonly groups: readonly GroupRule[];
  /** The group whose process is signalled, and with whose end the application ends. */
  readonly main: string;
  readonly physical: MeasurePolicy | null;
  readonly allocated: MeasurePolicy | null;
  /** Absolute; dumps are NAME-LEVEL-NUMBER there. At most so many bytes of them are kept: the oldest go first. */
  readonly dumpDirectory: string;
  readonly dumpLimitBytes: number;
}

export interface ApplicationsPolicy {
  /** There are applications. */
  readonly enabled: boolean;
  readonly applications: readonly ApplicationPolicy[];
  /** The user's module, absolute; null: none. */
  readonly callbacksPath: string | null;
  readonly callbackDeadlineMs: number;
  /** End the guard when the application has ended (it had begun). */
  readonly exitWithApplication: boolean;
  /** Where lines of the measurement tool's form go; null: nowhere. */
  readonly monitorLogPath: string | null;
}
