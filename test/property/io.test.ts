/** Whatever cgroups do to a disk, and whatever becomes of actions: nobody is throttled who must not be, and nobody for ever. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { effectOf } from "../../src/core/io/effect.ts";
import { ioLeverFiles, ioLeverValues } from "../../src/core/io/lever-values.ts";
import { isTighter, limitsFor, tightest } from "../../src/core/io/limits.ts";
import { HALF, heaviest } from "../../src/core/io/looks.ts";
import { isLeverValue, readLeverText } from "../../src/core/levers/lever.ts";
import type { ResourceOutcome } from "../../src/core/resources/report.ts";
import { fuzzSettings } from "../support/fuzz.ts";
import { IO_POLICY, IoWorld } from "../support/io-world.ts";

const PATHS = ["/a", "/b", "/b/c", "/guard", "/barred"] as const;
const OUTCOMES: readonly ResourceOutcome[] = ["done", "partly", "failed", "refused", "gone", "unknown"];
const seconds = fc.array(
  fc.record({
    path: fc.constantFrom(...PATHS),
    demand: fc.constantFrom(0, 10, 400, 3000, 20_000),
    lasts: fc.integer({ min: 1, max: 25 }),
    outcome: fc.constantFrom(...OUTCOMES),
  }),
  { minLength: 1, maxLength: 12 },
);

test("nobody is throttled who must not be, below the minimum, or for less than half of the load", () => {
  fc.assert(
    fc.property(seconds, fc.nat(2000), (turns, others) => {
      const world = new IoWorld(1000, { mayThrottle: (path) => path !== "/barred" });
      world.otherReads = others;
      for (const { path, demand, lasts, outcome } of turns) {
        world.wish(path, demand);
        world.outcomeOf = ({ kind }) => (kind === "throttle" ? outcome : "released");
        world.run(lasts);
      }
      for (const action of world.actions) {
        if (action.kind !== "throttle") continue;
        expect(["/a", "/b", "/b/c"]).toContain(action.cgroup);
        const { readBytes, reads } = action.limits;
        expect(readBytes ?? Infinity).toBeGreaterThanOrEqual(IO_POLICY.bytesMinPerSecond);
        expect(reads ?? Infinity).toBeGreaterThanOrEqual(IO_POLICY.operationsMinPerSecond);
        expect("share" in action.load ? action.load.share : 0).toBeGreaterThanOrEqual(HALF);
      }
    }),
    fuzzSettings(200),
  );
});

test("whoever was throttled is let go when all is calm", () => {
  fc.assert(
    fc.property(seconds, (turns) => {
      const world = new IoWorld(1000);
      for (const { path, demand, lasts } of turns) {
        world.wish(path, demand);
        world.run(lasts);
      }
      for (const path of PATHS) world.wish(path, 1);
      // As long as the last wait, and the one before it, may be.
      const failed = Math.max(0, ...world.state.throttles.all.map(({ failedTests }) => failedTests));
      world.run(60 + (IO_POLICY.releaseMs / 1000) * 2 ** (failed + 1));
      expect(world.state.throttles.all).toEqual([]);
      for (const path of PATHS) expect(world.limitOf(path)).toBeNull();
    }),
    fuzzSettings(100),
  );
});

const rate = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e10, noNaN: true }));
const load = fc.record({ readBytes: rate, writtenBytes: rate, reads: rate, writes: rate });
const limit = fc.option(fc.integer({ min: 1, max: 2 ** 40 }));
const limits = fc.record({ readBytes: limit, writtenBytes: limit, reads: limit, writes: limit });

test("a limit is a whole number, at most what is done now or the minimum, and only in a direction that counts", () => {
  fc.assert(
    fc.property(load, fc.double({ min: 0.01, max: 1, noNaN: true }), (does, share) => {
      const found = limitsFor({ path: "/a", share: 1, ...does }, share, IO_POLICY);
      for (const key of ["readBytes", "writtenBytes", "reads", "writes"] as const) {
        const value = found[key];
        if (value === null) continue;
        const minimum = /Bytes/.test(key) ? IO_POLICY.bytesMinPerSecond : IO_POLICY.operationsMinPerSecond;
        expect(Number.isSafeInteger(value)).toBe(true);
        expect(value).toBeLessThanOrEqual(Math.max(Math.ceil(does[key]), minimum));
        expect(value).toBeGreaterThanOrEqual(minimum);
      }
      expect(isTighter(found, found)).toBe(false);
    }),
    fuzzSettings(),
  );
});

test("of two limits the lower one counts, in everything", () => {
  fc.assert(
    fc.property(limits, limits, (a, b) => {
      const both = tightest(a, b);
      expect(isTighter(a, both) || isTighter(b, both)).toBe(false);
      expect(both).toEqual(tightest(b, a));
      if (isTighter(both, a)) expect(both).not.toEqual(a);
      else expect(both).toEqual(a);
    }),
    fuzzSettings(),
  );
});

test("what is written is of the files' forms, takes nothing but down, and reads back as it was meant", () => {
  fc.assert(
    fc.property(limits, limits, fc.constantFrom(1 as const, 2 as const), (own, wished, version) => {
      const present = new Map<string, string>(
        version === 2
          ? [["io.max", ioMax(own)]]
          : [own.readBytes, own.writtenBytes, own.reads, own.writes].map((value, i) => [
              ioLeverFiles(1)[i] as string,
              String(value ?? 0),
            ]),
      );
      const values = ioLeverValues(version, wished, (file) => present.get(file) ?? null);
      for (const { file, value } of values) {
        expect(isLeverValue(file, value)).toBe(true);
        expect(readLeverText(file, "8:0", `7:0 5\n8:0 ${value}\n`)).toBe(value);
        present.set(file, value);
      }
      const both = tightest(own, wished);
      const wanted = [both.readBytes, both.writtenBytes, both.reads, both.writes];
      if (version === 2) expect(present.get("io.max")).toBe(ioMax(both));
      else expect([...present.values()]).toEqual(wanted.map((value) => String(value ?? 0)));
    }),
    fuzzSettings(),
  );
});

function ioMax({
  readBytes,
  writtenBytes,
  reads,
  writes,
}: typeof limits extends fc.Arbitrary<infer T> ? T : never) {
  return `rbps=${readBytes ?? "max"} wbps=${writtenBytes ?? "max"} riops=${reads ?? "max"} wiops=${writes ?? "max"}`;
}

test("an effect is seen where there is one", () => {
  fc.assert(
    fc.property(limits, load, fc.double({ min: 0, max: 3, noNaN: true }), (set, before, factor) => {
      const after = {
        readBytes: before.readBytes * factor,
        writtenBytes: before.writtenBytes * factor,
        reads: before.reads * factor,
        writes: before.writes * factor,
      };
      const keys = ["readBytes", "writtenBytes", "reads", "writes"] as const;
      const effect = effectOf(set, before, after);
      const keeps = keys.every((key) => after[key] <= (set[key] ?? Infinity));
      if (keeps) expect(effect).toBe("held");
      if (effect === "none") expect(factor).toBeGreaterThanOrEqual(0.79);
      if (effect === "slower") expect(factor).toBeLessThan(0.81);
    }),
    fuzzSettings(),
  );
});

test("the heaviest does at least half, and nobody within it does", () => {
  const loads = fc.uniqueArray(
    fc.record({
      path: fc.constantFrom("/a", "/a/b", "/a/b/c", "/d", "/d/e", "/ab"),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    { selector: ({ path }) => path },
  );
  fc.assert(
    fc.property(loads, (all) => {
      const whole = all.map((each) => ({ ...each, readBytes: 0, writtenBytes: 0, reads: 0, writes: 0 }));
      const found = heaviest(whole);
      if (found.kind === "spread") {
        expect(all.every(({ share }) => share < HALF)).toBe(true);
        return;
      }
      expect(found.load.share).toBeGreaterThanOrEqual(HALF);
      const within = all.filter(({ path }) => path.startsWith(`${found.load.path}/`));
      expect(within.every(({ share }) => share < HALF)).toBe(true);
      expect(found.others).toHaveLength(all.length - 1);
    }),
    fuzzSettings(),
  );
});
