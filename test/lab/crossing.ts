import type { GuardName } from "./guards.ts";
import type { PlayOrder } from "./runner.ts";
import type { Play, Scenario } from "./scenario.ts";

/**
 * From the crossing of the line to the signal. One guard, started once, meets programs one after another, each growing
 * at the same rate. Both times come from outside the guards: the crossing from a real-time thread that reads
 * /proc/meminfo each ms, the signal from the kernel's own trace.
 */
export const RATES_MIBS = [100, 500, 2000] as const;
export const LINE_PERCENT = 10;

/** What a program first takes at once leaves this much, so that it need not grow for long; then it waits 700 ms. */
const LEFT_MIB = 300;
const WAIT_MS = 700;

function crossing(rate: number, count: number): Scenario {
  const intervalMs = 2500 + Math.round((LEFT_MIB * 1000) / rate);
  const args = ["grow", "--to", "3000", "--jump", String(LEFT_MIB), "--after", String(WAIT_MS)];
  const programs = Array.from({ length: count }, (_, i) => ({
    name: `hog${i}`,
    args: [...args, "--rate", String(rate), "--huge"],
    at: 1000 + i * intervalMs,
  }));
  return {
    name: `crossing-${rate}`,
    story: `Programs growing at ${rate} MiB/s, one after another.`,
    vm: { memory: "1G", swap: null, cgroup: "v2" },
    programs,
    victim: null,
    innocents: [],
    lastMs: 1000 + count * intervalMs,
  };
}

/** Both guards at the same line; `count` programs a rate. earlyoom 1.7 takes whole percents of memory, as we do. */
export function crossingOrders(guards: readonly GuardName[], count: number): PlayOrder[] {
  const toml = `[memory.warning]\navailable = "15%"\n\n[memory.critical]\navailable = "${LINE_PERCENT}%"\n`;
  const args = ["-m", String(LINE_PERCENT), "-r", "3600"];
  return guards.flatMap((guard) =>
    RATES_MIBS.map((rate) => ({
      scenario: crossing(rate, count),
      guard,
      toml,
      args,
      linePercent: LINE_PERCENT,
    })),
  );
}

/** What came of one program. */
export interface Crossing {
  readonly name: string;
  /** From the crossing to the guard's first signal, ms; null: there was none, or no crossing. */
  readonly toSignalMs: number | null;
  /** The kernel's OOM killer was first. */
  readonly byKernel: boolean;
}

export function crossingsOf(play: Play): Crossing[] {
  return (play.facts?.programs ?? []).map((program) => {
    const { name, pid, startedMs } = program;
    const untilMs = program.endedMs || Number.POSITIVE_INFINITY;
    const crossedMs = play.facts?.crossedMs.find((ms) => ms > startedMs && ms < untilMs);
    const first = play.signals.find((sent) => sent.toPid === pid && sent.fromName !== "play");
    if (first === undefined || first.byKernel)
      return { name, toSignalMs: null, byKernel: first !== undefined };
    return { name, toSignalMs: crossedMs === undefined ? null : first.atMs - crossedMs, byKernel: false };
  });
}
