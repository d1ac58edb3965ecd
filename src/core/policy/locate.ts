/**
 * Which line a key stands on. The TOML parser keeps no positions, and a message without a line is half a message.
 * Reads only the skeleton of TOML 1.0 (headers, keys, brackets, strings), and only of a text the parser accepted.
 */

/** A key's path: names of tables and keys, and numbers in arrays. */
export type KeyPath = readonly (string | number)[];

/** The line (from 1) of a key, or of its nearest ancestor in the text; null when there is none. */
export type LineOf = (path: KeyPath) => number | null;

const KEY_PART = /[ \t]*(?:([A-Za-z0-9_-]+)|("(?:[^"\\\n]|\\.)*")|'([^'\n]*)')[ \t]*/y;
const STRING = /"""(?:[^\\]|\\[^])*?"{3,5}|'''[^]*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'/y;
const BLANK = /(?:[ \t\r\n\uFEFF]|#[^\n]*)*/y;
const BARE_VALUE = /[^,\]}\n#]*/y;

/** Finds the lines of all keys of a TOML text. */
export function locateKeys(text: string): LineOf {
  const offsets = new KeyFinder(text).find();
  const lineStarts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lineStarts.push(at + 1);
  return (path) => {
    for (let length = path.length; length > 0; length -= 1) {
      const offset = offsets.get(JSON.stringify(path.slice(0, length)));
      if (offset !== undefined) return lineNumber(lineStarts, offset);
    }
    return null;
  };
}

function lineNumber(lineStarts: readonly number[], offset: number): number {
  let low = 0;
  let high = lineStarts.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((lineStarts[middle] ?? 0) <= offset) low = middle;
    else high = middle;
  }
  return low + 1;
}

class KeyFinder {
  readonly #text: string;
  readonly #offsets = new Map<string, number>();
  /** Index of the last element of each array of tables seen so far. */
  readonly #lastIndex = new Map<string, number>();
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  find(): Map<string, number> {
    let table: KeyPath = [];
    for (this.#match(BLANK); this.#at < this.#text.length; this.#match(BLANK)) {
      const before = this.#at;
      if (this.#take("[")) table = this.#header(before);
      else this.#keyValue(table);
      // Text that is not TOML must not hold us for ever.
      if (this.#at === before) this.#at += 1;
    }
    return this.#offsets;
  }

  #header(offset: number): KeyPath {
    const ofArray = this.#take("[");
    const parts = this.#key();
    const path: (string | number)[] = [];
    for (const [place, part] of parts.entries()) {
      path.push(part);
      this.#record(path, offset);
      const id = JSON.stringify(path);
      const last = this.#lastIndex.get(id);
      const begins = ofArray && place === parts.length - 1;
      const index = begins ? (last ?? -1) + 1 : last;
      if (index === undefined) continue;
      this.#lastIndex.set(id, index);
      path.push(index);
      this.#record(path, offset);
    }
    while (this.#take("]"));
    return path;
  }

  #keyValue(table: KeyPath): void {
    const offset = this.#at;
    const path = [...table];
    for (const part of this.#key()) {
      path.push(part);
      this.#record(path, offset);
    }
    this.#take("=");
    this.#match(/[ \t]*/y);
    this.#value(path);
  }

  #key(): string[] {
    const parts: string[] = [];
    do {
      const found = this.#match(KEY_PART);
      if (found === null) break;
      parts.push(found[1] ?? found[3] ?? unquote(found[2] ?? ""));
    } while (this.#take("."));
    return parts;
  }

  #value(path: KeyPath): void {
    if (this.#take("[")) this.#list("]", (index) => this.#element([...path, index]));
    else if (this.#take("{")) this.#list("}", () => this.#keyValue(path));
    else if (this.#match(STRING) === null) this.#match(BARE_VALUE);
  }

  #element(path: KeyPath): void {
    this.#record(path, this.#at);
    this.#value(path);
  }

  #list(end: string, item: (index: number) => void): void {
    for (let index = 0; this.#at < this.#text.length; index += 1) {
      this.#match(BLANK);
      if (this.#take(end)) return;
      const before = this.#at;
      item(index);
      this.#match(BLANK);
      if (!this.#take(",") && this.#at === before) this.#at += 1;
    }
  }

  #record(path: KeyPath, offset: number): void {
    const id = JSON.stringify(path);
    if (!this.#offsets.has(id)) this.#offsets.set(id, offset);
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found !== null) this.#at = pattern.lastIndex;
    return found;
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }
}

/** A basic string's content. JSON's escapes are most of TOML's; for the rest the raw text serves. */
function unquote(quoted: string): string {
  try {
    return String(JSON.parse(quoted));
  } catch {
    return quoted.slice(1, -1);
  }
}
