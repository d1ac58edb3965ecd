/** What the files say of applications; see compile.ts. */
import type {
  ApplicationPolicy,
  ApplicationsPolicy,
  AppLevel,
  AppMeasure,
  AppRung,
  MeasurePolicy,
} from "./applications.ts";
import type {
  ApplicationDocument,
  ApplicationDocuments,
  AppLevelDocument,
  CallbacksDocument,
  MeasureDocument,
} from "./document-applications.ts";
import { merged } from "./layers.ts";

/** What an application is that does not say it; docs/policy.md. */
const APPLICATION_DEFAULT = {
  intervalMs: 1000,
  dumpDirectory: "/var/lib/plimsoll/dumps",
  dumpLimitBytes: 2 ** 30,
} as const;

const WARNING_SHARE = 0.9;
const CRITICAL_SHARE = 0.95;
const HYSTERESIS_SHARE = 0.02;
const CALLBACK_DEADLINE_MS = 30_000;

/**
 * Values of vm.overcommit_memory. Only where it is 2 does the kernel hold Committed_AS to CommitLimit
 * (Documentation/mm/overcommit-accounting.rst); physical memory can run out under each.
 */
const ACTS_IN: Readonly<Record<AppMeasure, readonly number[]>> = { physical: [0, 1, 2], allocated: [2] };

const LADDERS: Readonly<Record<AppLevel, readonly AppRung[]>> = {
  info: [],
  warning: [{ action: "log" }],
  critical: [{ action: "log" }],
};

/** @param documents the most general first */
export function compileApplications(documents: readonly ApplicationDocuments[]): ApplicationsPolicy {
  const applications = tablesOf(documents).map((tables) => applicationOf(tables));
  const callbacks = merged<CallbacksDocument>(documents.map((document) => document.callbacks));
  const top = merged<ApplicationDocuments>([...documents]);
  return {
    enabled: applications.length > 0,
    applications,
    callbacksPath: callbacks.module || null,
    callbackDeadlineMs: callbacks.deadline ?? CALLBACK_DEADLINE_MS,
    exitWithApplication: top.exit_with_application ?? false,
    monitorLogPath: top.monitor_log || null,
  };
}

/**
 * The tables of each application, the most general first: those of the topmost file in its order (so that its line of one
 * is found by the place), then those that only lie underneath. One said twice in the topmost file stays twice: lint says so.
 */
function tablesOf(documents: readonly ApplicationDocuments[]): ApplicationDocument[][] {
  const top = documents.findLastIndex(({ applications }) => applications !== undefined);
  const own = documents[top]?.applications ?? [];
  const below = documents.slice(0, Math.max(top, 0)).flatMap(({ applications }) => applications ?? []);
  const named = own.map((table) => [...below.filter(({ name }) => name === table.name), table]);
  const ownNames = new Set(own.map(({ name }) => name));
  const others = new Set(below.map(({ name }) => name).filter((name) => !ownNames.has(name)));
  return [...named, ...[...others].map((each) => below.filter(({ name }) => name === each))];
}

function applicationOf(tables: readonly ApplicationDocument[]): ApplicationPolicy {
  const said = merged<ApplicationDocument>(tables);
  const measure = (what: AppMeasure): MeasurePolicy | null =>
    said[what] === false
      ? null
      : measureOf(
          what,
          tables.map((table) => table[what]),
        );
  const groups = (said.groups ?? []).map(({ name, cmdline, descendants, member }) => ({
    name,
    cmdline,
    descendants: descendants ?? false,
    member: member ?? null,
  }));
  return {
    name: said.name,
    intervalMs: said.interval ?? APPLICATION_DEFAULT.intervalMs,
    groups,
    main: said.main ?? groups[0]?.name ?? "",
    physical: measure("physical"),
    allocated: measure("allocated"),
    dumpDirectory: said.dump_directory ?? APPLICATION_DEFAULT.dumpDirectory,
    dumpLimitBytes: said.dump_limit ?? APPLICATION_DEFAULT.dumpLimitBytes,
  };
}

function measureOf(
  what: AppMeasure,
  tables: readonly (MeasureDocument | false | undefined)[],
): MeasurePolicy {
  const said = merged<MeasureDocument>(tables);
  const level = (name: AppLevel): AppLevelDocument =>
    merged<AppLevelDocument>(tables.map((table) => (table === false ? undefined : table?.[name])));
  const ladder = (name: AppLevel): readonly AppRung[] => level(name).ladder ?? LADDERS[name];
  return {
    basis: said.basis ?? "available",
    warningShare: level("warning").used ?? WARNING_SHARE,
    criticalShare: level("critical").used ?? CRITICAL_SHARE,
    hysteresisShare: said.hysteresis ?? HYSTERESIS_SHARE,
    actsInModes: said.acts_in ?? ACTS_IN[what],
    ladders: { info: ladder("info"), warning: ladder("warning"), critical: ladder("critical") },
  };
}
