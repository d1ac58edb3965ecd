import type { PlaceRule } from "../policy/resources.ts";

/** Trees that a system does not run without: nothing below them may be listed. */
const FORBIDDEN = [
  "bin",
  "boot",
  "dev",
  "etc",
  "lib",
  "lib32",
  "lib64",
  "libx32",
  "proc",
  "sbin",
  "sys",
  "usr",
];
/** But these are for what comes and goes. */
const ALLOWED = ["/dev/shm/", "/usr/local/"];

const MANY = Symbol("any number of directories");
type Token = typeof MANY | ((name: string) => boolean);

/** A place, ready for a walk. Where in its pattern one stands is a set of numbers: {@link Place.next}. */
export interface Place {
  readonly rule: PlaceRule;
  /** The directory that all its files are in or below; nothing in it is a pattern. */
  readonly base: readonly string[];
  readonly start: readonly number[];
  /** Where one stands after the name of an entry; empty: it leads nowhere. */
  next(at: readonly number[], name: string): readonly number[];
  /** Whether a file that one came to so is listed. */
  isListed(at: readonly number[]): boolean;
}

/** Why files of that pattern must not be removed, whatever a policy says; null: they may be. */
export function placeProblem(files: string): string | null {
  const names = files.split("/").slice(1);
  if (!files.startsWith("/")) return `"${files}" is not absolute`;
  if (names.some((name) => name === "" || name === "." || name === ".."))
    return `"${files}" has an empty name, "." or ".." in it`;
  if (ALLOWED.some((prefix) => files.startsWith(prefix) && !isPattern(names[2] ?? "*"))) return null;
  const [top = "", second] = names;
  if (isPattern(top)) return `"${files}" matches all over the root directory`;
  if (second === "**") return `"${files}" is all of /${top}`;
  if (FORBIDDEN.includes(top)) return `"${files}" is in /${top}, without which a system does not run`;
  return null;
}

/** @throws RangeError on a pattern that {@link placeProblem} refuses */
export function compilePlace(rule: PlaceRule): Place {
  const problem = placeProblem(rule.files);
  if (problem !== null) throw new RangeError(`expected files that may be removed, but ${problem}`);
  const names = rule.files.split("/").slice(1);
  const pattern = names.findIndex(isPattern);
  const fixed = pattern < 0 ? names.length - 1 : pattern;
  const tokens = names.slice(fixed).map((name): Token => (name === "**" ? MANY : nameMatcher(name)));
  // At the end it is every file below, so at least one name.
  if (tokens.at(-1) === MANY) tokens.push(() => true);
  return {
    rule,
    base: names.slice(0, fixed),
    start: closure(tokens, [0]),
    next: (at, name) => closure(tokens, advance(tokens, at, name)),
    isListed: (at) => at.includes(tokens.length),
  };
}

function isPattern(name: string): boolean {
  return /[*?]/.test(name);
}

function advance(tokens: readonly Token[], at: readonly number[], name: string): number[] {
  const to: number[] = [];
  for (const position of at) {
    const token = tokens[position];
    if (token === MANY) to.push(position);
    else if (token?.(name) === true) to.push(position + 1);
  }
  return to;
}

/** Any number of directories is also none. */
function closure(tokens: readonly Token[], at: readonly number[]): number[] {
  const all = new Set(at);
  for (const position of all) if (tokens[position] === MANY) all.add(position + 1);
  return [...all];
}

/** `*` is any run of characters, also none, `?` is one; everything else stands for itself. */
function nameMatcher(glob: string): (name: string) => boolean {
  if (!isPattern(glob)) return (name) => name === glob;
  const parts = Array.from(glob);
  return (name) => matches(parts, Array.from(name));
}

/** What follows a star is laid where it first fits: nothing before that is ever tried again. */
function matches(glob: readonly string[], name: readonly string[]): boolean {
  let token = 0;
  let at = 0;
  let star = -1;
  let resume = 0;
  while (at < name.length) {
    if (glob[token] === "*") {
      star = token++;
      resume = at;
    } else if (token < glob.length && (glob[token] === "?" || glob[token] === name[at])) {
      token++;
      at++;
    } else if (star >= 0) {
      token = star + 1;
      at = ++resume;
    } else return false;
  }
  while (glob[token] === "*") token++;
  return token === glob.length;
}
