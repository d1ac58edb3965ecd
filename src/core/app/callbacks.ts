import type { AppLevel, AppMeasure } from "../policy/applications.ts";

/** What a user's module of callbacks is given, and what it may export: the six of the NSO memory toolset, by their names. */

/** Writes to the guard's log, in the module's name. */
export interface CallbackLogger {
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
}

/** What the level was judged by. Null: not known. */
export interface CallbackSample {
  /** When it was taken: milliseconds since 1970. */
  readonly timeMs: number;
  /** Of the measure, 0 to 1: in use, and from where on the level stands (of info: null). */
  readonly usedShare: number | null;
  readonly lineShare: number | null;
  /** /proc/meminfo: MemTotal, MemAvailable, MemFree, Committed_AS, CommitLimit. */
  readonly totalBytes: number | null;
  readonly availableBytes: number | null;
  readonly freeBytes: number | null;
  readonly committedBytes: number | null;
  readonly commitLimitBytes: number | null;
  /** Of all processes of the application: resident, and private writable mappings. */
  readonly residentBytes: number | null;
  readonly allocatedBytes: number | null;
}

export interface CallbackContext {
  readonly application: string;
  readonly measure: AppMeasure;
  readonly level: AppLevel;
  /** Of this call, as in the audit log. */
  readonly id: string;
  /** Why it is called, in words. */
  readonly why: string;
  /** Where dumps of the application go; it may not be there yet. */
  readonly dumpDirectory: string;
  /** After so long the call is given up, and the thread that it runs in is ended. */
  readonly deadlineMs: number;
}

/**
 * Called once when the level begins (info: when it is over, and at the start). A promise is waited for.
 * @param pid the application's main process; null: it does not run
 * @param overcommitMode vm.overcommit_memory: 0, 1 or 2; null: not known
 */
export type Callback = (
  logger: CallbackLogger,
  pid: number | null,
  overcommitMode: number | null,
  sample: CallbackSample,
  context: CallbackContext,
) => void | PromiseLike<void>;

/** The module; each that it has takes the place of the policy's ladder of that level. */
export interface Callbacks {
  readonly info_phy?: Callback;
  readonly warning_phy?: Callback;
  readonly crit_phy?: Callback;
  readonly info_alloc?: Callback;
  readonly warning_alloc?: Callback;
  readonly crit_alloc?: Callback;
}
export type CallbackName = keyof Callbacks;

const LEVEL_WORD: Readonly<Record<AppLevel, "info" | "warning" | "crit">> = {
  info: "info",
  warning: "warning",
  critical: "crit",
};
const MEASURE_WORD: Readonly<Record<AppMeasure, "phy" | "alloc">> = { physical: "phy", allocated: "alloc" };

/** Of a level the function that stands for it. */
export function callbackName(measure: AppMeasure, level: AppLevel): CallbackName {
  return `${LEVEL_WORD[level]}_${MEASURE_WORD[measure]}`;
}
