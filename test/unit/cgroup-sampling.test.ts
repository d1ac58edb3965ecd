/** Parts of the cgroup sampler that need no kernel: when is looked, what is held open. */
import fs from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KeyedLines } from "../../src/core/parse/keyed-lines.ts";
import { Detail, DETAIL_COLUMNS } from "../../src/core/cgroups/columns.ts";
import { detailFiles, StatForm } from "../../src/workers/sampler/cgroups/files.ts";
import { CLOSED, FollowedCgroup } from "../../src/workers/sampler/cgroups/followed.ts";
import { Depth, HeldDescriptors } from "../../src/workers/sampler/cgroups/held.ts";
import { Look, Rate } from "../../src/workers/sampler/cgroups/rate.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

describe("when is looked", () => {
  test("at the clock's own interval at each tick, however late, and at details each n-th time", () => {
    const rate = new Rate(1000, 3);
    const looks = [0, 990, 2900, 3000, 3001, 9000, 9100].map((nowUs) => rate.take(nowUs, 1000));
    const { usage, details } = Look;
    expect(looks).toEqual([details, usage, usage, details, usage, usage, details]);
  });

  test("at several intervals of the clock: as often as asked, whatever the ticks' lateness", () => {
    const lateness = fc.array(fc.nat(400), { minLength: 500, maxLength: 500 });
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 20 }), lateness, (ticks, late) => {
        const rate = new Rate(ticks * 1000, 1);
        const at = late.map((us, i) => (rate.take(i * 1000 + us, 1000) === Look.none ? -1 : i));
        const taken = at.filter((i) => i >= 0);
        expect(taken[0]).toBe(0);
        expect(Math.abs(taken.length - Math.ceil(500 / ticks))).toBeLessThanOrEqual(1);
        const gaps = taken.slice(1).map((i, k) => i - (taken[k] as number));
        expect(gaps.every((gap) => Math.abs(gap - ticks) <= 1)).toBe(true);
      }),
    );
  });

  test("after a standstill once, not as often as was missed", () => {
    const rate = new Rate(5000, 1);
    expect([0, 1_000_000, 1_001_000, 1_005_000].map((nowUs) => rate.take(nowUs, 1000))).toEqual([
      Look.details,
      Look.details,
      Look.none,
      Look.details,
    ]);
  });
});

function cgroup(number: number): FollowedCgroup {
  return new FollowedCgroup({
    number,
    path: `/${number}`,
    directory: `/${number}`,
    inode: number,
    onlyAncestor: false,
    lines: new KeyedLines([]),
    detailFiles: 3,
  });
}

const open = (): number => fs.openSync("/dev/null", fs.constants.O_RDONLY);

describe("what is held open", () => {
  test("usage of all before details of some, and details again when there is room", () => {
    const held = new HeldDescriptors(10);
    const cgroups: FollowedCgroup[] = [];
    const hold = (depth: Depth, take: (descriptor: number) => void): boolean => {
      if (!held.mayHold(depth, cgroups)) return false;
      held.take();
      take(open());
      return true;
    };
    const appear = (): FollowedCgroup => {
      const one = cgroup(cgroups.length);
      hold(Depth.usage, (descriptor) => (one.usage = descriptor));
      cgroups.push(one);
      hold(Depth.stat, (descriptor) => (one.stat = descriptor));
      for (let i = 0; i < 3; i++) hold(Depth.details, (descriptor) => (one.details[i] = descriptor));
      return one;
    };
    const counts = (): number[] =>
      [(each: FollowedCgroup) => each.usage, (each: FollowedCgroup) => each.stat].map(
        (file) => cgroups.filter((each) => file(each) !== CLOSED).length,
      );
    appear();
    appear();
    expect([held.held, held.short]).toEqual([10, false]);
    appear();
    expect([...counts(), held.held, held.short]).toEqual([3, 3, 6, true]);
    appear();
    appear();
    expect([...counts(), held.held]).toEqual([5, 5, 10]);
    for (let i = 0; i < 6; i++) appear();
    expect([...counts(), held.held]).toEqual([10, 0, 10]);
    for (const each of cgroups.splice(3)) held.give(each.close());
    expect(held.held).toBe(3);
    expect(held.mayHold(Depth.details, cgroups)).toBe(true);
    for (const each of cgroups) held.give(each.close());
    expect(held.held).toBe(0);
  });
});

describe("what is parsed", () => {
  const parse = (version: 1 | 2, name: string, text: string): Float64Array => {
    const frame = new Float64Array(DETAIL_COLUMNS.length).fill(Number.NaN);
    const bytes = Buffer.from(text);
    if (name === "memory.stat") {
      const form = new StatForm(version);
      form.parse(form.lines(), bytes, bytes.length, frame);
    } else {
      detailFiles(version)
        .find((file) => file.name === name)
        ?.parse(bytes, bytes.length, frame);
    }
    return frame;
  };

  test.each([
    [1, "memory.limit_in_bytes", "9223372036854771712\n", { limitBytes: Number.NaN }],
    [1, "memory.limit_in_bytes", "67108864\n", { limitBytes: 67_108_864 }],
    [1, "memory.soft_limit_in_bytes", "4096\n", { highBytes: 4096 }],
    [1, "memory.failcnt", "17\n", { limitHits: 17 }],
    [1, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", { oomKills: 3 }],
    [
      1,
      "memory.stat",
      "rss 1\ntotal_rss 7\ntotal_swap 9\n",
      { anonBytes: 7, swapBytes: 9, sharedBytes: Number.NaN },
    ],
    [2, "memory.max", "max\n", { limitBytes: Number.NaN }],
    [2, "memory.high", "4096\n", { highBytes: 4096 }],
    [2, "memory.min", "max\n", { minBytes: Number.MAX_SAFE_INTEGER }],
    [2, "memory.low", "0\n", { lowBytes: 0 }],
    [
      2,
      "memory.events",
      "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n",
      { limitHits: 3, highHits: 2, ooms: 4, oomKills: 5 },
    ],
    [
      2,
      "memory.pressure",
      "some avg10=0.00 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n",
      { someStallUs: 12, fullStallUs: 5 },
    ],
    [2, "memory.stat", "anon 5\nfile 6\nsock 8\n", { anonBytes: 5, socketBytes: 8 }],
    [2, "memory.current", "12", {}],
  ] as const)("cgroup v%i %s %j", (version, name, text, wanted) => {
    const frame = parse(version, name, text);
    for (const [column, value] of Object.entries(wanted)) {
      expect([column, frame[Detail[column as keyof typeof Detail]]]).toEqual([column, value]);
    }
    const touched = frame.filter((value) => !Number.isNaN(value)).length;
    expect(touched).toBe(Object.values(wanted).filter((value) => !Number.isNaN(value)).length);
  });
});
