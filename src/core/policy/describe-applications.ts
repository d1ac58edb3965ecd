/** Which applications a policy is about, when it acts on them and how: in plain words. */
import { formatBytes, formatDuration, formatShare } from "../units.ts";
import {
  APP_LEVELS,
  APP_MEASURES,
  type ApplicationPolicy,
  type ApplicationsPolicy,
  type AppMeasure,
  type GroupRule,
  type MeasurePolicy,
} from "./applications.ts";
import { formatLadder } from "./describe-ladder.ts";

type Line = readonly [name: string, text: string];

/** Lines for describePolicy. */
export function describeApplications(app: ApplicationsPolicy): Line[] {
  if (!app.enabled) return [["application", "none"]];
  const { callbacksPath, callbackDeadlineMs, monitorLogPath, exitWithApplication } = app;
  return [
    ...app.applications.flatMap(describeApplication),
    [
      "callbacks",
      callbacksPath === null ? "none" : `${callbacksPath}, ${formatDuration(callbackDeadlineMs)} each`,
    ],
    ["monitor log", monitorLogPath ?? "none"],
    ["its end", exitWithApplication ? "ends the guard too" : "is waited out"],
  ];
}

function describeApplication(application: ApplicationPolicy): Line[] {
  const { name, intervalMs, groups, main, dumpDirectory, dumpLimitBytes } = application;
  return [
    [
      "application",
      `${name}, every ${formatDuration(intervalMs)}; dumps in ${dumpDirectory}, at most ${formatBytes(dumpLimitBytes)}`,
    ],
    ...groups.map((group): Line => ["", describeGroup(group, main)]),
    ...APP_MEASURES.flatMap((what) => describeMeasure(what, application[what])),
  ];
}

function describeGroup({ name, cmdline, descendants, member }: GroupRule, main: string): string {
  const more = descendants ? " and their subprocesses" : "";
  const apart = member === null ? "" : `, told apart by ${JSON.stringify(member)}`;
  return `${name}: processes with ${JSON.stringify(cmdline)}${more}${apart}${name === main ? "; the main one" : ""}`;
}

function describeMeasure(what: AppMeasure, measure: MeasurePolicy | null): Line[] {
  if (measure === null) return [["", `${what} memory: not looked at`]];
  const { warningShare, criticalShare, hysteresisShare, actsInModes, basis, ladders } = measure;
  const of = what === "physical" ? `of MemTotal is not ${basis}` : "of CommitLimit is committed";
  const shares = `warning at ${formatShare(warningShare)}, critical at ${formatShare(criticalShare)}`;
  const modes = actsInModes.length === 3 ? "" : `; acts where vm.overcommit_memory is ${actsIn(actsInModes)}`;
  const steps = APP_LEVELS.filter((level) => ladders[level].length > 0).map(
    (level): Line => ["", `  ${level}: ${formatLadder(ladders[level])}`],
  );
  return [
    ["", `${what} memory, what ${of}: ${shares}, over ${formatShare(hysteresisShare)} below${modes}`],
    ...steps,
  ];
}

function actsIn(modes: readonly number[]): string {
  return modes.length === 0 ? "nothing: never" : modes.join(" or ");
}
