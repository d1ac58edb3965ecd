/** The shapes of [[applications]] and of what else is said of them at the top of a file; see schema.ts. */
import {
  pathOrFalse,
  readDirectory,
  readMemberPattern,
  readMode,
  readName,
  readSearchPattern,
} from "./read-application-values.ts";
import { wordOf } from "./read-resource-values.ts";
import { durationWithin, readBoolean, readShare, sizeWithin } from "./read-values.ts";
import { APP_RUNGS, ladderOf } from "./schema-ladder.ts";
import { HOUR_MS, list, scalar, table, tableOrFalse } from "./schema-parts.ts";

const KIB = 1024;
const TIB = 2 ** 40;

const ladder = ladderOf(APP_RUNGS);
const share = scalar(readShare);

const groupShape = {
  name: scalar(readName),
  cmdline: scalar(readSearchPattern),
  descendants: scalar(readBoolean),
  member: scalar(readMemberPattern),
};
const levelShape = { used: share, ladder };
const measureShape = {
  hysteresis: share,
  acts_in: list(scalar(readMode), "an array of values of vm.overcommit_memory, such as [2]"),
  info: table({ ladder }),
  warning: table(levelShape),
  critical: table(levelShape),
};
/** What is in use of physical memory can be reckoned in two ways; of allocated memory only in one. */
const physicalShape = { basis: scalar(wordOf("available", "free")), ...measureShape };
const applicationShape = {
  name: scalar(readName),
  interval: scalar(durationWithin(10, HOUR_MS)),
  main: scalar(readName),
  dump_directory: scalar(readDirectory),
  dump_limit: scalar(sizeWithin(64 * KIB, TIB)),
  groups: list(
    table(groupShape, ["name", "cmdline"]),
    'an array of tables, such as [{ name = "vm", cmdline = "beam.smp" }]',
  ),
  physical: tableOrFalse(physicalShape),
  allocated: tableOrFalse(measureShape),
};
const callbacksShape = {
  module: scalar(pathOrFalse("/etc/plimsoll/callbacks.mjs")),
  deadline: scalar(durationWithin(100, HOUR_MS)),
};

/** What stands at the top of the file, by its keys. */
export const applicationKeys = {
  applications: list(
    table(applicationShape, ["name"]),
    'an array of tables ([[applications]]), such as [{ name = "nso" }]',
  ),
  callbacks: table(callbacksShape),
  exit_with_application: scalar(readBoolean),
  monitor_log: scalar(pathOrFalse("/var/log/plimsoll/monitor.log")),
};

const SHAPES = [
  ["[[applications]]", applicationShape],
  ["[[applications.groups]]", groupShape],
  ["[applications.physical]", { basis: physicalShape.basis }],
  ["[applications.physical] or [applications.allocated]", measureShape],
  ["[applications.physical.warning] and the like", levelShape],
  ["[callbacks]", callbacksShape],
] as const;

/** Every key of theirs and where it belongs. */
export const APPLICATION_KEY_PLACES: readonly (readonly [key: string, place: string])[] = SHAPES.flatMap(
  ([place, shape]) => Object.keys(shape).map((key) => [key, place] as const),
);
