/** The rule that limits are recommended by, and whom a recommendation is for. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type LimitEvidence, recommendLimit } from "../../src/core/calibration/recommend.ts";
import { dropInPath, dropInText, limitCommand, unitOf } from "../../src/core/calibration/systemd.ts";

const MIB = 2 ** 20;
const seed = process.env["PLIMSOLL_SEED"];
const RUNS = seed === undefined ? {} : { seed: Number(seed) };

function evidence(parts: Partial<LimitEvidence>): LimitEvidence {
  const none = { limitBytes: null, p99Bytes: 0, maxBytes: 0, medianBytes: 0, timeAtLimitS: null };
  return { ...none, ...parts };
}

describe("the rule", () => {
  test("is the need and the margin, in whole MiB", () => {
    const advice = recommendLimit(
      evidence({ maxBytes: 100 * MIB, p99Bytes: 90 * MIB, medianBytes: 40.9 * MIB }),
      0.2,
    );
    expect(advice).toMatchObject({ maxBytes: 120 * MIB, highBytes: 110 * MIB, lowBytes: 40 * MIB });
    expect(advice.why).toBe("used up to 100 MiB (p99 90 MiB, median 40.9 MiB); 20 % margin");
    expect(recommendLimit(evidence({ maxBytes: 100 * MIB + 1 }), 0.2)).toMatchObject({
      maxBytes: 121 * MIB,
      highBytes: 111 * MIB,
    });
  });

  test("takes the kernel's own mark and a p99 above the recent maximum into the need", () => {
    expect(recommendLimit(evidence({ maxBytes: MIB, peakBytes: 200 * MIB }), 0.5).maxBytes).toBe(300 * MIB);
    expect(recommendLimit(evidence({ maxBytes: MIB, p99Bytes: 200 * MIB }), 0.5).maxBytes).toBe(300 * MIB);
  });

  test("gives twice the margin above the limit to one that was at it", () => {
    const at = { limitBytes: 100 * MIB, maxBytes: 99.5 * MIB, p99Bytes: 99 * MIB, timeAtLimitS: 12.3456 };
    const advice = recommendLimit(evidence(at), 0.2);
    expect(advice.maxBytes).toBe(140 * MIB);
    expect(advice.why).toContain("was at its limit of 100 MiB for 12.3 s");
    expect(recommendLimit(evidence({ ...at, timeAtLimitS: 0 }), 0.2).maxBytes).toBe(120 * MIB);
  });

  test("throttles and kills nothing that was seen, whatever was seen", () => {
    const bytes = fc.integer({ min: 0, max: 2 ** 45 });
    const parts = fc.record({
      limitBytes: fc.option(bytes),
      p99Bytes: bytes,
      maxBytes: bytes,
      medianBytes: bytes,
      timeAtLimitS: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true })),
      peakBytes: fc.option(bytes),
    });
    fc.assert(
      fc.property(parts, fc.double({ min: 0, max: 1, noNaN: true }), (given, margin) => {
        const { maxBytes, highBytes, lowBytes, why } = recommendLimit(given, margin);
        const seen = Math.max(given.p99Bytes, given.maxBytes, given.peakBytes ?? 0);
        expect(highBytes).toBeGreaterThanOrEqual(seen);
        expect(maxBytes).toBeGreaterThan(highBytes);
        expect(lowBytes).toBeLessThanOrEqual(given.medianBytes);
        for (const each of [maxBytes, highBytes, lowBytes]) expect(each % MIB).toBe(0);
        expect(why).not.toMatch(/NaN|undefined|null|Infinity/);
      }),
      RUNS,
    );
  });
});

describe("whose it is", () => {
  test.each([
    ["/system.slice/nginx.service", "nginx.service", null],
    ["/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", null],
    ["/system.slice", "system.slice", null],
    ["/user.slice/user-1000.slice/user@1000.service", "user@1000.service", null],
    ["/user.slice/user-1000.slice/user@1000.service/app.slice/app\\x2da.scope", "app\\x2da.scope", 1000],
    ["/system.slice/_cpu.service", "cpu.service", null],
  ])("%s is %s", (path, name, uid) => {
    expect(unitOf(path)).toEqual({ name, uid });
  });

  test.each([
    "/",
    "/build",
    "/docker/0123abcd/system.slice/nginx.service",
    "/machine.slice/payload/init.scope",
    "/system.slice/a b.service",
    "/system.slice/../x.service/..",
    "/system.slice/.service",
    `/system.slice/${"x".repeat(250)}.service`,
  ])("%s is no unit of this host", (path) => {
    expect(unitOf(path)).toBeNull();
  });

  test("a drop-in has the section of its kind, and lies where its manager looks", () => {
    const advice = recommendLimit(evidence({ maxBytes: 10 * MIB, medianBytes: 5 * MIB }), 0.2);
    const unit = { name: "job.scope", uid: 1000 };
    expect(dropInPath(unit)).toBe("user-1000/job.scope.d/50-plimsoll.conf");
    expect(dropInText(unit, advice, "1.2.3").split("\n").slice(1)).toEqual([
      "[Scope]",
      `MemoryLow=${5 * MIB}`,
      `MemoryHigh=${11 * MIB}`,
      `MemoryMax=${12 * MIB}`,
      "",
    ]);
    expect(dropInPath({ name: "a.slice", uid: null })).toBe("a.slice.d/50-plimsoll.conf");
  });

  test("a command survives any path in a shell", () => {
    const advice = recommendLimit(evidence({ maxBytes: 10 * MIB }), 0.2);
    expect(limitCommand("/a/b", advice, 1)).toBe(
      `echo ${12 * MIB} > /sys/fs/cgroup/memory/a/b/memory.limit_in_bytes`,
    );
    expect(limitCommand("/it's $(x)", advice, 2)).toBe(
      `echo ${12 * MIB} > '/sys/fs/cgroup/it'\\''s $(x)/memory.max'`,
    );
  });
});
