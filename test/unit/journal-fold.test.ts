/** What a journal of changed limits comes to, whole, damaged, or anything at all. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  foldJournal,
  formatAmount,
  formatSet,
  isJournaled,
  JOURNALED_FILES,
  type OutstandingChange,
} from "../../src/core/rescue/journal.ts";
import { writeAmount, writeDigits } from "../../src/workers/rescue/journal-bytes.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

const AT = "/sys/fs/cgroup/memory/a b/memory.limit_in_bytes";

const change = (changes: Partial<OutstandingChange> = {}): OutstandingChange => {
  return { path: AT, inode: 7, original: 4096, before: 8192, value: 12_288, waiting: false, ...changes };
};

const sizes = fc.oneof(fc.maxSafeNat(), fc.constant(Number.POSITIVE_INFINITY));
const changes: fc.Arbitrary<OutstandingChange> = fc.constantFrom(...JOURNALED_FILES).chain((file) => {
  const amount = file === "memory.oom_control" ? fc.constantFrom(0, 1) : sizes;
  return fc.record({
    path: fc.string({ unit: "grapheme" }).map((name) => `/${name.replaceAll("\n", "")}/${file}`),
    inode: fc.integer({ min: 1, max: 999_999_999_999_999 }),
    original: amount,
    before: amount,
    value: amount,
    waiting: fc.constant(false),
  });
});

describe("folding", () => {
  test("what was set and not closed is outstanding, with its first original and its last value", () => {
    const text = [
      `set 7 4096 4096 8192 ${AT}`,
      `set 7 4096 8192 max ${AT}`,
      "set 7 max max 0 /b/memory.high",
      "done 7 /b/memory.high",
      "",
    ].join("\n");
    const { outstanding, abandoned, problems } = foldJournal(text);
    expect(outstanding).toEqual([change({ before: 8192, value: Number.POSITIVE_INFINITY })]);
    expect(abandoned).toEqual([]);
    expect(problems).toEqual([]);
  });

  test("another cgroup at the same path is another one", () => {
    const text = `set 7 4096 4096 8192 ${AT}\nset 8 100 100 200 ${AT}\ndone 8 ${AT}\n`;
    expect(foldJournal(text).outstanding).toEqual([change({ before: 4096, value: 8192 })]);
  });

  test("what waits says so until it is set again; what was left or is gone is told", () => {
    const set = `set 7 4096 8192 12288 ${AT}\n`;
    expect(foldJournal(`${set}wait 7 ${AT}\n`).outstanding).toEqual([change({ waiting: true })]);
    expect(foldJournal(`${set}wait 7 ${AT}\n${set}`).outstanding).toEqual([change()]);
    for (const why of ["left", "gone"] as const) {
      const { outstanding, abandoned } = foldJournal(`${set}${why} 7 ${AT}\n`);
      expect({ outstanding, abandoned }).toEqual({
        outstanding: [],
        abandoned: [{ path: AT, inode: 7, why }],
      });
    }
  });

  test.each([
    ["no verb", "7 1 1 1 /a/memory.max"],
    ["a relative path", "set 7 1 1 1 a/memory.max"],
    ["a file that is no limit", "set 7 1 1 1 /etc/passwd"],
    ["a limit's name in front of another", "set 7 1 1 1 /a/memory.max/../cgroup.procs"],
    ["an amount with a sign", "set 7 -1 1 1 /a/memory.max"],
    ["an octal number", "set 7 010 1 1 /a/memory.max"],
    ["too large a number", "set 7 1 1 99999999999999999999 /a/memory.max"],
    ["a fraction", "set 7 1 1 1.5 /a/memory.max"],
    ["no inode", "set 0 1 1 1 /a/memory.max"],
    ["a pause of 2", "set 7 0 1 2 /a/memory.oom_control"],
    ["two blanks", "set 7  1 1 1 /a/memory.max"],
    ["a closing without a path", "done 7"],
  ])("%s is named and passed over", (_, line) => {
    const { outstanding, problems } = foldJournal(`set 7 4096 8192 12288 ${AT}\n${line}\ndone 9 ${AT}\n`);
    expect(outstanding).toEqual([change()]);
    expect(problems).toEqual([{ line: 2, found: line }]);
  });

  test("cut off anywhere, it is the journal up to the last whole line", () => {
    fc.assert(
      fc.property(fc.array(changes, { maxLength: 8 }), fc.nat(), (all, where) => {
        const text = all.map(formatSet).join("");
        const head = text.slice(0, where % (text.length + 1));
        const { outstanding, problems } = foldJournal(head);
        const whole = foldJournal(head.slice(0, head.lastIndexOf("\n") + 1));
        expect(outstanding).toEqual(whole.outstanding);
        expect(problems).toEqual([]);
      }),
    );
  });

  test("what is formatted is read as it was", () => {
    fc.assert(
      fc.property(changes, (one) => {
        expect(foldJournal(formatSet(one))).toEqual({ outstanding: [one], abandoned: [], problems: [] });
      }),
    );
  });

  test("any text at all is folded, and every line of it is used or named", () => {
    const line = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom(..."set done 0189max/.-_\n".split("")) }),
      changes.map(formatSet),
      changes.map(({ inode, path }) => `done ${inode} ${path}`),
    );
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const { outstanding, problems } = foldJournal(lines.join("\n"));
        for (const { path, inode, original, before, value } of outstanding) {
          expect(isJournaled(path)).toBe(true);
          for (const number of [inode, original, before, value]) expect(number).toBeGreaterThanOrEqual(0);
        }
        for (const { found } of problems) expect(found).not.toBe("");
      }),
    );
  });
});

test("the digits written into a buffer are those of the number", () => {
  const bytes = Buffer.alloc(32);
  fc.assert(
    fc.property(fc.oneof(fc.maxSafeNat(), fc.nat(2e9)), (value) => {
      expect(bytes.toString("latin1", 3, writeDigits(bytes, 3, value))).toBe(String(value));
    }),
  );
  for (const value of [0, 9, 10, 999_999_999, 1e9, 1e9 + 1, 1e18, 2 ** 63 - 4096, Number.POSITIVE_INFINITY]) {
    expect(bytes.toString("latin1", 0, writeAmount(bytes, 0, value))).toBe(formatAmount(value));
  }
});
