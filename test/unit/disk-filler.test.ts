import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { judgeWriters, type WriterFigures } from "../../src/core/disk/filler.ts";
import { compilePlace, placeProblem } from "../../src/core/disk/place.ts";
import { compilePatterns } from "../../src/core/cgroups/pattern.ts";
import type { ProcessRow } from "../../src/core/victim/candidate.ts";
import { fuzzSettings } from "../support/fuzz.ts";
import { guard, init, row } from "../support/victim-host.ts";

const MIB = 2 ** 20;
const OLD = 100_000;

function writer(of: ProcessRow, more: Partial<WriterFigures>): WriterFigures {
  return {
    pid: of.pid,
    startTicks: of.startTicks,
    perSecond: 0,
    lifePerSecond: 0,
    ageSeconds: OLD,
    growthPerSecond: 0,
    files: ["/data/file"],
    ...more,
  };
}

function judge(
  rows: readonly ProcessRow[],
  writers: readonly WriterFigures[],
  fillPerSecond = 10 * MIB,
): string[] {
  const question = { processes: [init, guard, ...rows], writers, fillPerSecond, abnormalFactor: 10 };
  return judgeWriters({ ...question, ownPid: guard.pid, stuck: new Set() }).map(
    ({ writer: { pid }, verdict }) => `${pid} ${verdict}`,
  );
}

describe("who fills a disk", () => {
  const [a, b, c] = [row(200), row(201), row(202)];

  test("is who writes far more than it ever did, not who always writes much", () => {
    const steady = writer(a, { perSecond: 8 * MIB, lifePerSecond: 7 * MIB });
    const burst = writer(b, { perSecond: 5 * MIB, lifePerSecond: 0.1 * MIB });
    expect(judge([a, b], [steady, burst])).toEqual(["201 fills", "200 as-always"]);
  });

  test("has a file on that disk, and it is the file that grows which counts", () => {
    const elsewhere = writer(a, { perSecond: 90 * MIB, files: [] });
    const holds = writer(b, { perSecond: 50 * MIB, growthPerSecond: 0 });
    const grows = writer(c, { perSecond: 10 * MIB, growthPerSecond: 9 * MIB });
    expect(judge([a, b, c], [elsewhere, holds, grows])).toEqual(["202 fills", "201 too-little"]);
  });

  test("may be one that has just begun: it has no history to be like", () => {
    const young = writer(a, { perSecond: 9 * MIB, lifePerSecond: 9 * MIB, ageSeconds: 5 });
    expect(judge([a], [young])).toEqual(["200 fills"]);
  });

  test("is nobody whom the policy, the kernel or the guard itself protects, nor another by the same number", () => {
    const never = row(300, { never: true });
    const marked = row(301, { oomScoreAdj: -1000 });
    const writers = [never, marked, guard, init].map((each) => writer(each, { perSecond: 9 * MIB }));
    const reused = writer(a, { perSecond: 9 * MIB, startTicks: a.startTicks + 1 });
    const found = judge([never, marked, a], [...writers, reused]);
    expect(found.toSorted()).toEqual([
      "1 protected",
      "200 protected",
      "300 protected",
      "301 protected",
      "50 protected",
    ]);
  });

  test("whatever is seen: nobody fills it who is protected, has no file there, or stands for little", () => {
    const figures = fc.record({
      perSecond: fc.double({ min: 0, max: 1e9, noNaN: true }),
      lifePerSecond: fc.option(fc.double({ min: 0, max: 1e9, noNaN: true })),
      ageSeconds: fc.double({ min: 0, max: 1e6, noNaN: true }),
      growthPerSecond: fc.double({ min: 0, max: 1e9, noNaN: true }),
      here: fc.boolean(),
      never: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(figures, { maxLength: 12 }),
        fc.double({ min: 0, max: 1e9, noNaN: true }),
        (all, fill) => {
          const rows = all.map(({ never }, i) => row(1000 + i, { never }));
          const writers = all.map(({ here, never: _never, ...each }, i) =>
            writer(rows[i] as ProcessRow, { ...each, files: here ? ["/data/f"] : [] }),
          );
          for (const line of judge(rows, writers, fill).filter((each) => each.endsWith("fills"))) {
            const at = Number.parseInt(line, 10) - 1000;
            expect(all[at]).toMatchObject({ here: true, never: false });
            const rate = Math.max(all[at]?.perSecond ?? 0, all[at]?.growthPerSecond ?? 0);
            expect(rate).toBeGreaterThan(0.1 * fill);
          }
        },
      ),
      fuzzSettings(),
    );
  });
});

describe("places", () => {
  test.each([
    "/**",
    "/*",
    "/*/log",
    "/var/**",
    "/home/**/x",
    "/etc/*",
    "/usr/lib/*.so",
    "/dev/sd*",
    "/dev/*/x",
    "/proc/1/fd/*",
    "var/log/*",
    "/var/log/../../etc/*",
    "/var//log",
    "/var/log/",
    "/./x",
  ])("%s is refused", (files) => {
    expect(placeProblem(files)).not.toBeNull();
    expect(() => compilePlace({ files, ageMs: 0, order: "oldest", method: "auto" })).toThrow(RangeError);
  });

  test.each([
    "/var/log/syslog",
    "/var/log/*.gz",
    "/var/log/app/**",
    "/dev/shm/x/*",
    "/usr/local/cache/*",
    "/opt/jumpscale7/var/log/**",
  ])("%s is taken", (files) => expect(placeProblem(files)).toBeNull());

  /** Whether a walk from the base comes to a file of that path. */
  function comesTo(files: string, path: string): boolean {
    const place = compilePlace({ files, ageMs: 0, order: "oldest", method: "auto" });
    const names = path.split("/").slice(1);
    if (place.base.some((name, i) => names[i] !== name)) return false;
    let at = place.start;
    for (const name of names.slice(place.base.length)) at = place.next(at, name);
    return place.isListed(at);
  }

  test("a walk comes to the very files that the pattern matches", () => {
    const names = fc.constantFrom("a", "b", "ab", "aab", "a.log", "x");
    const patterns = fc.constantFrom("a", "b", "*", "**", "a*", "?", "*b", "a?b", "*.log", "**");
    const path = fc
      .array(names, { minLength: 1, maxLength: 6 })
      .map((parts) => `/srv/data/${parts.join("/")}`);
    const pattern = fc
      .array(patterns, { minLength: 1, maxLength: 5 })
      .map((parts) => `/srv/data/${parts.join("/")}`);
    fc.assert(
      fc.property(pattern, path, (files, at) => {
        expect(comesTo(files, at)).toBe(compilePatterns([files])(at));
      }),
      fuzzSettings(2000),
    );
  });
});
