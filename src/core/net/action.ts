import type { ActionHead } from "../resources/report.ts";

export interface NetAction extends ActionHead {
  readonly resource: "net";
}
