/** How fast-check runs: from the seed in PLIMSOLL_SEED when there is one, which plays a failure again. */
export function fuzzSettings(numRuns = 300): { readonly numRuns: number; readonly seed?: number } {
  const seed = process.env["PLIMSOLL_SEED"];
  return seed === undefined ? { numRuns } : { numRuns, seed: Number(seed) };
}
