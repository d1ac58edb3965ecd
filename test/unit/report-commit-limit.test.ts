/** The CommitLimit that a report recommends, and the settings that give it: by the kernel's own formula. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commitAdvice, type CommitFacts, recommendCommitLimit } from "../../src/core/report/commit-limit.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const GIB = 2 ** 30;
const FACTS: CommitFacts = {
  committedMaxBytes: 20 * GIB,
  commitLimitBytes: 18 * GIB,
  ramBytes: 32 * GIB,
  hugePagesBytes: 0,
  swapBytes: 4 * GIB,
};

/** mm/util.c, vm_commit_limit(), in bytes. */
function kernelLimit(ramBytes: number, ratio: number, swapBytes: number): number {
  return (ramBytes * ratio) / 100 + swapBytes;
}

describe("the recommendation", () => {
  test("is the highest Committed_AS and a tenth; the ratio leaves swap and huge pages aside", () => {
    const found = recommendCommitLimit(FACTS);
    expect(found.limitBytes).toBe(22 * GIB);
    // 100 * (22 - 4) / 32 = 56.25.
    expect([found.ratio, found.ratioNeeded]).toEqual([57, 57]);
    expect(found.kbytes).toBe((18 * GIB) / 1024);
    expect(commitAdvice(FACTS).command).toBe("sysctl -w vm.overcommit_memory=2 vm.overcommit_ratio=57");
    expect(commitAdvice(FACTS).text).toMatch(/margin of 10 %: 22\.0 GiB/);
  });

  test("huge pages are no memory to promise: the ratio is higher with them", () => {
    expect(recommendCommitLimit({ ...FACTS, ramBytes: 24 * GIB, hugePagesBytes: 8 * GIB }).ratio).toBe(75);
  });

  test("more than there is is not recommended", () => {
    const facts = { ...FACTS, committedMaxBytes: 60 * GIB };
    expect(recommendCommitLimit(facts)).toMatchObject({ ratio: 100, ratioNeeded: 194 });
    expect(commitAdvice(facts)).toMatchObject({ command: null });
    expect(commitAdvice(facts).text).toMatch(/memory that is not there.*needs more memory or swap/);
  });

  test("where swap alone is more, the ratio is 0", () => {
    const facts = { ...FACTS, committedMaxBytes: 2 * GIB };
    expect(recommendCommitLimit(facts)).toMatchObject({ ratio: 0, kbytes: null, ratioLimitBytes: 4 * GIB });
    expect(commitAdvice(facts).text).toMatch(/Swap alone .* is more/);
  });

  test("where one per cent is much, kilobytes are named instead", () => {
    const facts = { ...FACTS, ramBytes: 2048 * GIB, swapBytes: 0, committedMaxBytes: 21 * GIB };
    expect(commitAdvice(facts).command).toMatch(/vm\.overcommit_kbytes=24222106$/);
  });

  test("without the host's table nothing is guessed", () => {
    const found = recommendCommitLimit({ ...FACTS, ramBytes: null, swapBytes: null });
    expect([found.ratio, found.ratioNeeded, found.kbytes]).toEqual([null, null, null]);
  });
});

test("the ratio is the smallest that gives the limit, and never promises more than there is", () => {
  const bytes = fc.integer({ min: 1, max: 2 ** 44 });
  fc.assert(
    fc.property(bytes, bytes, fc.oneof(fc.constant(0), bytes), (committedMaxBytes, ramBytes, swapBytes) => {
      const facts = { ...FACTS, committedMaxBytes, ramBytes, swapBytes };
      const { limitBytes, ratio, ratioNeeded, kbytes } = recommendCommitLimit(facts);
      if (ratio === null || ratioNeeded === null) throw new Error("all is known");
      expect(ratio).toBeGreaterThanOrEqual(0);
      expect(ratio).toBeLessThanOrEqual(100);
      const slack = 1e-9 * limitBytes;
      expect(kernelLimit(ramBytes, ratioNeeded, swapBytes)).toBeGreaterThanOrEqual(limitBytes - slack);
      if (ratioNeeded > 0)
        expect(kernelLimit(ramBytes, ratioNeeded - 1, swapBytes)).toBeLessThan(limitBytes + slack);
      if (kbytes !== null) expect(kbytes * 1024 + swapBytes).toBeGreaterThanOrEqual(limitBytes);
    }),
    fuzzSettings(),
  );
});
