import { Command, Option } from "commander";
import { ExitCode, Fault } from "../../core/fault.ts";

const DEFINITIONS = `
Statistics, of memory.usage_in_bytes (cgroup v1) or memory.current (v2), all exact:
  min, max, median   in bytes; of an even number of samples, the median is the mean of the two in the middle
  with --full:
  p90, p95, p99      by nearest rank: the smallest sample that at least so many percent do not exceed
  mean, growth       growth is the slope of the line of least squares, bytes a second
  samples            looks at usage; absent_samples: those that could not be read, which count as nothing else
  time_at_limit      seconds in which usage was at 99 % of the cgroup's own limit or above; a sample holds until the next
  limit_hits         how often usage met the limit, by the kernel's count (v1 failcnt, v2 max of memory.events)
  peak_bytes         the kernel's mark of highest usage, where it was moved up meanwhile; it sees what falls between samples
  inodes             one for each cgroup that bore the path: their samples are taken together

Memory does not grow with the number of samples: some 120 MiB on two cores, 250 MiB with 20,000 cgroups.`;

const EXAMPLES = `
Examples:
  plimsoll calibrate /var/lib/plimsoll/monday > calibration.json
  plimsoll calibrate --full --format csv monday tuesday wednesday
  plimsoll calibrate --each --out calibration.json /var/lib/plimsoll/*

Exit codes: 0 done (what could not be read is named on stderr), 1 nothing could be read, or something named is no
dataset, 2 usage, 5 not permitted.`;

const FORMATS = ["json", "csv", "arrow"] as const;

interface CalibrateFlags {
  readonly format: (typeof FORMATS)[number];
  readonly full?: boolean;
  readonly each?: boolean;
  readonly out?: string;
  readonly force?: boolean;
}

/** `plimsoll calibrate`: what each cgroup used, from recordings. */
export function calibrateCommand(): Command {
  return new Command("calibrate")
    .description("say what each cgroup used while it was recorded: least, most, median")
    .argument("<dataset...>", "directories that plimsoll record wrote")
    .addOption(new Option("--format <format>", "how to write it").choices(FORMATS).default("json"))
    .option("--full", "more statistics: percentiles, mean, growth, time at the limit")
    .option("--each", "each dataset by itself, instead of cgroups of the same path over all of them as one")
    .option("--out <file>", "write to a file instead of standard output")
    .option("--force", "replace the file when it is there")
    .addHelpText("after", DEFINITIONS + EXAMPLES)
    .action(calibrateDatasets);
}

async function calibrateDatasets(directories: readonly string[], flags: CalibrateFlags): Promise<void> {
  // Here and not above: the guard shall not carry what only the batch commands need.
  const [{ calibrationOf }, { calibrationJson, calibrationTable }, { csvText }, output] = await Promise.all([
    import("../batch/calibration-of.ts"),
    import("../batch/calibration-form.ts"),
    import("../batch/csv-text.ts"),
    import("../batch/write-result.ts"),
  ]);
  const { format, full = false, each = false, out, force = false } = flags;
  if (format === "arrow" && out === undefined && process.stdout.isTTY)
    throw new Fault(ExitCode.usage, "Arrow's bytes are not for a terminal; name a file with --out");
  if (out !== undefined) output.refuseOverwriting([out], force);
  const { sets, datasets } = await calibrationOf(directories, { full, each });
  const named = sets.map((statistics, i) => ({
    dataset: each ? (datasets[i]?.directory ?? null) : null,
    statistics,
  }));
  const content =
    format === "json"
      ? calibrationJson(named)
      : format === "csv"
        ? csvText(calibrationTable(named, full))
        : (await import("../batch/calibration-arrow.ts")).calibrationArrow(named, full);
  output.writeResult(out ?? null, content);
}
