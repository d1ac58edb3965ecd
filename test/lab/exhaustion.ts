import type { PlayOrder } from "./runner.ts";
import type { Play, Scenario, VmShape } from "./scenario.ts";
import { clerk } from "./scenarios/growth.ts";

/**
 * Whole-host exhaustion: a program takes what there is and whatever becomes free again, so that the host stays at the
 * brink for seconds, code pages thrown out. The guard samples each 20 ms and may act only after the level has lasted
 * four seconds: long enough to show how late its samples come.
 */
function exhaustion(swap: VmShape["swap"]): Scenario {
  return {
    name: swap === null ? "exhaustion" : "exhaustion-swap",
    story: "A host is held at the brink of exhaustion: the guard keeps its clock and ends the hog.",
    vm: { memory: "512M", swap, cgroup: "v2" },
    programs: [
      clerk,
      { name: "hog", args: ["grow", "--to", "3000", "--rate", "250", "--brink", "3"], at: 1500 },
    ],
    victim: { name: "hog", which: "all" },
    innocents: ["clerk"],
    lastMs: swap === null ? 20_000 : 45_000,
  };
}

const SETTINGS = `[memory]
interval = "20ms"
interval_min = "20ms"
urgent_stall = "100%"
thrashing = false

[memory.critical]
for = "4s"
`;

/** Without swap, and with. */
export const exhaustionOrders: readonly PlayOrder[] = [null, "1G" as const].map((swap) => ({
  scenario: exhaustion(swap),
  guard: "plimsoll",
  toml: SETTINGS,
}));

/**
 * The worst time between two samples of the guard's memory sampler, ms, as the guard itself reports it when it ends;
 * null: its output does not say.
 */
export function worstSampleGapMs(play: Play): number | null {
  const match = /worst(?: sample)? (?:gap|lateness)\D*([\d.]+) ?ms/i.exec(play.guardLog);
  return match === null ? null : Number(match[1]);
}
