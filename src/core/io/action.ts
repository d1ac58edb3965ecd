import type { ActionHead } from "../resources/report.ts";

export interface IoAction extends ActionHead {
  readonly resource: "io";
}
