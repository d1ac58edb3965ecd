import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compilePattern, patternTraits } from "../../src/core/policy/pattern.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

describe("a pattern matches the whole value", () => {
  test("in all its alternatives, and across newlines", () => {
    const pattern = compilePattern("a.c|postgres");
    expect(["a\nc", "postgres"].every((value) => pattern.test(value))).toBe(true);
    expect(["xa\nc", "a\nc\n", "postgres: writer", "xpostgres"].some((value) => pattern.test(value))).toBe(
      false,
    );
  });

  test.each(["[[:alpha:]]+", "\\_", "(", "a{2", "*"])(
    "%s is refused rather than read as something else",
    (source) => {
      expect(() => compilePattern(source)).toThrow(SyntaxError);
    },
  );
});

test.each([
  ["postgres", 8, ["postgres"]],
  ["a|bc|", 0, ["a", "bc", ""]],
  ["systemd-(journald|udevd)", 13, ["systemd-journald", "systemd-udevd"]],
  ["\\(sd-pam\\)", 8, ["(sd-pam)"]],
  ["ü", 2, ["ü"]],
  ["\\u{1F600}\\x41\\t", 6, ["😀A\t"]],
  ["java.*", 4, null],
  ["[ab\\]]{3,5}", 3, null],
  ["(?:ab){2,}", 4, null],
  ["(?=abc)x", 1, null],
  ["(?<!abc)(?<n>x)\\k<n>", 1, null],
  ["\\bfoo\\d+\\p{L}", 5, null],
  ["^a$", 1, null],
  ["a?b", 1, null],
  ["(?<name>a)b", 2, ["ab"]],
])("%s matches at least %d bytes", (source, bytesMin, literals) => {
  compilePattern(source);
  expect(patternTraits(source)).toMatchObject({ bytesMin, literals });
});

test("many alternatives are not listed", () => {
  expect(patternTraits("(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)").literals).toHaveLength(64);
  expect(patternTraits("(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)")).toMatchObject({ bytesMin: 7, literals: null });
});

test.each([
  ["(a+)+b", true],
  ["(?:.*,)*", true],
  ["((a|b*)c)+", true],
  ["a+b+", false],
  ["(ab)+", false],
  ["(a+)?", false],
  ["(a+){2}", false],
])("repetition inside repetition in %s: %s", (source, nestedRepeat) => {
  expect(patternTraits(source).nestedRepeat).toBe(nestedRepeat);
});

/** A pattern, and a text that it matches by the way it was made. */
interface Made {
  readonly source: string;
  readonly text: string;
}

const ATOMS: readonly Made[] = [
  { source: "a", text: "a" },
  { source: "bc", text: "bc" },
  { source: "é", text: "é" },
  { source: "\\.", text: "." },
  { source: "[x-z]", text: "y" },
  { source: "[^ab]", text: "\u{1F600}" },
  { source: "\\d", text: "7" },
  { source: "\\u{41}", text: "A" },
  { source: ".", text: "\n" },
];
const QUANTIFIERS: readonly (readonly [source: string, times: readonly number[]])[] = [
  ["", [1]],
  ["?", [0, 1]],
  ["*", [0, 1, 3]],
  ["+?", [1, 2]],
  ["{2}", [2]],
  ["{1,3}", [1, 3]],
  ["{2,}", [2, 4]],
];

const made: fc.Arbitrary<Made> = fc.letrec<{ made: Made; group: Made; part: Made }>((tie) => ({
  group: fc.tuple(tie("made"), tie("made"), fc.boolean(), fc.boolean()).map(([one, other, first, named]) => ({
    source: `(${named ? "" : "?:"}${one.source}|${other.source})`,
    text: first ? one.text : other.text,
  })),
  part: fc.oneof({ depthSize: "small", maxDepth: 3 }, fc.constantFrom(...ATOMS), tie("group")).chain((atom) =>
    fc.constantFrom(...QUANTIFIERS).chain(([quantifier, times]) =>
      fc.constantFrom(...times).map((count) => ({
        // A quantifier binds to the last character only.
        source: quantifier === "" ? atom.source : `(?:${atom.source})${quantifier}`,
        text: atom.text.repeat(count),
      })),
    ),
  ),
  made: fc.array(tie("part"), { minLength: 1, maxLength: 4 }).map((parts) => ({
    source: parts.map(({ source }) => source).join(""),
    text: parts.map(({ text }) => text).join(""),
  })),
})).made;

test("no match is shorter than said, and plain patterns match just their texts", () => {
  fc.assert(
    fc.property(made, ({ source, text }) => {
      const pattern = compilePattern(source);
      const { bytesMin, literals } = patternTraits(source);
      expect(Buffer.byteLength(text)).toBeGreaterThanOrEqual(bytesMin);
      if (literals === null) return;
      expect(literals).toContain(text);
      expect(literals.every((one) => pattern.test(one))).toBe(true);
      expect(Math.min(...literals.map((one) => Buffer.byteLength(one)))).toBe(bytesMin);
    }),
    { numRuns: 500 },
  );
});
