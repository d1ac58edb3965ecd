/** What is odd about [cpu], [disk], [io], [net], [vm] and [[applications]]. */
import { nameMatcher } from "../net/names.ts";
import { RESOURCES } from "../resources/resource.ts";
import { formatDuration, formatShare } from "../units.ts";
import type { HostFacts, Report } from "./finding.ts";
import { lintApplications } from "./lint-applications.ts";
import type { KeyPath, LineOf } from "./locate.ts";
import { lintDisk } from "./lint-disk.ts";
import { lintSteps } from "./lint-ladder.ts";
import { lintNet } from "./lint-net.ts";
import type { Policy } from "./policy.ts";
import type { FairUsePolicy } from "./resources.ts";
import { describeSwitches } from "./switches.ts";

export function lintResources(policy: Policy, host: HostFacts | null, report: Report, lineOf: LineOf): void {
  lintCpu(policy, host, report);
  lintDisk(policy, report);
  lintIo(policy, host, report);
  lintNet(policy, host, report);
  lintVm(policy, report);
  lintApplications(policy, report);
  if (policy.scope !== "host") lintScope(policy, report, lineOf);
  if (host !== null) lintSwitches(host, report);
}

function lintCpu({ cpu }: Policy, host: HostFacts | null, report: Report): void {
  if (cpu.recoverShare >= cpu.busyShare) {
    report("error", ["cpu", "recover"], {
      expected: `less than cpu.busy (${formatShare(cpu.busyShare)})`,
      found: formatShare(cpu.recoverShare),
      advice: "the level would begin and end at every look; leave it out for 0.9 times busy",
    });
  }
  lintSteps(["cpu", "ladder"], cpu.ladder, report);
  const processors = host?.resources?.processors ?? null;
  cpu.ladder.forEach((rung, index) => {
    if (rung.action !== "quarantine" || processors === null || rung.cores < processors) return;
    report("warning", ["cpu", "ladder", index, "cores"], {
      expected: `less than the processors there are (${processors})`,
      found: String(rung.cores),
      advice: "it would take nothing from anybody; give less",
    });
  });
  if (cpu.fairUse === null) return;
  lintShare(cpu.fairUse, processors, report);
  lintTest(["cpu", "fair_use"], cpu.fairUse, report);
  lintEverybody(["cpu", "fair_use", "cgroups"], cpu.fairUse.cgroups, report);
  if (cpu.fairUse.windowMs >= cpu.intervalMs * SAMPLES_A_WINDOW) return;
  report("warning", ["cpu", "fair_use", "window"], {
    expected: `at least ${SAMPLES_A_WINDOW} times cpu.interval (${formatDuration(cpu.intervalMs)})`,
    found: formatDuration(cpu.fairUse.windowMs),
    advice: "what is held against the share would rest on a few looks",
  });
}

const SAMPLES_A_WINDOW = 5;

function lintShare(fairUse: FairUsePolicy, processors: number | null, report: Report): void {
  if (processors !== null && fairUse.cores >= processors) {
    report("warning", ["cpu", "fair_use", "cores"], {
      expected: `less than the processors there are (${processors})`,
      found: String(fairUse.cores),
      advice: "nobody can use more than that; fair use never fires here",
    });
  }
  if (fairUse.quarantineCores < fairUse.cores) return;
  report("warning", ["cpu", "fair_use", "quarantine_cores"], {
    expected: `less than cpu.fair_use.cores (${fairUse.cores})`,
    found: String(fairUse.quarantineCores),
    advice: "who is quarantined would have no less than its share; give less",
  });
}

function lintTest(
  path: KeyPath,
  { releaseMs, measureMs }: { readonly releaseMs: number; readonly measureMs: number },
  report: Report,
): void {
  if (releaseMs > measureMs) return;
  report("error", [...path, "release"], {
    expected: `more than ${path.join(".")}.measure (${formatDuration(measureMs)})`,
    found: formatDuration(releaseMs),
    advice: "the next test would begin before this one is over",
  });
}

/** To slow down whoever there is slows down those who would put it right. */
function lintEverybody(path: KeyPath, patterns: readonly string[], report: Report): void {
  patterns.forEach((pattern, index) => {
    if (!/^\/\*+$/.test(pattern)) return;
    report("warning", [...path, index], {
      expected: "patterns of those who have a share, such as /machine.slice/*",
      found: `${JSON.stringify(pattern)}: all there are`,
      advice: "init, sshd and the guard would be held to it too; name whom it is about",
    });
  });
}

