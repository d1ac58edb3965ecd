/**
 * Whether two patterns of cgroups' paths (core/cgroups/pattern.ts) can match the same path, told without any path:
 * a pattern that must match beside another, and never can, is a mistake whatever cgroups there are.
 */

const ANY_NAMES = "**";
const ANY_NAME = "*";
const ANY_CHARACTERS = "*";
const ANY_CHARACTER = "?";

/** True when there could be a cgroup that both match. */
export function patternsOverlap(first: string, second: string): boolean {
  return overlap(tokensOf(first), tokensOf(second), ANY_NAMES, namesOverlap);
}

/** True when `pattern` could match `scope` (a path, no pattern) or what lies in it. */
export function overlapsScope(pattern: string, scope: string): boolean {
  // A star in the scope's own name is taken for a pattern's: said of more than is meant, never of less.
  const inScope = [...scope.split("/").slice(1), ANY_NAMES];
  return overlap(tokensOf(pattern), inScope, ANY_NAMES, namesOverlap);
}

function tokensOf(pattern: string): string[] {
  const names = pattern.split("/").slice(1);
  // At the end it is one name at least.
  return names.at(-1) === ANY_NAMES ? [...names.slice(0, -1), ANY_NAME, ANY_NAMES] : names;
}

function namesOverlap(first: string, second: string): boolean {
  if (!/[*?]/.test(first) && !/[*?]/.test(second)) return first === second;
  return overlap(Array.from(first), Array.from(second), ANY_CHARACTERS, charactersOverlap);
}

function charactersOverlap(first: string, second: string): boolean {
  return first === second || first === ANY_CHARACTER || second === ANY_CHARACTER;
}

/**
 * Whether two sequences have a common reading, `any` standing for any number of parts, none among them.
 * From the ends backwards: `row[j]` says it of what follows `i` in one and `j` in the other.
 */
function overlap(
  first: readonly string[],
  second: readonly string[],
  any: string,
  partsOverlap: (first: string, second: string) => boolean,
): boolean {
  let below: boolean[] = [];
  for (let i = first.length; i >= 0; i--) {
    const row: boolean[] = [];
    for (let j = second.length; j >= 0; j--) {
      const [a, b] = [first[i], second[j]];
      if (a === undefined && b === undefined) row[j] = true;
      // One of the two steps ends the star, the other has it stand for one part more.
      else if (a === any || b === any) row[j] = below[j] === true || row[j + 1] === true;
      else row[j] = a !== undefined && b !== undefined && below[j + 1] === true && partsOverlap(a, b);
    }
    below = row;
  }
  return below[0] === true;
}
