/** What is odd about [[applications]], [callbacks] and what else is said of them. */
import { formatShare } from "../units.ts";
import {
  APP_LEVELS,
  APP_MEASURES,
  type ApplicationPolicy,
  type AppMeasure,
  type AppRung,
  type MeasurePolicy,
} from "./applications.ts";
import type { Report } from "./finding.ts";
import type { KeyPath } from "./locate.ts";
import { lintSteps } from "./lint-ladder.ts";
import { lintGroups } from "./lint-groups.ts";
import type { Policy } from "./policy.ts";

export function lintApplications(policy: Policy, report: Report): void {
  const { app } = policy;
  if (!app.enabled) lintNobody(policy, report);
  app.applications.forEach((application, index) => {
    const path = ["applications", index];
    const twin = app.applications.findIndex(({ name }) => name === application.name);
    if (twin < index) {
      report("error", [...path, "name"], {
        expected: "each application once",
        found: `a second one called ${JSON.stringify(application.name)}`,
        advice: "put the two together, or give one another name",
      });
    }
    lintGroups(path, application, report);
    if (application.physical === null && application.allocated === null) {
      report("warning", path, {
        expected: "physical or allocated memory to be looked at",
        found: "both switched off",
        advice: "the application is sampled, and nothing can happen; remove one of the two false",
      });
    }
    for (const what of APP_MEASURES) {
      const measure = application[what];
      if (measure !== null) lintMeasure([...path, what], what, measure, report);
    }
    lintOwnLadder(path, application, policy, report);
  });
}

/** What counts for nothing without an application. */
function lintNobody({ app }: Policy, report: Report): void {
  const idle: readonly (readonly [KeyPath, boolean])[] = [
    [["callbacks", "module"], app.callbacksPath !== null],
    [["exit_with_application"], app.exitWithApplication],
    [["monitor_log"], app.monitorLogPath !== null],
  ];
  for (const [path, said] of idle) {
    if (!said) continue;
    report("warning", path, {
      expected: "an application it is about",
      found: "no [[applications]]",
      advice: "nothing comes of it; name an application, or take a profile (--profile nso)",
    });
  }
}

function lintMeasure(path: KeyPath, what: AppMeasure, measure: MeasurePolicy, report: Report): void {
  const { warningShare, criticalShare, hysteresisShare, actsInModes, ladders } = measure;
  if (warningShare >= criticalShare) {
    report("error", [...path, "warning", "used"], {
      expected: `less than that of critical (${formatShare(criticalShare)})`,
      found: formatShare(warningShare),
      advice: "the warning would never come before it; lower this, or raise the other",
    });
  }
  if (hysteresisShare >= warningShare) {
    report("error", [...path, "hysteresis"], {
      expected: `less than where warning begins (${formatShare(warningShare)})`,
      found: formatShare(hysteresisShare),
      advice: "the level could never end; a few percent are enough",
    });
  }
  const acts = APP_LEVELS.some((level) => ladders[level].some(({ action }) => action !== "log"));
  if (actsInModes.length === 0 && acts) {
    report("warning", [...path, "acts_in"], {
      expected: "some value of vm.overcommit_memory",
      found: "none",
      advice: 'no step is ever taken; name modes, or write ["log"] where that is meant',
    });
  }
  for (const level of APP_LEVELS) {
    const ladder = ladders[level];
    const ladderPath = [...path, level, "ladder"];
    // Nothing to be done when all is well is the rule.
    if (level !== "info" || ladder.length > 0) lintSteps(ladderPath, ladder, report);
    lintRungs(ladderPath, ladder, report);
    if (what === "allocated") lintAllocated(ladderPath, ladder, actsInModes, report);
  }
}

const SIGNALLING: ReadonlySet<AppRung["action"]> = new Set(["signal", "sigterm", "sigkill"]);

function lintRungs(path: KeyPath, ladder: readonly AppRung[], report: Report): void {
  ladder.forEach((rung, index) => {
    const step = [...path, index];
    const alone = ladder.slice(0, index).every(({ action }) => action === "log" || action === "wait");
    if (rung.action === "wait" && alone) {
      report("warning", step, {
        expected: "a step before it that has the file written",
        found: "none",
        advice: "it would wait for a file that nobody was asked for; put it behind the signal or command",
      });
    }
  });
}

/** Committed_AS is a promise that the kernel holds nobody to but in mode 2: to end somebody for it saves nothing. */
function lintAllocated(
  path: KeyPath,
  ladder: readonly AppRung[],
  actsInModes: readonly number[],
  report: Report,
): void {
  const index = ladder.findIndex(({ action }) => SIGNALLING.has(action));
  const modes = actsInModes.filter((mode) => mode !== 2);
  if (index < 0 || modes.length === 0) return;
  report("warning", [...path, index], {
    expected: "signals for allocated memory only under vm.overcommit_memory = 2 (acts_in = [2])",
    found: `acts_in = [${actsInModes.join(", ")}]`,
    advice: `under ${modes.join(" and ")} Committed_AS may pass CommitLimit and nothing fails; an application that is well would be ended`,
  });
}

/** The guard's own ladder shall not end what was just asked to end by itself. */
function lintOwnLadder(
  path: KeyPath,
  { physical }: ApplicationPolicy,
  { memory }: Policy,
  report: Report,
): void {
  const asks = physical?.ladders.critical.some(({ action }) => action !== "log") ?? false;
  if (physical === null || !asks || physical.basis === "free") return;
  const leftShare = 1 - physical.criticalShare;
  for (const name of ["critical", "thrashing"] as const) {
    const level = memory[name];
    const ends = level?.ladder.some(({ action }) => SIGNALLING.has(action)) ?? false;
    if (level === null || !ends || "bytes" in level.available) continue;
    // Shares such as 1 - 0.95 are not exact in binary fractions.
    if (level.available.share < leftShare - 1e-9) continue;
    report("warning", [...path, "physical", "critical", "used"], {
      expected: `more left at it than memory.${name}.available (${formatShare(level.available.share)})`,
      found: `${formatShare(leftShare)} left`,
      advice: `the guard may end a process at once while the application is still asked to end by itself; lower memory.${name}.available`,
    });
  }
}
