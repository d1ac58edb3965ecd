import { Command } from "commander";
import { ExitCode, Fault } from "../../core/fault.ts";
import { type Parsed, parseDuration } from "../../core/units.ts";

const EXAMPLES = `
Examples:
  plimsoll record --out night --all --from 22:00 --to 06:00    all cgroups, this night
  plimsoll record --out run1 --cgroup '/machine/*' --duration 20s --interval 10ms
  plimsoll record --out web --cgroup /web --cgroup '/db/**'    until Ctrl-C
  plimsoll record --out run2 --all --duration 1m --json | jq .bytesPerSample

Times: "14:30" (the next one), "2025-06-01T14:30" (local), "2025-06-01T14:30:00Z". SIGINT and SIGTERM end it in order.
Exit codes: 0 done, 1 fault, 2 usage, 4 unsupported host, 5 not permitted.`;

const HOUR_MS = 3_600_000;
const COUNT_MAX = 1_000_000;
/** Reading all there is to a cgroup takes thirty times as long as reading its usage, and it changes slowly. */
const DETAIL_MS = 5000;

export interface RecordOptions {
  readonly out: string;
  readonly cgroup?: readonly string[];
  readonly all?: boolean;
  readonly from?: string;
  readonly to?: string;
  readonly duration?: string;
  readonly interval: string;
  readonly statEvery?: string;
  readonly json?: boolean;
}

/** `plimsoll record`: samples cgroups into a dataset, for calibrate, export and recommend. */
export function recordCommand(): Command {
  return new Command("record")
    .description("record what cgroups use, into a dataset")
    .requiredOption("--out <dir>", "a new or empty directory for the dataset")
    .option("--cgroup <pattern...>", 'which cgroups, such as "/machine/*" or "/machine/**"')
    .option("--all", "all cgroups (this is so when no pattern is given)")
    .option("--from <time>", "wait until then; now when not given")
    .option("--to <time>", "until then")
    .option("--duration <time>", 'for so long, such as "20s" or "8h"')
    .option("--interval <time>", "time between two samples of usage, from 1ms on", "1s")
    .option(
      "--stat-every <n>",
      "every n-th sample is of memory.stat, limits, events and pressure too (default: about every 5s)",
    )
    .option("--json", "print the summary as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (options: RecordOptions) => {
      const intervalMs = intervalOf(options.interval);
      const statEvery = statEveryOf(options.statEvery, intervalMs);
      const request = { patterns: patternsOf(options), intervalMs, statEvery };
      // Here and not above: the other commands shall not carry it.
      const { record } = await import("../recording/record.ts");
      process.exit(await record(options, request));
    });
}

function required<T>(option: string, parsed: Parsed<T>): T {
  if (parsed.ok) return parsed.value;
  throw new Fault(ExitCode.usage, `${option}: expected ${parsed.expected}, found ${parsed.found}`);
}

function patternsOf({ cgroup, all }: RecordOptions): readonly string[] {
  if (cgroup === undefined) return ["/**"];
  if (all !== true) return cgroup;
  throw new Fault(ExitCode.usage, "expected --cgroup or --all, found both; say one of them");
}

function intervalOf(text: string): number {
  const intervalMs = required("--interval", parseDuration(text));
  if (intervalMs >= 1 && intervalMs <= HOUR_MS) return intervalMs;
  throw new Fault(ExitCode.usage, `--interval: expected a duration from 1ms to 1h, found "${text}"`);
}

function statEveryOf(text: string | undefined, intervalMs: number): number {
  if (text === undefined) return Math.max(1, Math.round(DETAIL_MS / intervalMs));
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= COUNT_MAX) return count;
  throw new Fault(
    ExitCode.usage,
    `--stat-every: expected a whole number from 1 to ${COUNT_MAX}, found "${text}"`,
  );
}
