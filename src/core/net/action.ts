import type { ActionHead } from "../resources/report.ts";

/** What is done to an interface that sends too much, or was squeezed and does not any more. */
export type NetOrder =
  /** Its traffic goes at this rate at most from now on, each packet so much later; instead of what was there of ours. */
  | { readonly do: "squeeze"; readonly bytesPerSecond: number; readonly delayMs: number }
  /** It is not shaped any more. */
  | { readonly do: "release" }
  | { readonly do: "down" }
  | { readonly do: "up" }
  /** Everything that was imposed on any interface is taken back: nobody knows of it any more. */
  | { readonly do: "release-all" };

export interface NetAction extends ActionHead {
  readonly resource: "net";
  /** Its ifindex, and its name as far as is known; 0: of no interface. */
  readonly interface: number;
  readonly order: NetOrder;
}
