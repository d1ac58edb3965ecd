/** The parsers once more, plainly, on strings: what the fast ones are held against. NaN is absent. */

/** What stands behind a key, when it is a whole number that was not cut off and is exact in a double. */
function wholeNumber(rest: string): number {
  const match = /^[ \t]*(\d+)[ \t\n]/.exec(rest);
  if (match === null) return Number.NaN;
  const exact = BigInt(match[1] as string);
  return exact > BigInt(Number.MAX_SAFE_INTEGER) ? Number.NaN : Number(exact);
}

function linesOf(text: string): string[] {
  return text.split(/(?<=\n)/);
}

export function referenceKeyed(text: string, keys: readonly string[], scale: number): number[] {
  const lines = linesOf(text);
  return keys.map((key) => {
    const line = lines.find((each) => each.startsWith(key));
    return line === undefined ? Number.NaN : wholeNumber(line.slice(key.length)) * scale;
  });
}

/** `some` and `full`. */
export function referencePressure(text: string): [number, number] {
  const totalOf = (word: string): number => {
    const line = linesOf(text).findLast((each) => each.startsWith(`${word} `));
    const at = line?.indexOf("total=") ?? -1;
    return line === undefined || at < 0 ? Number.NaN : wholeNumber(line.slice(at + "total=".length));
  };
  return [totalOf("some"), totalOf("full")];
}

export function referenceSingle(text: string): number {
  return text.startsWith("-")
    ? -(/^-\d/.test(text) ? wholeNumber(text.slice(1)) : Number.NaN)
    : wholeNumber(text);
}

/** Fields of /proc/PID/stat by proc(5)'s numbers; null when one that is wanted is not there whole. */
export function referenceStat(text: string, wanted: readonly number[]): Map<number, number> | null {
  const close = text.lastIndexOf(")");
  const pid = /^(\d+) /.exec(text)?.[1];
  const match = /^ (.) (.*)$/s.exec(text.slice(close + 1));
  if (close < 0 || !(Number.isSafeInteger(Number(pid)) && Number(pid) > 0) || match === null) return null;
  const tokens = (match[2] as string).split(" ");
  const found = new Map([
    [1, Number(pid)],
    [3, (match[1] as string).charCodeAt(0)],
  ]);
  for (const field of wanted) {
    const token = tokens[field - 4];
    // The last token has nothing behind it that says it is whole.
    if (token === undefined || field - 4 === tokens.length - 1 || !/^-?\d+$/.test(token)) return null;
    if (!Number.isSafeInteger(Number(token))) return null;
    found.set(field, Number(token));
  }
  return found;
}

export function referenceCgroup(text: string, version: 1 | 2): string | null {
  for (const line of text.split("\n")) {
    const first = line.indexOf(":");
    const second = line.indexOf(":", first + 1);
    if (first < 1 || second < 0 || !/^\d+$/.test(line.slice(0, first)) || line[second + 1] !== "/") continue;
    const controllers = line.slice(first + 1, second);
    const right =
      version === 2
        ? line.slice(0, first) === "0" && controllers === ""
        : controllers.split(",").includes("memory");
    if (right) return line.slice(second + 1);
  }
  return null;
}
