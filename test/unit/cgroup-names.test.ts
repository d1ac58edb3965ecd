import { describe, expect, test } from "vitest";
import { parseCgroupCount, parseDescendants } from "../../src/core/cgroups/census.ts";
import { CGROUPS_PER_LIFE, cgroupNumber, lifeOfCgroup } from "../../src/core/cgroups/number.ts";
import { compilePatterns } from "../../src/core/cgroups/pattern.ts";

describe("patterns of cgroups", () => {
  test.each([
    ["/machine/build", ["/machine/build"], ["/machine", "/machine/build/a", "/machine/buil"]],
    ["/machine/*", ["/machine/a", "/machine/b.c"], ["/machine", "/machine/a/b", "/machines/a"]],
    ["/a/**", ["/a/b", "/a/b/c"], ["/a", "/", "/b/a/b"]],
    ["/**", ["/a", "/a/b"], ["/"]],
    ["/a/**/b", ["/a/b", "/a/x/b", "/a/x/y/b"], ["/a", "/a/x", "/a/x/b/c"]],
    ["/**/b", ["/b", "/a/b"], ["/a", "/b/a"]],
    ["/a/**/**", ["/a/b", "/a/b/c"], ["/a"]],
    ["/a**c", ["/ac", "/abc"], ["/a/c"]],
    [
      "/*.slice/*@?.service",
      ["/a.slice/getty@1.service"],
      ["/a.slice/getty@12.service", "/aslice/x@1.service"],
    ],
    ["/dev\\x2ddisk.mount", ["/dev\\x2ddisk.mount"], ["/dev-disk.mount"]],
    ["/a.b", ["/a.b"], ["/axb"]],
    ["/(a|b)[c]{1}+$^", ["/(a|b)[c]{1}+$^"], ["/ac"]],
    ["/cri:containerd:?", ["/cri:containerd:x"], ["/cri:containerd:"]],
    ["/?", ["/🜨", "/é"], ["/ab"]],
    ["/a\nb*", ["/a\nb", "/a\nbc"], ["/a"]],
  ])("%s", (pattern, fits, misses) => {
    const matches = compilePatterns([pattern]);
    expect(fits.filter((path) => !matches(path))).toEqual([]);
    expect(misses.filter((path) => matches(path))).toEqual([]);
  });

  test("none fits none", () => {
    expect(compilePatterns([])("/a")).toBe(false);
  });

  test.each(["", "a", "a/b", "/", "//a", "/a/", "/a//b"])(
    "%j is refused, with what is expected",
    (pattern) => {
      expect(() => compilePatterns(["/fine", pattern])).toThrow(/expected a pattern .* found .*: begin it/);
    },
  );
});

describe("numbers of cgroups", () => {
  test("are never given twice, fit an int32 and say whose they are", () => {
    expect(cgroupNumber(1, 0)).toBe(2 ** 20);
    expect(cgroupNumber(1, CGROUPS_PER_LIFE - 1) + 1).toBe(cgroupNumber(2, 0));
    expect(cgroupNumber(2047, CGROUPS_PER_LIFE - 1)).toBe(2 ** 31 - 1);
    expect(cgroupNumber(2048, 0)).toBe(cgroupNumber(1, 0));
    expect(lifeOfCgroup(cgroupNumber(7, 12345))).toBe(7);
    expect(() => cgroupNumber(1, CGROUPS_PER_LIFE)).toThrow(RangeError);
  });
});

describe("how many cgroups there are", () => {
  const bytes = (text: string): [Uint8Array, number] => [
    Buffer.from(`${text}\nmemory\t4\t9\t1\n`),
    text.length,
  ];

  test("by /proc/cgroups", () => {
    const head = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t3\t1\t1\n";
    expect(parseCgroupCount(...bytes(`${head}memory\t4\t31\t1\npids\t8\t1\t1\n`))).toBe(31);
    expect(parseCgroupCount(...bytes(`${head}memory\t4\t31`))).toBeNaN();
    expect(parseCgroupCount(...bytes(`${head}memory\t4`))).toBeNaN();
    expect(parseCgroupCount(...bytes(head))).toBeNaN();
    expect(parseCgroupCount(...bytes(""))).toBeNaN();
  });

  test("by cgroup.stat", () => {
    expect(parseDescendants(...bytes("nr_descendants 12\nnr_dying_descendants 3\n"))).toBe(12);
    expect(parseDescendants(...bytes("nr_dying_descendants 3\n"))).toBeNaN();
    expect(parseDescendants(...bytes("nr_descendants 12"))).toBeNaN();
  });
});
