import { existsSync } from "node:fs";
import { Command } from "commander";
import { ExitCode, Fault } from "../../core/fault.ts";
import { parseDuration } from "../../core/units.ts";
import { placesFor } from "../coordinator/places.ts";

const EXAMPLES = `
What is drawn: of each application's groups of processes what they have allocated and resident, with CommitLimit; their
members (Python VMs) one by one; all groups beside each other; the host's memory and its pressure; control groups; and
what the guard did, at its time. Below: statistics, and the CommitLimit and vm.overcommit_ratio that would do.

Examples:
  plimsoll report                                  of what the guard records (run --profile nso, or --dataset)
  plimsoll report monday                           writes monday-report.html, of what was recorded by
  plimsoll record --out monday --resource app,memory --profile nso --duration 8h
  plimsoll report monday --html nso.html --png pictures
  plimsoll report monday --json | jq '.advice[].command'
  plimsoll report --live 60s --profile nso         records for a minute, then reports
  plimsoll report saved --audit saved/audit.jsonl  of another host, with its audit log

Exit codes: 0 done (what could not be read is named on stderr, and in the page), 1 fault, 2 usage, 3 bad policy,
4 unsupported host, 5 not permitted.`;

export interface ReportOptions {
  readonly html?: string;
  readonly svg?: string;
  readonly png?: string;
  readonly text?: string;
  readonly json?: boolean;
  readonly audit?: string;
  readonly force?: boolean;
  readonly live?: string;
  readonly profile?: string;
  readonly config?: string;
  readonly interval?: string;
}

/** `plimsoll report`: draws what was recorded. */
export function reportCommand(): Command {
  return new Command("report")
    .description("draw a recording: diagrams, statistics, and what the guard did")
    .argument(
      "[dataset]",
      "directory that plimsoll record or run wrote (default: the latest of this host's guard); with --live, where to keep the recording",
    )
    .option("--html <file>", "the page, one file that opens offline (default: DATASET-report.html)")
    .option("--svg <dir>", "each diagram as SVG, into this directory")
    .option("--png <dir>", "each diagram as PNG, into this directory")
    .option("--text <dir>", "the measurement tool's data lines, a file a group, into this directory")
    .option("--json", "the report as data, on standard output")
    .option("--audit <file>", "the guard's audit log (default: where the guard of this host has it)")
    .option("--force", "replace files that are there")
    .option("--live <time>", 'record this host for so long first, such as "60s"')
    .option("--profile <name>", "of --live: ready policy that names the applications, such as nso")
    .option("--config <file>", "of --live: policy file that names the applications")
    .option("--interval <time>", "of --live: time between two samples")
    .addHelpText("after", EXAMPLES)
    .action(report);
}

async function report(dataset: string | undefined, options: ReportOptions): Promise<void> {
  checkUsage(options);
  // Here and not above: the guard shall not carry what only this command needs.
  const { writeReports } = await import("../report/write-reports.ts");
  if (options.live === undefined) return writeReports(dataset ?? ofTheGuard(), options);
  const { recordLive } = await import("../report/live.ts");
  await recordLive(dataset ?? null, options, (directory) => writeReports(directory, options));
}

/** Where the guard of this host records. @throws Fault (usage) when it does not */
function ofTheGuard(): string {
  const { datasetsPath } = placesFor("host", process.getuid?.() ?? 0, process.env);
  if (existsSync(datasetsPath)) return datasetsPath;
  throw new Fault(
    ExitCode.usage,
    `expected the directory of a dataset, --live, or one of the guard's below ${datasetsPath}, found none of them; name one, or have the guard record (run --profile nso, or --dataset)`,
  );
}

/** @throws Fault (usage) */
function checkUsage(options: ReportOptions): void {
  const refuse = (what: string): never => {
    throw new Fault(ExitCode.usage, what);
  };
  const { live, profile, config, interval } = options;
  if (live === undefined) {
    const needless = Object.entries({ profile, config, interval }).find(([, value]) => value !== undefined);
    if (needless !== undefined) refuse(`--${needless[0]}: expected --live with it, found none; leave it out`);
    return;
  }
  const parsed = parseDuration(live);
  if (!parsed.ok) refuse(`--live: expected ${parsed.expected}, found ${parsed.found}`);
  else if (parsed.value === 0) refuse('--live: expected a duration above 0, such as "60s", found 0');
}
