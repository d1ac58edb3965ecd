/** What is odd, or dangerous, about [disk]: above all about files that may be removed. */
import { compilePatterns } from "../cgroups/pattern.ts";
import { placeProblem } from "../disk/place.ts";
import { formatDuration } from "../units.ts";
import type { Report } from "./finding.ts";
import { lintSteps } from "./lint-ladder.ts";
import { formatAmount } from "./lint-levels.ts";
import type { KeyPath } from "./locate.ts";
import type { Policy } from "./policy.ts";
import type { PlaceRule, Room } from "./resources.ts";

export function lintDisk(policy: Policy, report: Report): void {
  const { disk } = policy;
  if (disk.intervalMinMs > disk.intervalMs) {
    report("error", ["disk", "interval_min"], {
      expected: `at most disk.interval (${formatDuration(disk.intervalMs)})`,
      found: formatDuration(disk.intervalMinMs),
      advice: "interval_min is the shorter: how often to look when a file system is about to be full",
    });
  }
  lintRoom(["disk"], "space", disk.space, report);
  lintRoom(["disk"], "inodes", disk.inodes, report);
  disk.mounts.forEach((mount, index) => {
    const path = ["disk", "mounts", index];
    if (mount.space !== null) lintRoom(path, "space", mount.space, report);
    if (mount.inodes !== null) lintRoom(path, "inodes", mount.inodes, report);
  });
  disk.places.forEach((place, index) => {
    const again = disk.places.findIndex(({ files }) => files === place.files) < index;
    lintPlace(place, again, ["disk", "places", index, "files"], report);
  });
  lintOwnLog(policy, report);
  lintSteps(["disk", "ladder"], disk.ladder, report);
  lintReclaim(policy, report);
  if (disk.abnormalFactor > 1) return;
  report("warning", ["disk", "abnormal"], {
    expected: "more than 1",
    found: String(disk.abnormalFactor),
    advice: "whoever writes as usual would be taken for the one that fills the disk",
  });
}

function lintRoom(path: KeyPath, what: "space" | "inodes", { low, recover }: Room, report: Report): void {
  const key = [...path, `${what}_recover`];
  if ("share" in low && low.share >= 1) {
    report("warning", [...path, what], {
      expected: "less than all there is",
      found: formatAmount(low),
      advice: "the level would always hold",
    });
  }
  const above =
    "share" in low && "share" in recover
      ? recover.share - low.share
      : "bytes" in low && "bytes" in recover
        ? recover.bytes - low.bytes
        : null;
  if (above === null || above > 0) return;
  report("error", key, {
    expected: `more than ${what} (${formatRoom(low, what)})`,
    found: formatRoom(recover, what),
    advice: `the level would begin and end at every look; leave it out for 1.5 times ${what}`,
  });
}

/** Free space or a number of inodes for people. */
export function formatRoom(amount: Room["low"], what: "space" | "inodes"): string {
  return what === "inodes" && "bytes" in amount ? `${amount.bytes}` : formatAmount(amount);
}

/** What lies directly in them is a whole branch of the host. */
const BRANCHES = new Set(["/home", "/opt", "/root", "/run", "/srv", "/var", "/var/lib", "/var/spool"]);

/** Why a pattern of files is never one of files to remove; null: nothing speaks against it. */
function dangerOf(files: string): string | null {
  const problem = placeProblem(files);
  if (problem !== null) return problem;
  const names = files.split("/").slice(1);
  const wild = names.findIndex((name) => /[*?]/.test(name));
  const directory = `/${(wild < 0 ? names.slice(0, -1) : names.slice(0, wild)).join("/")}`;
  if (directory === "/") return `"${files}" lies in the root directory itself`;
  return BRANCHES.has(directory) && wild >= 0 ? `"${files}" is whatever lies in ${directory}` : null;
}

function lintPlace({ files }: PlaceRule, again: boolean, path: KeyPath, report: Report): void {
  const danger = dangerOf(files);
  if (danger !== null) {
    report("error", path, {
      expected: "files in a directory of their own, such as /var/log/app/*.log",
      found: danger,
      advice: "name the directory in full, down to where nothing but such files lie",
    });
  }
  if (/[[\]{}]/.test(files)) {
    report("warning", path, {
      expected: "no wildcards but *, ** and ?",
      found: JSON.stringify(files),
      advice: "brackets and braces stand for themselves; write a place for each",
    });
  }
  if (!again) return;
  report("warning", path, {
    expected: "each place once",
    found: `${JSON.stringify(files)} twice`,
    advice: "the first counts; remove the other",
  });
}

/** The guard's own log keeps to its own limit; removed, it would tell nobody why. */
function lintOwnLog({ disk, record }: Policy, report: Report): void {
  const own = record.auditPath ?? "/var/log/plimsoll/audit.jsonl";
  disk.places.forEach(({ files }, index) => {
    if (!compilePatterns([files])(own)) return;
    report("warning", ["disk", "places", index, "files"], {
      expected: "nothing of the guard's own",
      found: `${JSON.stringify(files)}, which matches the audit log ${own}`,
      advice: "what is removed of it tells nobody why any more; record.audit_limit bounds it already",
    });
  });
}

function lintReclaim({ disk }: Policy, report: Report): void {
  const reclaims = disk.ladder.some(({ action }) => action === "reclaim");
  if (reclaims && disk.places.length === 0) {
    report("warning", ["disk", "ladder"], {
      expected: "disk.places to say what may be removed",
      found: "none",
      advice: "there is nothing to reclaim; list places, or remove the step",
    });
  }
  if (reclaims || disk.places.length === 0) return;
  report("warning", ["disk", "places"], {
    expected: 'a step "reclaim" in disk.ladder',
    found: "none",
    advice: "nothing is ever removed; add the step, or remove the places",
  });
}
