import { Command } from "commander";
import { lineSentence } from "../../core/audit/reread.ts";
import type { AuditLine } from "../../core/audit/line.ts";
import { ExitCode, Fault } from "../../core/fault.ts";
import { RESOURCES } from "../../core/resources/resource.ts";
import { describeValue, parseDuration } from "../../core/units.ts";
import { placesFor } from "../coordinator/places.ts";
import { type LogFile, openLogFiles, type ReadLine, readLog } from "./audit-lines.ts";

const EXAMPLES = `
Examples:
  plimsoll audit                          all that the guard of the host has decided, newest last
  plimsoll audit --since 2h               of the last two hours
  plimsoll audit --since 2026-11-20T09:00Z --scope /build
  plimsoll audit --resource disk,io       what was seen of disks, and done about them
  plimsoll audit --json | jq -c 'select(.event == "rescue") | {oom_cgroup, added_memory, adjusted_cgroups}'

The log is in the order in which it was written: a decision when it was over, with the time when it was made.
Lines that are none are named on stderr and passed over.
Exit codes: 0 done, 1 there is no such log, 2 usage, 5 it is another user's.`;

/** Lines that say nothing are named, up to so many a file; the rest is counted. */
const NAMED_GARBAGE = 10;

/** Characters that are written at once. */
const PIECE_LENGTH = 65_536;

interface AuditOptions {
  readonly json?: boolean;
  readonly since?: string;
  readonly file?: string;
  readonly resource?: readonly string[];
  readonly scope: string;
}

/** What lines may be about; those about the guard itself are about none. */
const AUDITED: readonly string[] = ["memory", ...RESOURCES];

/** `plimsoll audit`: what the guard has decided and done, from its audit log; no guard need run. */
export function auditCommand(): Command {
  return new Command("audit")
    .description("show what the guard has decided and done, and why")
    .option(
      "--since <time>",
      'only from then on: a time such as 2026-11-20T09:00Z, or how long ago, such as "2h"',
    )
    .option("--scope <cgroup>", "of which guard, when there are several", "host")
    .option("--file <path>", "another log, where the policy's record.audit names one")
    .option(
      "--resource <list...>",
      `only about these, with commas between: ${AUDITED.join(", ")}; rescues are about memory`,
    )
    .option("--json", "print the log's own lines")
    .addHelpText("after", EXAMPLES)
    .action(audit);
}

async function audit(options: AuditOptions): Promise<void> {
  const sinceMs = sinceTime(options.since, Date.now());
  const wanted = wantedResources(options.resource);
  const path = options.file ?? placesFor(options.scope, process.getuid?.() ?? 0, process.env).auditPath;
  const output = new Output();
  for (const file of open(path, options)) {
    try {
      await printFile(
        file,
        (read) => read.timeMs >= sinceMs && wanted(read.line),
        options.json === true,
        output,
      );
    } catch (error) {
      throw asFault(error as NodeJS.ErrnoException, file.path);
    }
  }
  await output.flush();
}

async function printFile(
  file: LogFile,
  isWanted: (read: ReadLine) => boolean,
  json: boolean,
  output: Output,
): Promise<void> {
  let garbage = 0;
  for (const read of readLog(file.descriptor)) {
    if (output.closed) return;
    if ("found" in read) {
      garbage++;
      if (garbage > NAMED_GARBAGE) continue;
      warn(`${file.path}:${read.number}: expected a line of the audit log, found ${read.found}; passed over`);
    } else if (isWanted(read)) {
      const time = new Date(read.timeMs).toISOString();
      await output.line(json ? read.text : `${time} ${printable(lineSentence(read.line))}`);
    }
  }
  if (garbage > NAMED_GARBAGE)
    warn(`${file.path}: ${garbage - NAMED_GARBAGE} more lines that are none; passed over`);
}

/** @throws Fault (usage) for a resource that there is not */
function wantedResources(lists: readonly string[] | undefined): (line: AuditLine) => boolean {
  if (lists === undefined) return () => true;
  const words = lists.flatMap((each) => each.split(",")).map((word) => word.trim());
  for (const word of words) {
    if (AUDITED.includes(word)) continue;
    throw new Fault(
      ExitCode.usage,
      `--resource: expected some of ${AUDITED.join(", ")}, found ${describeValue(word)}`,
    );
  }
  return (line) => words.includes(resourceOf(line) ?? "");
}

/** Limits that were moved are about memory. */
const OF_MEMORY: readonly unknown[] = ["rescue", "rescue-return", "recommendation", "oom-kill"];

function resourceOf(line: AuditLine): string | null {
  if (OF_MEMORY.includes(line["event"])) return "memory";
  return typeof line["resource"] === "string" ? line["resource"] : null;
}

function open(path: string, options: AuditOptions): LogFile[] {
  let files: LogFile[];
  try {
    files = openLogFiles(path);
  } catch (error) {
    throw asFault(error as NodeJS.ErrnoException, path);
  }
  if (files.length > 0) return files;
  const where =
    options.file === undefined
      ? "; start a guard, or name its --scope, or the --file that its policy's record.audit names"
      : "; check the path";
  throw new Fault(ExitCode.fault, `expected an audit log at ${path}, found nothing${where}`);
}

function asFault(error: NodeJS.ErrnoException, path: string): Fault {
  if (error.code === "EACCES" || error.code === "EPERM")
    return new Fault(
      ExitCode.notPermitted,
      `${path} may not be read by this user; ask as its owner, or as root`,
    );
  if (error.code === "EISDIR")
    return new Fault(
      ExitCode.fault,
      `${path}: expected an audit log, found a directory; name the file in it`,
    );
  return new Fault(ExitCode.fault, `${path}: ${error.message}`);
}

/**
 * When to begin, in milliseconds since 1970: a time (ISO 8601; a date alone is UTC, a time without a zone is this
 * host's), or a duration before `nowMs`.
 * @throws Fault
 */
export function sinceTime(text: string | undefined, nowMs: number): number {
  if (text === undefined) return Number.NEGATIVE_INFINITY;
  const duration = parseDuration(text);
  if (duration.ok) return nowMs - duration.value;
  const isTime = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?$/.test(text);
  const timeMs = isTime ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(timeMs)) return timeMs;
  const expected = 'a time such as "2026-11-20T09:00Z", or a duration such as "2h" or "1h30m"';
  throw new Fault(ExitCode.usage, `--since: expected ${expected}, found ${describeValue(text)}`);
}

/** Names of processes and cgroups may hold what a terminal takes for orders. */
function printable(text: string): string {
  return text.replace(/[\0-\x1f\x7f-\x9f\u2028\u2029]/g, " ");
}

function warn(text: string): void {
  process.stderr.write(`plimsoll: ${printable(text)}\n`);
}

/** stdout in pieces, and whether anybody still reads it: `plimsoll audit | head` is no error. */
class Output {
  #text = "";
  #closed = false;

  constructor() {
    process.stdout.on("error", () => {
      this.#closed = true;
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  async line(text: string): Promise<void> {
    this.#text += `${text}\n`;
    if (this.#text.length > PIECE_LENGTH) await this.flush();
  }

  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = "";
    await new Promise<void>((resolve) => {
      process.stdout.write(text, () => resolve());
    });
  }
}
