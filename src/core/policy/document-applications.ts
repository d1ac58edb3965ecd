/** What a policy file says of applications; see document.ts. Shares 0 to 1, durations in milliseconds. */
import type { AppRung, GroupRule, MeasurePolicy } from "./applications.ts";
import type { Given } from "./document.ts";

export type GroupDocument = Given<Pick<GroupRule, "descendants" | "member">> &
  Pick<GroupRule, "name" | "cmdline">;

export type AppLevelDocument = Given<{
  /** From this share on the level stands; `info` is what lies below. */
  used: number;
  ladder: readonly AppRung[];
}>;

export type MeasureDocument = Given<{
  basis: MeasurePolicy["basis"];
  hysteresis: number;
  acts_in: readonly number[];
  info: Pick<AppLevelDocument, "ladder">;
  warning: AppLevelDocument;
  critical: AppLevelDocument;
}>;

export type ApplicationDocument = Given<{
  interval: number;
  main: string;
  dump_directory: string;
  dump_limit: number;
  groups: readonly GroupDocument[];
  physical: MeasureDocument | false;
  allocated: MeasureDocument | false;
}> & { readonly name: string };

export type CallbacksDocument = Given<{
  /** False: no module, whatever lies underneath. */
  module: string | false;
  deadline: number;
}>;

export interface ApplicationDocuments {
  readonly applications?: readonly ApplicationDocument[] | undefined;
  readonly callbacks?: CallbacksDocument | undefined;
  readonly exit_with_application?: boolean | undefined;
  readonly monitor_log?: string | false | undefined;
}
