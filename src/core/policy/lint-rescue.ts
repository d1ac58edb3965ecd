/** What is odd about the cgroups that are followed, and about whose limits may be moved. */
import { formatBytes, formatDuration } from "../units.ts";
import { compilePatterns } from "../cgroups/pattern.ts";
import { INTERVAL_RESCUE_MS } from "./compile.ts";
import type { HostFacts, Report } from "./finding.ts";
import type { KeyPath } from "./locate.ts";
import { formatAmount } from "./lint-levels.ts";
import { overlapsScope, patternsOverlap } from "./overlap.ts";
import { type Policy, rescues } from "./policy.ts";

/** Fewer samples than these within a half-life are no statistics. */
const SAMPLES_A_HALF_LIFE = 10;
/** What comes back sooner than this many reactions after it was lent is lent again at the next breath. */
const REACTIONS_TO_RETURN = 10;
/**
 * As fast as one thread can make a cgroup grow: 2.9 GiB/s of 4 KiB pages touched for the first time (Linux 6.18, x64).
 * Nothing is asked of the margin for the sake of a faster one.
 */
const FASTEST_GROWTH_BYTES_PER_MS = (3 * 2 ** 30) / 1000;
/**
 * From the crossing to the guard's waking: on v2 memory.events speaks at most every 10 ms; a v1 usage threshold was
 * seen after 3.3 ms at the latest (Linux 6.18, 500 MiB/s).
 */
const NOTICE_MS = { 1: 4, 2: 10 } as const;

export function lintRescue(policy: Policy, host: HostFacts | null, report: Report): void {
  lintFollowing(policy, report);
  lintCalibration(policy, report);
  lintAmounts(policy, report);
  if (rescues(policy)) lintTimes(policy, host, report);
  lintWho(policy, report);
  if (policy.scope !== "host") lintScope(policy, report);
}

function lintFollowing(policy: Policy, report: Report): void {
  const { cgroups } = policy;
  if (cgroups.enabled && cgroups.watch.length === 0) {
    report("warning", ["cgroups", "watch"], {
      expected: "at least one pattern",
      found: "none",
      advice: "no cgroup is followed; say cgroups.enabled = false if that is meant",
    });
  }
  if (!cgroups.enabled && rescues(policy)) {
    report("error", ["cgroups", "enabled"], {
      expected: "true, as rescue.cgroups names whom to rescue",
      found: "false",
      advice: "nobody can be rescued without being followed; remove it, or say rescue.cgroups = [] too",
    });
  }
  if (cgroups.halfLifeMs < cgroups.intervalMs * SAMPLES_A_HALF_LIFE) {
    report("warning", ["cgroups", "half_life"], {
      expected: `at least ${SAMPLES_A_HALF_LIFE} times cgroups.interval (${formatDuration(cgroups.intervalMs)})`,
      found: formatDuration(cgroups.halfLifeMs),
      advice: "what is learned would rest on a few samples; look more often, or let them count longer",
    });
  }
}

function lintCalibration({ cgroups }: Policy, report: Report): void {
  const calibrated = Object.keys(cgroups.calibration);
  if (cgroups.calibrationPath === null || calibrated.some(compilePatterns(cgroups.watch))) return;
  report("warning", ["cgroups", "calibration"], {
    expected: "a calibration of cgroups that cgroups.watch matches",
    found: calibrated.length === 0 ? "one of none" : `one of ${JSON.stringify(calibrated[0])} and such`,
    advice: "it is of no use; calibrate a recording of the cgroups that are followed",
  });
}

function lintAmounts({ rescue }: Policy, report: Report): void {
  if (rescue.addMinBytes > rescue.addMaxBytes) {
    report("error", ["rescue", "add_min"], {
      expected: `at most rescue.add_max (${formatBytes(rescue.addMaxBytes)})`,
      found: formatBytes(rescue.addMinBytes),
      advice: "add_min is the smaller: what one event adds at least",
    });
  }
  if ("share" in rescue.hostReserve && rescue.hostReserve.share >= 1) {
    report("warning", ["rescue", "host_reserve"], {
      expected: "less than all memory",
      found: formatAmount(rescue.hostReserve),
      advice: "nothing could ever be added",
    });
  }
}

