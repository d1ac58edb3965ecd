import fc from "fast-check";
import { expect, test } from "vitest";
import { argumentsOf, CommandPattern, isWrapperOf } from "../../src/core/app/command-line.ts";
import { parseStatm, STATM_FIELDS } from "../../src/core/app/statm.ts";
import { fuzzSettings } from "../support/fuzz.ts";

const encoder = new TextEncoder();

/** The parser once more, plainly. */
function referenceStatm(text: string): number[] | null {
  const match = /^(\d+) (\d+) \d+ \d+ \d+ (\d+) \d+\n/.exec(text);
  if (match === null) return null;
  const all = text.split("\n")[0]?.split(" ").map(BigInt) ?? [];
  if (all.some((each) => each > BigInt(Number.MAX_SAFE_INTEGER))) return null;
  return match.slice(1).map(Number);
}

const number = fc.oneof(fc.nat().map(String), fc.bigInt({ min: 0n, max: 2n ** 60n }).map(String));
const statmLine = fc.array(number, { minLength: 5, maxLength: 9 }).map((numbers) => `${numbers.join(" ")}\n`);
const damaged = fc
  .tuple(statmLine, fc.nat({ max: 40 }), fc.string({ maxLength: 3 }))
  .map(([line, at, text]) => `${line.slice(0, at)}${text}${line.slice(at + 1)}`);

test("statm is parsed as its plain parser does, cut off anywhere and damaged anyhow", () => {
  fc.assert(
    fc.property(fc.oneof(statmLine, damaged, fc.string()), fc.nat({ max: 200 }), (text, cut) => {
      const bytes = encoder.encode(text);
      const length = Math.min(bytes.length, cut);
      const out = new Float64Array(STATM_FIELDS);
      const expected = referenceStatm(new TextDecoder().decode(bytes.subarray(0, length)));
      expect(parseStatm(bytes, length, out) ? [...out] : null).toEqual(expected);
    }),
    fuzzSettings(2000),
  );
});

const argument = fc.string({ maxLength: 12, unit: "binary" }).map((text) => text.replaceAll("\0", ""));

test("arguments are those that execve(2) was given", () => {
  fc.assert(
    fc.property(fc.array(argument, { maxLength: 8 }), (argv) => {
      const bytes = encoder.encode(argv.map((each) => `${each}\0`).join(""));
      const found = argumentsOf(bytes, bytes.length);
      // The kernel does not tell empty ones at the end from what a title left behind it.
      const end = argv.findLastIndex((each) => each !== "");
      expect(found).toEqual(
        new TextDecoder()
          .decode(encoder.encode(argv.slice(0, end + 1).join("\0")))
          .split("\0")
          .slice(0, end + 1),
      );
    }),
    fuzzSettings(1000),
  );
});

test("any bytes are some arguments, and any pattern answers", () => {
  const patterns = [".*", "", "x", "\\.smp.*-ncs true", "(?:a|b)+c"].map(
    (source) => new CommandPattern(source),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 300 }), (bytes, cut) => {
      const argv = argumentsOf(bytes, Math.min(cut, bytes.length));
      for (const pattern of patterns) expect(typeof pattern.matches(argv)).toBe("boolean");
      expect(isWrapperOf(argv, argv)).toBe(false);
      expect(isWrapperOf(["sudo", ...argv], argv)).toBe(argv.length > 0);
    }),
    fuzzSettings(1000),
  );
});

test("a word of letters is found where it is an argument of its own, and not where it is only spoken of", () => {
  const word = fc.stringMatching(/^[a-z]{3,8}$/);
  fc.assert(
    fc.property(word, fc.array(fc.stringMatching(/^[A-Z]{1,5}$/), { maxLength: 4 }), (name, others) => {
      const pattern = new CommandPattern(name);
      expect(pattern.matches(["PROGRAM", ...others, name])).toBe(true);
      expect(pattern.matches(["sh", "-c", `run ${name} now`, ...others])).toBe(false);
      expect(pattern.matches(["/bin/grep", ...others, name])).toBe(false);
    }),
    fuzzSettings(),
  );
});
