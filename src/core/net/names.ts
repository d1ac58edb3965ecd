/**
 * One matcher for patterns of names (`*` any run of characters, `?` one): interfaces and addresses. The time it takes is
 * at most the product of the lengths: nothing is tried in all combinations.
 */
export function nameMatcher(patterns: readonly string[]): (name: string) => boolean {
  return (name) => patterns.some((pattern) => fits(pattern, name));
}

/** Whether a name is written out, without a wildcard. */
export function namedExplicitly(patterns: readonly string[], name: string): boolean {
  return patterns.includes(name) && !/[*?]/.test(name);
}

function fits(pattern: string, name: string): boolean {
  let token = 0;
  let at = 0;
  let star = -1;
  let resumeAt = 0;
  while (at < name.length) {
    if (pattern[token] === "*") {
      star = token++;
      resumeAt = at;
    } else if (token < pattern.length && (pattern[token] === "?" || pattern[token] === name[at])) {
      token++;
      at++;
    } else if (star >= 0) {
      token = star + 1;
      at = ++resumeAt;
    } else {
      return false;
    }
  }
  while (pattern[token] === "*") token++;
  return token === pattern.length;
}
