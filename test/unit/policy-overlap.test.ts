import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compilePatterns } from "../../src/core/cgroups/pattern.ts";
import { overlapsScope, patternsOverlap } from "../../src/core/policy/overlap.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

describe("two patterns", () => {
  test.each([
    ["/a", "/a", true],
    ["/a", "/b", false],
    ["/a", "/a/b", false],
    ["/a/*", "/a/b", true],
    ["/a/*", "/a", false],
    ["/a/*", "/a/b/c", false],
    ["/a/**", "/a/b/c", true],
    // At the end it is one name at least, elsewhere it may be none.
    ["/a/**", "/a", false],
    ["/a/**/b", "/a/b", true],
    ["/a/**/b", "/**", true],
    ["/**/x", "/x/**", true],
    ["/**/x", "/x/*", true],
    ["/**/x/y", "/*/z", false],
    ["/web-*", "/*-7", true],
    ["/web-*", "/app-*", false],
    ["/a?", "/ab", true],
    ["/a?", "/a", false],
    ["/*a*", "/b?c", true],
    ["/*a*", "/b", false],
    ["/?", "/é", true],
  ])("%s and %s: %s", (first, second, expected) => {
    expect(patternsOverlap(first, second)).toBe(expected);
    expect(patternsOverlap(second, first)).toBe(expected);
  });
});

test.each([
  ["/build", "/build", true],
  ["/build/**", "/build", true],
  ["/build/x/y", "/build", true],
  ["/builder/**", "/build", false],
  ["/*/x", "/build", true],
  ["/*/x", "/build/y", false],
  ["/a", "/a/b", false],
])("%s and the scope %s: %s", (pattern, scope, expected) => {
  expect(overlapsScope(pattern, scope)).toBe(expected);
});

/** Few names and letters, so that patterns meet often. */
const globName = fc
  .array(fc.constantFrom("a", "b", "*", "?"), { minLength: 1, maxLength: 2 })
  .map((parts) => parts.join(""));
const pattern = fc
  .array(fc.oneof(globName, fc.constant("**")), { minLength: 1, maxLength: 3 })
  .map((names) => `/${names.join("/")}`);

/** Where such patterns have a path in common, they have one of at most four names of at most two letters. */
function allPaths(): string[] {
  const names = ["a", "b", "aa", "ab", "ba", "bb"];
  let longest = [""];
  const paths: string[] = [];
  for (let depth = 0; depth < 4; depth++) {
    longest = longest.flatMap((path) => names.map((name) => `${path}/${name}`));
    paths.push(...longest);
  }
  return paths;
}

test("patterns overlap exactly when there is a path that both match", () => {
  const paths = allPaths();
  fc.assert(
    fc.property(pattern, pattern, (first, second) => {
      const [one, other] = [compilePatterns([first]), compilePatterns([second])];
      expect(patternsOverlap(first, second)).toBe(paths.some((path) => one(path) && other(path)));
    }),
    { numRuns: 1000 },
  );
});

test("the longest patterns are answered in a moment", () => {
  const long = `/${"a*".repeat(127)}`.repeat(15);
  const other = `/a${"*b".repeat(126)}*`.repeat(15);
  const started = performance.now();
  expect(patternsOverlap(long, long)).toBe(true);
  expect(patternsOverlap(long, other)).toBe(true);
  expect(patternsOverlap("/**".repeat(1300), "/*".repeat(2000))).toBe(true);
  expect(performance.now() - started).toBeLessThan(5000);
});
