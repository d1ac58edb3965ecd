import type { ActionHead } from "../resources/report.ts";

export interface VmAction extends ActionHead {
  readonly resource: "vm";
}
