/**
 * Patterns of cgroups' paths below the hierarchy's root, such as `/machine/build` or `/system.slice/*.service`.
 *
 * - `*` is any run of characters within one name, also none; `?` is one character.
 * - `**` as a whole name is any number of names, also none: `/a/**\/b` matches /a/b and /a/x/y/b. At the end it is at
 *   least one: `/a/**` is everything below /a, but not /a itself, and `/**` is every cgroup but the root.
 * - Everything else stands for itself: systemd's names hold `\x2d`, `@`, `:` and `.`.
 */

/** One name of a pattern: which names it fits, or any number of them. */
type NameToken = ((name: string) => boolean) | typeof MANY;
const MANY = Symbol("any number");
const ONE = Symbol("any one");

const anyName = (): boolean => true;

/**
 * One matcher for several patterns: whether a path fits any of them. The time it takes is at most the product of the
 * lengths of path and patterns, whatever they are; nothing is tried in all combinations.
 * @throws RangeError on a pattern that does not begin with a slash, or has an empty name
 */
export function compilePatterns(patterns: readonly string[]): (path: string) => boolean {
  const literals = new Set<string>();
  const globs: NameToken[][] = [];
  for (const pattern of patterns) {
    const names = namesOf(pattern);
    if (/[*?]/.test(pattern)) globs.push(pathTokens(names));
    else literals.add(pattern);
  }
  if (globs.length === 0) return (path) => literals.has(path);
  return (path) => {
    if (literals.has(path)) return true;
    const names = path.split("/").slice(1);
    return globs.some((tokens) => matchesPath(tokens, names));
  };
}

function namesOf(pattern: string): string[] {
  const [first, ...names] = pattern.split("/");
  if (first !== "" || names.length === 0 || names.includes("")) {
    throw new RangeError(
      `expected a pattern of cgroups such as "/machine/*" or "/machine/**", found "${pattern}": begin it with one slash and leave no name empty`,
    );
  }
  return names;
}

function pathTokens(names: readonly string[]): NameToken[] {
  const tokens = names.map((name) => (name === "**" ? MANY : nameToken(name)));
  // At the end, at least one name: otherwise /a/** would be /a too, and /** the root.
  if (tokens.at(-1) === MANY) tokens.splice(-1, 0, anyName);
  return tokens;
}

function nameToken(glob: string): (name: string) => boolean {
  if (!/[*?]/.test(glob)) return (name) => name === glob;
  if (/^\*+$/.test(glob)) return anyName;
  const tokens = Array.from(glob, (character) =>
    character === "*" ? MANY : character === "?" ? ONE : character,
  );
  return (name) => {
    const characters = Array.from(name);
    return matchesSequence(tokens.length, characters.length, {
      many: (token) => tokens[token] === MANY,
      fits: (token, at) => tokens[token] === ONE || tokens[token] === characters[at],
    });
  };
}

function matchesPath(tokens: readonly NameToken[], names: readonly string[]): boolean {
  // The root's path is one empty name.
  if (names.length === 1 && names[0] === "") return false;
  return matchesSequence(tokens.length, names.length, {
    many: (token) => tokens[token] === MANY,
    fits: (token, at) => (tokens[token] as (name: string) => boolean)(names[at] as string),
  });
}

interface SequenceRules {
  readonly many: (token: number) => boolean;
  /** Asked only of tokens that are not `many`. */
  readonly fits: (token: number, at: number) => boolean;
}

/**
 * Whether a sequence fits tokens of which some stand for any number of items. What lies between two of those is laid
 * where it first fits; if the whole can be matched, it can from there, so that nothing before is ever tried again.
 */
function matchesSequence(tokens: number, items: number, { many, fits }: SequenceRules): boolean {
  let token = 0;
  let at = 0;
  let lastMany = -1;
  let resumeAt = 0;
  while (at < items) {
    if (token < tokens && many(token)) {
      lastMany = token++;
      resumeAt = at;
    } else if (token < tokens && fits(token, at)) {
      token++;
      at++;
    } else if (lastMany >= 0) {
      token = lastMany + 1;
      at = ++resumeAt;
    } else {
      return false;
    }
  }
  while (token < tokens && many(token)) token++;
  return token === tokens;
}
