import { ExitCode } from "../../core/fault.ts";
import { cgroupChecks } from "./cgroup-checks.ts";
import { type Check, exitCodeOf, type Subject } from "./check.ts";
import { companyChecks } from "./company-checks.ts";
import { actingChecks, kernelCheck } from "./kernel-checks.ts";
import { memoryChecks } from "./memory-checks.ts";
import { networkChecks } from "./network-checks.ts";
import { privilegeChecks } from "./privilege-checks.ts";
import { programChecks } from "./program-checks.ts";
import { rescueChecks } from "./rescue-checks.ts";
import { commandLineCheck, resourceChecks } from "./resource-checks.ts";

/** Something the guard does not cover, and why. */
export interface Uncovered {
  readonly what: string;
  readonly why: string;
}

export interface Examination {
  readonly scope: string;
  /** Guarding is possible, maybe with limits. */
  readonly possible: boolean;
  readonly exitCode: ExitCode;
  readonly checks: readonly Check[];
  readonly uncovered: readonly Uncovered[];
}

/** What lies outside on every host. */
const NEVER_COVERED: readonly Uncovered[] = [
  {
    what: "memory that files in tmpfs, huge pages or the kernel itself hold",
    why: "ending a process does not bring it back; the record says who holds it",
  },
  {
    what: "a process that hangs in the kernel (state D)",
    why: "no signal ends it; it is reported and the next one is considered",
  },
  {
    what: "levels of cgroups other than the scope",
    why: "one guard has one scope; who runs into a limit of its own is rescued where [rescue] names it",
  },
];

/** Of a guard of one cgroup. */
const HOST_COVERED: Uncovered = {
  what: "CPU, disk space and inodes, disk and network traffic, virtual machines",
  why: "they are the host's: a guard of one cgroup guards memory alone",
};

/** Looks at all that guarding needs, by doing it where that is harmless. Leaves nothing behind. */
export async function examine(subject: Subject): Promise<Examination> {
  const checks = [
    kernelCheck(),
    commandLineCheck(subject),
    ...(await actingChecks(subject)),
    ...memoryChecks(subject),
    ...cgroupChecks(subject),
    ...rescueChecks(subject),
    ...(subject.scope === "host" ? [...resourceChecks(subject), ...networkChecks(subject)] : []),
    ...companyChecks(subject),
    ...privilegeChecks(subject),
    ...programChecks(),
  ];
  const lacking = checks.filter(({ state }) => state !== "ok");
  const uncovered = lacking.map(({ name, means, found }) => ({ what: means, why: `${name}: ${found}` }));
  const exitCode = exitCodeOf(checks, subject.uid);
  return {
    scope: subject.scope,
    possible: exitCode === ExitCode.done,
    exitCode,
    checks,
    uncovered: [...uncovered, ...(subject.scope === "host" ? [] : [HOST_COVERED]), ...NEVER_COVERED],
  };
}
