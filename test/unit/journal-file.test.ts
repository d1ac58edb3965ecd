/** The journal as a file: what stands in it, and when, also on a full disk. */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test, type TestContext } from "vitest";
import { foldJournal, formatSet } from "../../src/core/rescue/journal.ts";
import { Journal, readJournal } from "../../src/workers/rescue/journal.ts";
import { testDirectory } from "../support/guard.ts";
import { mounts, need, root } from "../support/needs.ts";

const LIMIT = "/c/a b/memory.limit_in_bytes";
const HIGH = "/c/a b/memory.high";

function open(context: TestContext, directory = testDirectory(context)): Journal {
  const journal = Journal.open(path.join(directory, "limits.journal"));
  context.onTestFinished(() => journal.close());
  return journal;
}

const textOf = (journal: Journal): string => fs.readFileSync(journal.path, "utf8");

describe("a transaction", () => {
  test("stands in the journal once it is committed, and not before", (context) => {
    const journal = open(context);
    journal.set(LIMIT, 5, 8192, 4096);
    journal.set(HIGH, 5, Number.POSITIVE_INFINITY, 4096);
    expect(textOf(journal)).toBe("");
    expect(journal.outstanding()).toEqual([]);
    expect(journal.commit()).toBeNull();
    expect(textOf(journal)).toBe(`set 5 8192 8192 4096 ${LIMIT}\nset 5 max max 4096 ${HIGH}\n`);
    expect(journal.outstanding()).toEqual(foldJournal(textOf(journal)).outstanding);
  });

  test("keeps the first original, until the file is settled", (context) => {
    const journal = open(context);
    journal.set(LIMIT, 5, 8192, 4096);
    journal.commit();
    journal.set(LIMIT, 5, 4096, 8192);
    journal.commit();
    expect(textOf(journal).split("\n")[1]).toBe(`set 5 8192 4096 8192 ${LIMIT}`);
    expect(journal.settle(LIMIT, 5)).toBe(true);
    journal.commit();
    expect(journal.outstanding()).toEqual([]);
    expect(readJournal(journal.path).outstanding).toEqual([]);
    journal.set(LIMIT, 5, 16_384, 4096);
    journal.commit();
    expect(journal.outstanding()).toMatchObject([{ original: 16_384 }]);
    expect(journal.settle(LIMIT, 5)).toBe(false);
    expect(journal.isOutstanding(LIMIT, 5)).toBe(true);
    expect(journal.isOutstanding(LIMIT, 6)).toBe(false);
  });

  test("has a file once: whoever finds it knows two values that may be in it", (context) => {
    const journal = open(context);
    journal.set(LIMIT, 5, 8192, 4096);
    expect(() => journal.set(LIMIT, 5, 4096, 2048)).toThrow(/once a transaction/);
  });

  test("only has limits of cgroups in it", (context) => {
    const journal = open(context);
    for (const wrong of ["/etc/passwd", "c/memory.max", "/c\n/memory.max"]) {
      expect(() => journal.set(wrong, 5, 1, 2)).toThrow(/limit file/);
    }
  });

  test("of a cgroup at the path of one that is gone closes the old one", (context) => {
    const journal = open(context);
    journal.set(LIMIT, 5, 8192, 4096);
    journal.commit();
    journal.set(LIMIT, 6, 100, 200);
    journal.commit();
    const { outstanding, abandoned } = readJournal(journal.path);
    expect(outstanding).toMatchObject([{ inode: 6, original: 100 }]);
    expect(abandoned).toEqual([{ path: LIMIT, inode: 5, why: "gone" }]);
    expect(journal.outstanding()).toEqual(outstanding);
  });

  test("of more lines than there is room for makes room", (context) => {
    const journal = open(context);
    const paths = Array.from({ length: 300 }, (_, i) => `/c/${"x".repeat(200)}${i}/memory.max`);
    for (const [i, each] of paths.entries()) journal.set(each, i + 1, 4096 * i, 4096);
    expect(journal.commit()).toBeNull();
    expect(readJournal(journal.path).outstanding.map((each) => each.path)).toEqual(paths);
  });
});