function lintIo({ io }: Policy, host: HostFacts | null, report: Report): void {
  lintSteps(["io", "ladder"], io.ladder, report);
  lintTest(["io"], io, report);
  const throttles = io.ladder.findIndex(({ action }) => action === "throttle");
  if (io.enabled && host?.resources?.ioPressure === false) {
    report("warning", ["io", "stall"], {
      expected: "a kernel with pressure stall information (PSI)",
      found: "no /proc/pressure/io",
      advice: "no device is ever taken for saturated; boot with psi=1, or say io.enabled = false",
    });
  }
  if (throttles >= 0 && io.cgroups.length === 0) {
    report("warning", ["io", "cgroups"], {
      expected: "patterns of those who may be throttled",
      found: "none",
      advice: "nobody can be throttled; name them, or remove the step",
    });
  }
  io.ladder.forEach((rung, index) => {
    if (rung.action !== "throttle" || rung.share < 1) return;
    report("warning", ["io", "ladder", index, "share"], {
      expected: "less than all of what it does now",
      found: formatShare(rung.share),
      advice: "nothing would be throttled; give less",
    });
  });
}

function lintVm({ vm, memory, cpu }: Policy, report: Report): void {
  if (!vm.enabled) return;
  if (vm.hibernateAt === null && !vm.freezeOnCpu && !vm.destroy) {
    report("warning", ["vm", "enabled"], {
      expected: "hibernate_at, freeze_on_cpu or destroy to say what may be done",
      found: "none of them",
      advice: "machines are looked at and nothing is done; say vm.enabled = false if that is meant",
    });
  }
  if (vm.hibernateAt !== null && memory[vm.hibernateAt] === null) {
    report("warning", ["vm", "hibernate_at"], {
      expected: "a level that is switched on",
      found: `${JSON.stringify(vm.hibernateAt)}, which is off`,
      advice: `nobody is ever hibernated; switch memory.${vm.hibernateAt} on, or name the other`,
    });
  }
  if (vm.freezeOnCpu && !cpu.enabled) {
    report("warning", ["vm", "freeze_on_cpu"], {
      expected: "cpu.enabled = true to say when",
      found: "false",
      advice: "nobody is ever frozen; switch [cpu] on, or remove it",
    });
  }
  vm.never.forEach((pattern, index) => {
    if (!/^\*+$/.test(pattern)) return;
    report("warning", ["vm", "never", index], {
      expected: "some machine that may be touched",
      found: `${JSON.stringify(pattern)}: none`,
      advice: "say vm.enabled = false if that is meant",
    });
  });
  vm.order.forEach((name, index) => {
    if (/[*?]/.test(name) || !nameMatcher(vm.never)(name)) return;
    report("warning", ["vm", "order", index], {
      expected: "a machine that vm.never does not match",
      found: JSON.stringify(name),
      advice: "never counts; name it in one of the two",
    });
  });
}

function lintScope({ scope, ...policy }: Policy, report: Report, lineOf: LineOf): void {
  for (const resource of RESOURCES) {
    const key = resource === "app" ? "applications" : resource;
    // Only what the file itself says: the profile underneath is written for hosts.
    if (!policy[resource].enabled || lineOf([key]) === null) continue;
    report("warning", [key], {
      expected: 'scope = "host"',
      found: `the scope ${scope}`,
      advice: `${resource === "app" ? "[[applications]]" : `[${resource}]`} is about the whole host, and of no effect for a guard of one cgroup; remove it`,
    });
  }
}

function lintSwitches({ resources }: HostFacts, report: Report): void {
  const switches = resources?.switches;
  if (switches === undefined) return;
  const said = describeSwitches(switches);
  if (said !== null) {
    report(
      "warning",
      [],
      {
        expected: "a kernel command line that switches nothing off",
        found: switches.words.join(" "),
        advice: `${said}, whatever the policy says; boot without it to guard`,
      },
      null,
    );
  }
  for (const word of switches.unknown) {
    report(
      "warning",
      [],
      {
        expected: "a switch that is known (docs/operating.md) on the kernel command line",
        found: word,
        advice: "it switches nothing off; mend it, or remove it",
      },
      null,
    );
  }
}