function lintTimes({ cgroups, rescue }: Policy, host: HostFacts | null, report: Report): void {
  if (cgroups.intervalMs > INTERVAL_RESCUE_MS) {
    report("warning", ["cgroups", "interval"], {
      expected: `at most ${formatDuration(INTERVAL_RESCUE_MS)} where limits may be moved`,
      found: formatDuration(cgroups.intervalMs),
      advice: "how fast a cgroup grows, and what its donors can spare, would be known as of that long ago",
    });
  }
  const noticeMs = NOTICE_MS[host?.cgroupVersion ?? 2];
  if (rescue.reactionMs < noticeMs) {
    report("warning", ["rescue", "reaction"], {
      expected: `at least ${formatDuration(noticeMs)}, as long as the kernel may take to speak again`,
      found: formatDuration(rescue.reactionMs),
      advice: "what is added would be used up before the next notice",
    });
  }
  const paused = host?.cgroupVersion !== 2 && rescue.cgroups.every((each) => rescue.pause.includes(each));
  const growth = Math.min(rescue.addMaxBytes / rescue.reactionMs, FASTEST_GROWTH_BYTES_PER_MS);
  if (!paused && rescue.marginBytes < growth * noticeMs) {
    const rate = `growth of ${formatBytes(growth * 1000)} a second, for which add_max and reaction are made`;
    report("warning", ["rescue", "margin"], {
      expected: `at least ${formatBytes(growth * noticeMs)}: ${formatDuration(noticeMs)}, as long as the kernel may take to speak, of ${rate}`,
      found: formatBytes(rescue.marginBytes),
      advice: "who grows so fast is at its limit before the guard wakes; raise margin, or lower add_max",
    });
  }
  if (rescue.returnAfterMs < rescue.reactionMs * REACTIONS_TO_RETURN) {
    report("warning", ["rescue", "return_after"], {
      expected: `at least ${REACTIONS_TO_RETURN} times rescue.reaction (${formatDuration(rescue.reactionMs)})`,
      found: formatDuration(rescue.returnAfterMs),
      advice: "a cgroup that breathes would be lent to and taken from at every breath",
    });
  }
}

function lintWho(policy: Policy, report: Report): void {
  const { rescue } = policy;
  for (const { path, pattern, again } of saidPatterns(policy)) {
    lintWildcards(pattern, path, report);
    if (!again) continue;
    report("warning", path, {
      expected: "each pattern once",
      found: `${JSON.stringify(pattern)} twice`,
      advice: "remove one",
    });
  }
  if (rescue.cgroups.length === 0 && rescue.donors.length > 0) {
    report("warning", ["rescue", "donors"], {
      expected: "rescue.cgroups to say who may be given what these lend",
      found: "none",
      advice: "nothing is ever lent; name who may be given memory, or remove the donors",
    });
  }
  rescue.pause.forEach((pattern, index) => {
    if (rescue.cgroups.some((receiver) => patternsOverlap(receiver, pattern))) return;
    report("warning", ["rescue", "pause", index], {
      expected: "a pattern that can match what rescue.cgroups matches",
      found: JSON.stringify(pattern),
      advice: "nobody is paused by it, as only who may be given memory can be; name it under cgroups too",
    });
  });
}

/** A guard of one cgroup follows and changes nothing outside of it. */
function lintScope(policy: Policy, report: Report): void {
  const { scope } = policy;
  for (const { path, pattern } of saidPatterns(policy)) {
    if (overlapsScope(pattern, scope)) continue;
    report("warning", path, {
      expected: `a pattern of what lies in the scope ${scope}`,
      found: JSON.stringify(pattern),
      advice: `it matches nothing that this guard looks at; begin it with ${scope}/, or guard the host`,
    });
  }
}

function lintWildcards(pattern: string, path: KeyPath, report: Report): void {
  if (!/[[\]{}]/.test(pattern)) return;
  report("warning", path, {
    expected: "no wildcards but *, ** and ?",
    found: JSON.stringify(pattern),
    advice: "brackets and braces stand for themselves; write a pattern for each",
  });
}

/** A pattern as it was said. */
export interface SaidPattern {
  readonly path: KeyPath;
  readonly pattern: string;
  /** The same stands earlier in the same list. */
  readonly again: boolean;
}

export function saidPatterns({ cgroups, rescue }: Policy): SaidPattern[] {
  const said = (path: KeyPath, patterns: readonly string[]): SaidPattern[] =>
    patterns.map((pattern, index) => ({
      path: [...path, index],
      pattern,
      again: patterns.indexOf(pattern) < index,
    }));
  // What is named for rescue was laid behind what `watch` says, and is told of where it was said.
  const named = new Set([...rescue.cgroups, ...rescue.donors]);
  return [
    ...said(["cgroups", "watch"], cgroups.watch).filter(({ pattern }) => !named.has(pattern)),
    ...said(["rescue", "cgroups"], rescue.cgroups),
    // Donors that were not said are the receivers.
    ...said(["rescue", "donors"], rescue.donors === rescue.cgroups ? [] : rescue.donors),
    ...said(["rescue", "pause"], rescue.pause),
  ];
}