describe("the next life", () => {
  test("takes over what is outstanding, and goes on with the originals", (context) => {
    const directory = testDirectory(context);
    const first = open(context, directory);
    first.set(LIMIT, 5, 8192, 4096);
    first.set(HIGH, 5, 100, 200);
    first.commit();
    first.strike(HIGH, 5, "left");
    first.commit();
    fs.appendFileSync(first.path, "garbage\nset 5 1 1 1 /torn/memory.ma");
    const second = open(context, directory);
    expect(second.outstanding()).toMatchObject([{ path: LIMIT, original: 8192, before: 8192, value: 4096 }]);
    expect(textOf(second)).toBe(second.outstanding().map(formatSet).join(""));
    second.set(LIMIT, 5, 4096, 2048);
    second.commit();
    expect(second.outstanding()).toMatchObject([{ original: 8192, before: 4096, value: 2048 }]);
  });

  test("tidying keeps what is outstanding, forgets the rest, and comes back after a removal", (context) => {
    const journal = open(context);
    for (let i = 0; i < 2500; i++) {
      journal.set(LIMIT, 5, 4096 * i, 4096 * (i + 1));
      journal.commit();
    }
    const grown = fs.statSync(journal.path).size;
    expect(journal.tidy()).toBeNull();
    expect(grown).toBeGreaterThan(100_000);
    expect(fs.statSync(journal.path).size).toBeLessThan(100);
    const before = journal.outstanding();
    fs.rmSync(journal.path);
    expect(journal.tidy()).toBeNull();
    expect(readJournal(journal.path).outstanding).toEqual(before);
    journal.set(HIGH, 5, 1, 2);
    expect(journal.commit()).toBeNull();
    expect(readJournal(journal.path).outstanding).toHaveLength(2);
  });

  test("it is never longer than a guardian reads in a moment", (context) => {
    const journal = open(context);
    let longest = 0;
    for (let i = 0; i < 20_000; i++) {
      journal.set(LIMIT, 5, 4096 * i, 4096 * (i + 1));
      journal.commit();
      if (i % 500 === 0) longest = Math.max(longest, fs.statSync(journal.path).size);
    }
    expect(longest).toBeLessThan(300_000);
    expect(readJournal(journal.path).outstanding).toEqual(journal.outstanding());
  });
});

test("a full disk: what could not be journaled is not there, not even in part, and is not outstanding", (context) => {
  need(context, root, mounts);
  const directory = testDirectory(context);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "plimsoll-test", directory]);
  context.onTestFinished(() => {
    execFileSync("umount", ["-l", directory]);
  });
  const journal = open(context, directory);
  journal.set(LIMIT, 5, 8192, 4096);
  expect(journal.commit()).toBeNull();
  const filler = path.join(directory, "filler");
  const size = 64 * 1024 - 4096;
  fs.writeFileSync(filler, Buffer.alloc(size));
  // Longer than what is left of the journal's own page, so that a part of it is taken.
  const long = Array.from({ length: 40 }, (_, i) => `/c/${"x".repeat(150)}${i}/memory.max`);
  const sizeBefore = fs.statSync(journal.path).size;
  for (const [i, each] of long.entries()) journal.set(each, 9 + i, 8192, 4096);
  expect(journal.commit()).toMatchObject({ code: "ENOSPC" });
  expect(fs.statSync(journal.path).size).toBe(sizeBefore);
  expect(journal.outstanding()).toHaveLength(1);
  fs.rmSync(filler);
  for (const [i, each] of long.entries()) journal.set(each, 9 + i, 8192, 4096);
  expect(journal.commit()).toBeNull();
  const { outstanding, problems } = readJournal(journal.path);
  expect(outstanding).toHaveLength(41);
  expect(problems).toEqual([]);
});

test("without a place for it there is none", (context) => {
  const directory = testDirectory(context);
  expect(() => Journal.open(path.join(directory, "no/such/limits.journal"))).toThrow(/ENOENT/);
  fs.symlinkSync("/etc/hostname", path.join(directory, "limits.journal.new"));
  const before = fs.readFileSync("/etc/hostname", "utf8");
  Journal.open(path.join(directory, "limits.journal")).close();
  expect(fs.readFileSync("/etc/hostname", "utf8")).toBe(before);
});
