/** Patterns of cgroups against a plain matcher that tries everything. PLIMSOLL_SEED=N plays a run again. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compilePatterns } from "../../src/core/cgroups/pattern.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

/** The meaning of a glob for one name, said as plainly as it can be. */
function nameFits(glob: readonly string[], name: readonly string[]): boolean {
  const [first, ...rest] = glob;
  if (first === undefined) return name.length === 0;
  if (first === "*") return nameFits(rest, name) || (name.length > 0 && nameFits(glob, name.slice(1)));
  return name.length > 0 && (first === "?" || first === name[0]) && nameFits(rest, name.slice(1));
}

function namesFit(pattern: readonly string[], names: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return names.length === 0;
  if (first === "**") {
    if (rest.length === 0) return names.length > 0;
    return namesFit(rest, names) || (names.length > 0 && namesFit(pattern, names.slice(1)));
  }
  const [name, ...others] = names;
  return name !== undefined && nameFits(Array.from(first), Array.from(name)) && namesFit(rest, others);
}

const naive = (pattern: string, path: string): boolean =>
  namesFit(pattern.split("/").slice(1), path === "/" ? [] : path.split("/").slice(1));

const pathOf = (names: readonly string[]): string => `/${names.join("/")}`;
/** Few characters, so that matches are as usual as misses. */
const character = fc.constantFrom("a", "b", "\\", "x", "2", "d", "@", ":", ".", "-", "🜨", "é");
const name = fc.array(character, { minLength: 1, maxLength: 5 }).map((characters) => characters.join(""));
const path = fc.array(name, { minLength: 1, maxLength: 6 }).map(pathOf);
const globName = fc.oneof(
  { arbitrary: fc.constant("**"), weight: 2 },
  { arbitrary: fc.constant("*"), weight: 1 },
  {
    arbitrary: fc
      .array(fc.oneof(character, fc.constantFrom("*", "?")), { minLength: 1, maxLength: 6 })
      .map((characters) => characters.join("")),
    weight: 3,
  },
  { arbitrary: name, weight: 1 },
);
const pattern = fc.array(globName, { minLength: 1, maxLength: 6 }).map(pathOf);

describe("patterns of cgroups", () => {
  test("fit what the plain matcher says they fit", () => {
    let fitted = 0;
    fc.assert(
      fc.property(pattern, path, (glob, of) => {
        const fits = compilePatterns([glob])(of);
        if (fits) fitted++;
        expect(fits).toBe(naive(glob, of));
      }),
      { numRuns: 20_000 },
    );
    expect(fitted).toBeGreaterThan(100);
  });

  test("made out of a path by blurring it fit that path", () => {
    const blurred = fc.tuple(path, fc.array(fc.nat(5), { minLength: 64, maxLength: 64 })).map(([of, how]) => {
      let at = 0;
      const names = of
        .split("/")
        .slice(1)
        .map((each, i) => {
          if (how[i] === 0 && i > 0) return "**";
          return Array.from(each, (c) => {
            const blur = how[at++ % how.length] as number;
            return blur === 1 ? "?" : blur === 2 ? "*" : blur === 3 ? `*${c}*` : c;
          }).join("");
        });
      return { of, glob: pathOf(names) };
    });
    fc.assert(
      fc.property(blurred, ({ of, glob }) => {
        expect(compilePatterns([glob])(of)).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  test("several fit what one of them fits", () => {
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 5 }), path, (globs, of) => {
        expect(compilePatterns(globs)(of)).toBe(globs.some((glob) => naive(glob, of)));
      }),
      { numRuns: 5000 },
    );
  });

  test("a path as its own pattern fits itself alone", () => {
    fc.assert(
      fc.property(path, path, (one, other) => {
        const fits = compilePatterns([one]);
        expect([fits(one), fits(other)]).toEqual([true, one === other]);
      }),
    );
  });

  test("any text is compiled or refused, and answers any path", () => {
    const text = fc.oneof(fc.string({ unit: "binary" }), fc.string(), pattern);
    fc.assert(
      fc.property(text, fc.oneof(text, path), (glob, of) => {
        const right = glob.startsWith("/") && !glob.slice(1).split("/").includes("");
        if (right) expect(typeof compilePatterns([glob])(of)).toBe("boolean");
        else expect(() => compilePatterns([glob])).toThrow(RangeError);
      }),
      { numRuns: 5000 },
    );
  });

  test("hostile ones take no longer than the product of the lengths", () => {
    // Regular expressions of these forms need more than a lifetime.
    const stars = compilePatterns([`/${"*a".repeat(120)}b`]);
    const many = compilePatterns([`${"/**/a".repeat(200)}/b`]);
    const both = compilePatterns([`${"/**/*a*a*a*a".repeat(50)}/b`]);
    const beganMs = performance.now();
    expect(stars(`/${"a".repeat(255)}`)).toBe(false);
    expect(many("/a".repeat(2000))).toBe(false);
    expect(both(`/${"a".repeat(20)}`.repeat(200))).toBe(false);
    expect(performance.now() - beganMs).toBeLessThan(2000);
  });
});
