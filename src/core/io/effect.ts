import type { IoLimits, IoLoad } from "./action.ts";

/** The kernel lets a little more through in short: what was queued before, and its slices of 100 ms. */
const SLACK = 1.5;
/** Who still does this part of what it did has not been slowed down. */
const UNCHANGED = 0.8;

/**
 * What a limit has come to, by what the cgroup does after it:
 * - `held`: it keeps to every limit. - `slower`: not to all, but it does less than it did.
 * - `none`: it does what it did. On cgroup v1 buffered writes are not its own but the kernel's, so nothing holds them.
 */
export type Effect = "held" | "slower" | "none";

export function effectOf(limits: IoLimits, before: IoLoad, after: IoLoad): Effect {
  const over = (Object.keys(limits) as (keyof IoLimits)[]).filter((key) => {
    const limit = limits[key];
    return limit !== null && after[key] > limit * SLACK;
  });
  if (over.length === 0) return "held";
  return over.some((key) => after[key] >= before[key] * UNCHANGED) ? "none" : "slower";
}
