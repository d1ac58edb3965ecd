/** Numbers of cgroups: of the sampler's life and of a count within it, so that none is used twice by one program. */

const COUNT_BITS = 20;
const LIVES = 2 ** (31 - COUNT_BITS);

/** How many cgroups one life of the sampler can number. */
export const CGROUPS_PER_LIFE = 2 ** COUNT_BITS;

/**
 * The number of the `count`-th cgroup (from 0) that life `epoch` of the sampler found; it fits an int32 and is never 0.
 * @throws RangeError when this life has numbered all it can: its successor has room again
 */
export function cgroupNumber(epoch: number, count: number): number {
  if (count >= CGROUPS_PER_LIFE) {
    throw new RangeError(
      `expected at most ${CGROUPS_PER_LIFE} cgroups in one life of the sampler, found more`,
    );
  }
  // The first life is 1. After 2047 failures within one run numbers begin anew; those of then are long gone.
  return (((epoch - 1) % (LIVES - 1)) + 1) * CGROUPS_PER_LIFE + count;
}

/** Which life of the sampler gave this number. When a later life speaks, cgroups numbered by earlier ones are no more. */
export function lifeOfCgroup(number: number): number {
  return Math.floor(number / CGROUPS_PER_LIFE);
}
