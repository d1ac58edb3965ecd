import type { ActionHead } from "../resources/report.ts";

export interface DiskAction extends ActionHead {
  readonly resource: "disk";
}
