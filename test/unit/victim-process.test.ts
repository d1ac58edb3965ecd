import { describe, expect, test } from "vitest";
import { rankVictims } from "../../src/core/victim/rank.ts";
import { ask, DAY, database, GiB, HOUR, MiB, MINUTE, row, rows, winner } from "../support/victim-host.ts";

describe("one process is the hog", () => {
  test("the young leak is ended, not the old database nine times its size", () => {
    const leak = row(300, { anonBytes: 1 * GiB, grownBytes: 700 * MiB, ageSeconds: MINUTE });
    expect(winner(ask([database, leak]))).toBe("process 300");
  });

  test("a leak that cannot cover the shortfall alone is still ended before the database", () => {
    const leak = row(300, { anonBytes: 400 * MiB, grownBytes: 350 * MiB, ageSeconds: MINUTE });
    expect(winner(ask([database, leak]))).toBe("process 300");
  });

  test("growth that is noise does not outweigh what covers the shortfall", () => {
    const noisy = row(300, { anonBytes: 60 * MiB, grownBytes: 8 * MiB, ageSeconds: DAY });
    expect(winner(ask([database, noisy]))).toBe("process 200");
  });

  test("a tab of 79 MB with oom_score_adj 300 does not die for a growing process of 3 GB", () => {
    const tab = row(400, { anonBytes: 79 * MiB, oomScoreAdj: 300, ageSeconds: MINUTE });
    const leak = row(401, { anonBytes: 3 * GiB, grownBytes: 100 * MiB, ageSeconds: HOUR });
    expect(winner(ask([tab, leak]))).toBe("process 401");
  });

  test("nor for an idle one, even where the tab alone would cover the shortfall", () => {
    const tab = row(400, { anonBytes: 79 * MiB, oomScoreAdj: 300 });
    const idle = row(401, { anonBytes: 3 * GiB });
    expect(winner(ask([tab, idle], { shortfallBytes: 50 * MiB }))).toBe("process 401");
  });

  test("oom_score_adj decides between equals", () => {
    const equal = { anonBytes: 2 * GiB };
    const tabs = [
      row(400, equal),
      row(401, { ...equal, oomScoreAdj: 300 }),
      row(402, { ...equal, oomScoreAdj: -300 }),
    ];
    expect(rankVictims(ask(tabs)).candidates.map((c) => c.pid)).toEqual([401, 400, 402]);
  });

  test("memory said to be infinite or no number was not read, and grew by nothing", () => {
    const broken = row(300, {
      anonBytes: 900 * MiB,
      grownBytes: Infinity,
      swapBytes: Infinity,
      ownSharedBytes: NaN,
    });
    const best = rankVictims(ask([broken])).candidates[0];
    expect(best).toMatchObject({ pid: 300, recoverableBytes: 900 * MiB, grownBytes: 0 });
  });

  test("swap counts as what comes back", () => {
    const swapped = row(300, { anonBytes: 10 * MiB, swapBytes: 2 * GiB });
    const resident = row(301, { anonBytes: 500 * MiB });
    expect(winner(ask([swapped, resident], { holders: { swapUsedBytes: 2 * GiB } }))).toBe("process 300");
  });
});

describe("nothing grows any more", () => {
  const jvm = row(200, { anonBytes: 8 * GiB, ageSeconds: 10 * DAY });

  test("a burst that ended and gave its memory back is left alone: the big idle JVM covers the shortfall", () => {
    const burst = row(300, { anonBytes: 90 * MiB, ageSeconds: 2 * MINUTE });
    expect(winner(ask([jvm, burst]))).toBe("process 200");
  });

  test("youth alone is no reason: what does not cover the shortfall stays", () => {
    const young = row(300, { anonBytes: 100 * MiB, ageSeconds: MINUTE });
    const old = row(301, { anonBytes: 2 * GiB, ageSeconds: 10 * DAY });
    expect(winner(ask([young, old]))).toBe("process 301");
  });

  test("a burst that ended and kept its memory covers the shortfall too, and has less work to lose", () => {
    const burst = row(300, { anonBytes: 2 * GiB, ageSeconds: 2 * MINUTE });
    expect(winner(ask([jvm, burst]))).toBe("process 300");
  });
});

describe("prefer and avoid", () => {
  const equal = { anonBytes: 2 * GiB };

  test("prefer comes first and avoid last among equals", () => {
    const three = [
      row(300, equal),
      row(301, { ...equal, preference: -1 }),
      row(302, { ...equal, preference: 1 }),
    ];
    expect(rankVictims(ask(three)).candidates.map((c) => c.pid)).toEqual([302, 300, 301]);
  });

  test("an avoided process that alone is the cause is ended all the same", () => {
    const avoided = row(300, { anonBytes: 2 * GiB, grownBytes: 1 * GiB, preference: -1, ageSeconds: MINUTE });
    expect(winner(ask([database, avoided]))).toBe("process 300");
  });

  test("a group is as dear as its dearest member", () => {
    const jobs = rows(2000, 20, (i) => ({
      processGroup: 2000,
      session: 250,
      anonBytes: 200 * MiB,
      preference: i === 3 ? -1 : 0,
    }));
    const group = rankVictims(ask(jobs, { unit: "group" })).candidates[0];
    expect(group?.parts.preference).toBeLessThan(0);
  });
});

describe("ties", () => {
  test("many equal: the younger, then the higher pid; ten are named", () => {
    const equals = rows(800, 60, () => ({ anonBytes: 100 * MiB }));
    const { candidates } = rankVictims(ask(equals));
    expect(candidates.map((c) => c.pid)).toEqual([859, 858, 857, 856, 855, 854, 853, 852, 851, 850]);
  });

  test("at the same score: what brings back more", () => {
    const huge = rows(800, 3, (i) => ({ anonBytes: 16 * GiB, swapBytes: (i === 1 ? 3 : 2) * GiB }));
    const { candidates } = rankVictims(
      ask(huge, { holders: { swapUsedBytes: 8 * GiB, anonBytes: 16 * GiB } }),
    );
    expect(new Set(candidates.map((c) => c.score)).size).toBe(1);
    expect(candidates.map((c) => c.pid)).toEqual([801, 802, 800]);
  });

  test("at the same score and size: the younger", () => {
    const old = rows(800, 3, (i) => ({ anonBytes: GiB, ageSeconds: (i === 1 ? 40 : 50) * DAY }));
    const { candidates } = rankVictims(ask(old));
    expect(new Set(candidates.map((c) => c.score)).size).toBe(1);
    expect(candidates.map((c) => c.pid)).toEqual([801, 802, 800]);
  });

  test("sums beyond what a double counts exactly do not depend on the order of the members", () => {
    const sizes = [2 ** 53, 1, 1, 2 ** 60, 3, 1, Number.MAX_VALUE];
    const members = sizes.map((anonBytes, i) =>
      row(800 + i, { processGroup: 800, anonBytes, grownBytes: anonBytes }),
    );
    const options = { unit: "group" as const, holders: { totalBytes: Number.MAX_VALUE, anonBytes: null } };
    const forwards = rankVictims(ask(members, options)).candidates[0];
    expect(forwards).toMatchObject({ id: 800 });
    expect(rankVictims(ask(members.toReversed(), options)).candidates[0]).toEqual(forwards);
    expect(Number.isSafeInteger(forwards?.recoverableBytes)).toBe(true);
  });
});
