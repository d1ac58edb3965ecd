import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { type PlayOrder, playAll } from "./runner.ts";
import type { Play } from "./scenario.ts";

/**
 * Plays orders, and those that went wrong again, in new VMs, at most so many times in all. The VM's processor is emulated
 * on a machine that others use too: a play can be lost to seconds in which the guest did not run at all. What is wrong
 * in each of its plays is wrong; each wrong play is told.
 * @param faultsOf what is wrong with a play, nothing when it is right
 * @returns what was wrong with the last play of each, by its scenario's name
 */
export async function playUntilRight(
  orders: readonly PlayOrder[],
  folder: string,
  times: number,
  faultsOf: (order: PlayOrder, play: Play) => readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const faults = new Map<string, readonly string[]>();
  let left = orders;
  for (let time = 1; time <= times && left.length > 0; time++) {
    const place = mkdtempSync(join(folder, `play-${time}-`));
    await playAll(left, place, (order, play) => faults.set(order.scenario.name, faultsOf(order, play)));
    left = left.filter(({ scenario }) => (faults.get(scenario.name) ?? ["it was not played"]).length > 0);
    for (const { scenario } of left) {
      console.warn(`play ${time} of ${scenario.name} (${place}): ${faults.get(scenario.name)?.join("; ")}`);
    }
  }
  return faults;
}
