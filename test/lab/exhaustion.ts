import type { PlayOrder } from "./runner.ts";
import type { Play, Scenario, VmShape } from "./scenario.ts";
import { clerk } from "./scenarios/growth.ts";

/**
 * Whole-host exhaustion: `press` takes what there is and whatever becomes free again, and the policy says never to it,
 * so that the host stays at the brink for as long as the play lasts, code pages thrown out, whatever the guard does.
 * What the guard may end is `hog`, which grows beside it.
 */
function exhaustion(swap: VmShape["swap"]): Scenario {
  return {
    name: swap === null ? "exhaustion" : "exhaustion-swap",
    story: "A host is held at the brink of exhaustion: the guard keeps its clock and ends the hog.",
    vm: { memory: "512M", swap, cgroup: "v2" },
    never: ["press", "clerk"],
    programs: [
      clerk,
      { name: "hog", args: ["grow", "--from", "24", "--to", "96", "--rate", "8"], at: 1000 },
      {
        name: "press",
        args: ["grow", "--to", "3000", "--rate", "250", "--brink", swap === null ? "8" : "20"],
        at: 1500,
      },
    ],
    victim: { name: "hog", which: "all" },
    innocents: ["clerk", "press"],
    graceMs: 8_000,
    lastMs: swap === null ? 25_000 : 45_000,
  };
}

const SETTINGS = `[memory]
interval = "20ms"
interval_min = "20ms"
`;

/** Without swap, and with. */
export const exhaustionOrders: readonly PlayOrder[] = [null, "512M" as const].map((swap) => ({
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
