import type { Facts, Play, Scenario, SentSignal } from "./scenario.ts";

/** Whether a guard did right in a scenario, and if not, everything that it did wrong. */
export interface Verdict {
  readonly right: boolean;
  readonly faults: readonly string[];
  /** Names of those that were ended, by whom, and how many of each: `leaky by guard`, `cc1 x3 by kernel`. */
  readonly ended: readonly string[];
}

/** The sender of the play itself, which cleans up after a scenario. */
const PLAYER = "play";

/**
 * Right is: the expected victim ended by the guard, every innocent alive and unsignalled, the kernel's OOM killer
 * never needed, and the guard alive at the end. Pure.
 */
export function judge(scenario: Scenario, play: Play): Verdict {
  const facts = play.facts;
  if (facts === null) return { right: false, faults: ["the VM ended before the play was over"], ended: [] };
  // Before time zero a guard may signal helpers of its own.
  const signals = play.signals.filter((sent) => sent.fromName !== PLAYER && sent.atMs >= facts.zeroMs);
  const faults = [
    ...guardFaults(play.guard, facts),
    ...victimFaults(scenario, facts, signals),
    ...innocentFaults(scenario, facts, signals),
  ];
  if (facts.oomKills > 0) faults.push(`the kernel's OOM killer was needed (${facts.oomKills})`);
  return { right: faults.length === 0, faults, ended: endedBy(signals) };
}

function guardFaults(guard: string, facts: Facts): string[] {
  if (guard === "kernel") return [];
  if (facts.readyMs === 0) return ["the guard never became ready"];
  return facts.guardLives ? [] : ["the guard did not live"];
}

function victimFaults(scenario: Scenario, facts: Facts, signals: readonly SentSignal[]): string[] {
  const { victim } = scenario;
  const byGuard = signals.filter((sent) => !sent.byKernel);
  if (victim === null) {
    const names = new Set(signals.map((sent) => sent.toName));
    return names.size === 0 ? [] : [`nobody was to be ended, but ${[...names].join(", ")}`];
  }
  if (!byGuard.some((sent) => sent.toName === victim.name)) return [`the guard did not end ${victim.name}`];
  const left = leftOf(facts, victim.name);
  if (victim.which === "all" && left > 0) return [`${left} of ${victim.name} were left`];
  return [];
}

function innocentFaults(scenario: Scenario, facts: Facts, signals: readonly SentSignal[]): string[] {
  const faults: string[] = [];
  for (const name of scenario.innocents) {
    const started = facts.programs.filter((program) => program.name === name);
    if (started.length === 0) faults.push(`the innocent ${name} was never started`);
    const hit = signals.find((sent) => sent.toName === name);
    if (hit !== undefined)
      faults.push(`the innocent ${name} was ended by the ${hit.byKernel ? "kernel" : "guard"}`);
    else if (started.some((program) => program.endedMs > 0)) faults.push(`the innocent ${name} ended`);
  }
  return faults;
}

function leftOf(facts: Facts, name: string): number {
  return facts.programs.find((program) => program.name === name)?.left ?? 0;
}

function endedBy(signals: readonly SentSignal[]): string[] {
  const pids = new Map<string, Set<number>>();
  for (const sent of signals) {
    const key = `${sent.toName}|${sent.byKernel ? "kernel" : "guard"}`;
    pids.set(key, (pids.get(key) ?? new Set<number>()).add(sent.toPid));
  }
  return [...pids].map(([key, ended]) => {
    const [name = "", by = ""] = key.split("|");
    return `${name}${ended.size > 1 ? ` x${ended.size}` : ""} by ${by}`;
  });
}
