import type { CallbackContext, CallbackName, CallbackSample } from "../../core/app/callbacks.ts";

/** What the thread of the user's module and the one that watches over it say to each other. */

/** One call of a function of the module's. */
export interface Call {
  readonly id: string;
  readonly name: CallbackName;
  readonly pid: number | null;
  readonly overcommitMode: number | null;
  readonly sample: CallbackSample;
  readonly context: CallbackContext;
}

export type FromModule =
  /** It is there; `odd`: what in it is not as expected. */
  | { readonly say: "loaded"; readonly names: readonly CallbackName[]; readonly odd: readonly string[] }
  | { readonly say: "unloadable"; readonly why: string }
  | { readonly say: "began"; readonly id: string }
  | { readonly say: "ended"; readonly id: string; readonly error: string | null }
  | { readonly say: "log"; readonly severity: "info" | "warn" | "error"; readonly text: string };

/** What the module's thread is started with. */
export interface ModuleStart {
  /** Absolute. */
  readonly modulePath: string;
}
