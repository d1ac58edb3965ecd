import { Command, InvalidArgumentError, Option } from "commander";
import { MARGIN_SHARE } from "../../core/calibration/recommend.ts";
import { ExitCode, Fault } from "../../core/fault.ts";
import { formatShare, parseShare } from "../../core/units.ts";

const RULE = `
The rule: what a cgroup needs is the most that it used (also by the kernel's own mark, where that moved).
  MemoryMax   the need and the margin, up to a whole MiB
  MemoryHigh  the need and half the margin: nothing that was seen is throttled
  MemoryLow   the median, down to a whole MiB: half of the time it used that much
A cgroup that was at its limit was cut off, so its need is not known: it gets the margin twice, on top of its limit.
Left out are the root, and cgroups that were recorded only as ancestors of others.

Of systemd units (*.service, *.scope, *.slice) there are drop-ins, to be copied to /etc/systemd/system, or those below
user-UID to that user's ~/.config/systemd/user; then: systemctl daemon-reload. Nothing is changed by this command itself.`;

const EXAMPLES = `
Examples:
  plimsoll recommend /var/lib/plimsoll/monday
  plimsoll recommend --margin 35% --format json monday tuesday
  plimsoll recommend --format systemd --out drop-ins monday

Exit codes: 0 done, 1 nothing could be read or written, or something named is no dataset, 2 usage, 5 not permitted.`;

const FORMATS = ["text", "json", "systemd"] as const;

interface RecommendFlags {
  readonly format: (typeof FORMATS)[number];
  readonly margin: number;
  readonly out?: string;
  readonly force?: boolean;
}

/** `plimsoll recommend`: limits that would suit the recorded cgroups. */
export function recommendCommand(): Command {
  return new Command("recommend")
    .description("say which memory limits would suit the cgroups that were recorded")
    .argument("<dataset...>", "directories that plimsoll record wrote")
    .addOption(new Option("--format <format>", "how to write it").choices(FORMATS).default("text"))
    .option("--margin <share>", "room above what was needed", readMargin, MARGIN_SHARE)
    .option(
      "--out <directory>",
      "with --format systemd: write the drop-ins below it instead of printing them",
    )
    .option("--force", "replace drop-ins that are there")
    .addHelpText("after", RULE + EXAMPLES)
    .action(recommend);
}

function readMargin(text: string): number {
  const parsed = parseShare(text);
  if (parsed.ok) return parsed.value;
  throw new InvalidArgumentError(`Expected ${parsed.expected}, found ${parsed.found}.`);
}

async function recommend(directories: readonly string[], flags: RecommendFlags): Promise<void> {
  const { format, margin, out, force = false } = flags;
  if (out !== undefined && format !== "systemd")
    throw new Fault(ExitCode.usage, `--out goes with --format systemd, found --format ${format}; use > FILE`);
  // Here and not above: the guard shall not carry what only the batch commands need.
  const [{ calibrationOf }, { recommendationsOf }, forms] = await Promise.all([
    import("../batch/calibration-of.ts"),
    import("../batch/recommendations.ts"),
    import("../batch/recommendation-form.ts"),
  ]);
  const { sets, datasets } = await calibrationOf(directories, { full: true, each: false });
  const recommendations = recommendationsOf(sets.flat(), datasets, margin);
  if (out !== undefined) {
    forms.writeDropIns(recommendations, out, force);
    return;
  }
  const text = {
    json: forms.recommendationsJson,
    text: (all: typeof recommendations) => forms.recommendationsText(all, formatShare(margin)),
    systemd: forms.dropInsText,
  }[format](recommendations);
  process.stdout.write(text);
}
