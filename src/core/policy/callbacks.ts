/** What a module of callbacks (`[callbacks] module`, `plimsoll run --callbacks FILE.mjs`) exports, and what it is given. */
import type { Figures } from "../resources/resource.ts";
import type { AppLevel, AppMeasure } from "./applications.ts";

/** Lines for the guard's log. */
export interface CallbackLogger {
  readonly info: (text: string) => void;
  readonly warn: (text: string) => void;
  readonly error: (text: string) => void;
}

export interface CallbackContext {
  readonly logger: CallbackLogger;
  /** Of the application's main process; null: it does not run. */
  readonly pid: number | null;
  /** vm.overcommit_memory: 0, 1 or 2 (proc_sys_vm(5)); null: not known. */
  readonly overcommitMode: number | null;
  /** What the level was judged by, units last in the names: bytes, shares from 0 to 1. Null: not known. */
  readonly sample: Figures;
  /** The application's name in the policy. */
  readonly application: string;
  /** The level that has begun; `info`: all is well again. */
  readonly level: AppLevel;
  readonly measure: AppMeasure;
}

/** It is called when the level begins, in a thread of its own, and given up at its deadline. */
export type Callback = (context: CallbackContext) => void | PromiseLike<void>;

/** Each may be left out: the policy's ladder of that level counts then. */
export interface Callbacks {
  readonly info_phy?: Callback;
  readonly warning_phy?: Callback;
  readonly crit_phy?: Callback;
  readonly info_alloc?: Callback;
  readonly warning_alloc?: Callback;
  readonly crit_alloc?: Callback;
}

/** The name of the function for a level of a measure. */
export const CALLBACK_NAMES: Readonly<Record<AppMeasure, Readonly<Record<AppLevel, keyof Callbacks>>>> = {
  physical: { info: "info_phy", warning: "warning_phy", critical: "crit_phy" },
  allocated: { info: "info_alloc", warning: "warning_alloc", critical: "crit_alloc" },
};
