import { Command } from "commander";
import { RECORDABLE, type Recordable, RECORDED_BY_DEFAULT } from "../../core/dataset/tables.ts";
import { ExitCode, Fault } from "../../core/fault.ts";
import { nearestWord } from "../../core/policy/problem.ts";
import { describeValue, type Parsed, parseDuration } from "../../core/units.ts";

const EXAMPLES = `
Examples:
  plimsoll record --out night --all --from 22:00 --to 06:00    all cgroups, this night
  plimsoll record --out run1 --cgroup '/machine/*' --duration 20s --interval 10ms
  plimsoll record --out web --cgroup /web --cgroup '/db/**'    until Ctrl-C
  plimsoll record --out run2 --all --duration 1m --json | jq .bytesPerSample
  plimsoll record --out host --resource cpu,disk,io,net,memory --duration 1h
  plimsoll record --out nso --resource app,memory --profile nso --duration 1h

Resources: cgroups (what each uses), memory (the host's), cpu, disk (space and inodes, each 5s), io (block devices),
net (interfaces), vm (libvirt's machines, at most once a second), app (the processes of the applications that --profile
or --config names). --cgroup, --all, --stat-every are about cgroups.

Times: "14:30" (the next one), "2025-06-01T14:30" (local), "2025-06-01T14:30:00Z". SIGINT and SIGTERM end it in order.
Exit codes: 0 done, 1 fault, 2 usage, 3 bad policy, 4 unsupported host, 5 not permitted.`;

const HOUR_MS = 3_600_000;
const COUNT_MAX = 1_000_000;
/** Reading all there is to a cgroup takes thirty times as long as reading its usage, and it changes slowly. */
const DETAIL_MS = 5000;

export interface RecordOptions {
  readonly out: string;
  readonly resource?: readonly string[];
  readonly cgroup?: readonly string[];
  readonly all?: boolean;
  readonly from?: string;
  readonly to?: string;
  readonly duration?: string;
  readonly interval: string;
  readonly statEvery?: string;
  readonly config?: string;
  readonly profile?: string;
  readonly json?: boolean;
}

/** `plimsoll record`: samples cgroups and other resources into a dataset, for calibrate, export and recommend. */
export function recordCommand(): Command {
  return new Command("record")
    .description("record what cgroups use, and other resources, into a dataset")
    .requiredOption("--out <dir>", "a new or empty directory for the dataset")
    .option(
      "--resource <list...>",
      `what to record, with commas between: ${RECORDABLE.join(", ")} (default: ${RECORDED_BY_DEFAULT.join(",")})`,
    )
    .option("--cgroup <pattern...>", 'which cgroups, such as "/machine/*" or "/machine/**"')
    .option("--all", "all cgroups (this is so when no pattern is given)")
    .option("--from <time>", "wait until then; now when not given")
    .option("--to <time>", "until then")
    .option("--duration <time>", 'for so long, such as "20s" or "8h"')
    .option("--interval <time>", "time between two samples, from 1ms on", "1s")
    .option(
      "--stat-every <n>",
      "every n-th sample is of memory.stat, limits, events and pressure too (default: about every 5s)",
    )
    .option(
      "--profile <name>",
      "ready policy that says which processes are an application's (--resource app)",
    )
    .option("--config <file>", "policy file (TOML) that says so")
    .option("--json", "print the summary as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (options: RecordOptions) => {
      const intervalMs = intervalOf(options.interval);
      const recorded = recordedOf(options);
      const patterns = recorded.includes("cgroups") ? patternsOf(options) : [];
      const statEvery = statEveryOf(options.statEvery, intervalMs);
      const request = { recorded, patterns, intervalMs, statEvery };
      // Here and not above: the other commands shall not carry it.
      const { record } = await import("../recording/record.ts");
      process.exit(await record(options, request));
    });
}

function required<T>(option: string, parsed: Parsed<T>): T {
  if (parsed.ok) return parsed.value;
  throw new Fault(ExitCode.usage, `${option}: expected ${parsed.expected}, found ${parsed.found}`);
}

/** @throws Fault (usage) for what cannot be recorded, and for options that say nothing about what is */
function recordedOf(options: RecordOptions): readonly Recordable[] {
  if (options.resource === undefined) {
    requireApp(RECORDED_BY_DEFAULT, options);
    return RECORDED_BY_DEFAULT;
  }
  const words = options.resource.flatMap((each) => each.split(",")).map((word) => word.trim());
  for (const word of words) {
    if (RECORDABLE.some((each) => each === word)) continue;
    const nearest = nearestWord(word, RECORDABLE);
    const advice = nearest === null ? "" : `; did you mean ${nearest}?`;
    throw new Fault(
      ExitCode.usage,
      `--resource: expected some of ${RECORDABLE.join(", ")}, found ${describeValue(word)}${advice}`,
    );
  }
  const recorded = RECORDABLE.filter((each) => words.includes(each));
  requireApp(recorded, options);
  const { cgroup, all, statEvery } = options;
  if (recorded.includes("cgroups") || (cgroup ?? all ?? statEvery) === undefined) return recorded;
  const option = cgroup === undefined ? (all === undefined ? "--stat-every" : "--all") : "--cgroup";
  throw new Fault(
    ExitCode.usage,
    `${option}: expected cgroups among the resources, found --resource ${recorded.join(",")}; add them, or leave ${option} out`,
  );
}

/** @throws Fault (usage) for a policy without what is taken from it */
function requireApp(recorded: readonly Recordable[], { config, profile }: RecordOptions): void {
  if (recorded.includes("app") || (config ?? profile) === undefined) return;
  const option = profile === undefined ? "--config" : "--profile";
  throw new Fault(
    ExitCode.usage,
    `${option}: expected app among the resources, found --resource ${recorded.join(",")}; add it, or leave ${option} out`,
  );
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
