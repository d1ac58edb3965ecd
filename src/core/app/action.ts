import type { AppLevel, AppMeasure, AppRung } from "../policy/applications.ts";
import type { ActionHead, ProcessRef } from "../resources/report.ts";

/** Climb an application's ladder for a level that has begun; for the lane, or (the same) for the user's callbacks. */
export interface AppAction extends ActionHead {
  readonly resource: "app";
  readonly kind: "ladder" | "callback";
  readonly application: string;
  readonly measure: AppMeasure;
  readonly level: AppLevel;
  /** Its main process; null: it does not run. */
  readonly main: ProcessRef | null;
  /** 0, 1 or 2: vm.overcommit_memory; null: not known. */
  readonly overcommitMode: number | null;
  readonly rungs: readonly AppRung[];
}
