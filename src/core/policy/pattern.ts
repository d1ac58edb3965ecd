/**
 * Patterns of the policy: regular expressions that must match the whole value. What can be said about one
 * without running it: how short a match can be, which texts it stands for, whether it can blow up.
 */

/**
 * The pattern ready for use. Flags: `s`, as a process may carry a newline in its name; `u`, as it refuses what
 * would silently mean something else (a POSIX class such as [[:alpha:]], an unknown escape).
 * @throws SyntaxError when the source is no regular expression.
 */
export function compilePattern(source: string): RegExp {
  return new RegExp(`^(?:${source})$`, "su");
}

export interface PatternTraits {
  /** No match is shorter than this, in bytes of UTF-8. */
  readonly bytesMin: number;
  /** A repetition without bound inside another: time may grow exponentially with a hostile value. */
  readonly nestedRepeat: boolean;
  /** All texts it matches, when they are few and plain; else null. */
  readonly literals: readonly string[] | null;
}

interface Part extends PatternTraits {
  readonly repeats: boolean;
}

const LITERALS_MAX = 64;
const NOTHING: Part = { bytesMin: 0, nestedRepeat: false, literals: [""], repeats: false };
const ASSERTION: Part = { ...NOTHING, literals: null };
const ONE_OF_A_CLASS: Part = { ...ASSERTION, bytesMin: 1 };
const CONTROL_ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  f: "\f",
  v: "\v",
  "0": "\0",
};

/** Traits of a pattern that compilePattern accepts. */
export function patternTraits(source: string): PatternTraits {
  const { bytesMin, nestedRepeat, literals } = new PatternReader(source).alternatives();
  return { bytesMin, nestedRepeat, literals };
}

function literal(text: string): Part {
  return { ...NOTHING, bytesMin: utf8Length(text), literals: [text] };
}

/** How many bytes a text is in UTF-8. */
export function utf8Length(text: string): number {
  let length = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return length;
}

function sequence(first: Part, second: Part): Part {
  const count = (first.literals?.length ?? Infinity) * (second.literals?.length ?? Infinity);
  const few = first.literals !== null && second.literals !== null && count <= LITERALS_MAX;
  return {
    bytesMin: first.bytesMin + second.bytesMin,
    nestedRepeat: first.nestedRepeat || second.nestedRepeat,
    repeats: first.repeats || second.repeats,
    literals: few ? (first.literals ?? []).flatMap((a) => (second.literals ?? []).map((b) => a + b)) : null,
  };
}

function either(first: Part, second: Part): Part {
  const count = (first.literals?.length ?? Infinity) + (second.literals?.length ?? Infinity);
  return {
    bytesMin: Math.min(first.bytesMin, second.bytesMin),
    nestedRepeat: first.nestedRepeat || second.nestedRepeat,
    repeats: first.repeats || second.repeats,
    literals: count <= LITERALS_MAX ? [...(first.literals ?? []), ...(second.literals ?? [])] : null,
  };
}

function repeated(part: Part, min: number, unbounded: boolean): Part {
  return {
    bytesMin: part.bytesMin * min,
    nestedRepeat: part.nestedRepeat || (unbounded && part.repeats),
    repeats: part.repeats || unbounded,
    literals: null,
  };
}

/** Plain characters up to one that a quantifier binds to; read at once, as names are mostly such. */
const PLAIN_RUN = /[^\\^$.*+?()[\]{}|]+(?![*+?{])/uy;
const ANY_CHARACTER = /[^]/uy;
const QUANTIFIER = /(?:[*+?]|\{(\d+)(,?)(\d*)\})\??/y;
const CLASS = /\[(?:\\.|[^\]\\])*\]|\./suy;
const ANCHOR = /[\^$]/y;
const GROUP = /\((\?<?[=!])?(?:\?(?:<[^>]*>|[a-z-]*:))?/y;
/** Word boundaries and references back: no length of their own. */
const EMPTY_ESCAPE = /\\(?:[bB]|[1-9]\d*|k<[^>]*>)/y;
const CLASS_ESCAPE = /\\(?:[dDwWsS]|[pP]\{[^}]*\}|c[A-Za-z])/y;
const CODE_ESCAPE = /\\(?:u\{([0-9a-f]+)\}|u([0-9a-f]{4})|x([0-9a-f]{2}))/iy;
const OTHER_ESCAPE = /\\([^])/uy;
const SEQUENCE_END = /[|)]|$/y;

/** Reads the syntax of ECMAScript patterns with the `u` flag; the source is known to be valid. */
class PatternReader {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  alternatives(): Part {
    let all = this.#sequence();
    while (this.#take("|")) all = either(all, this.#sequence());
    return all;
  }

  #sequence(): Part {
    let all = NOTHING;
    while (!this.#atSequenceEnd()) all = sequence(all, this.#quantified(this.#atom()));
    return all;
  }

  #atSequenceEnd(): boolean {
    SEQUENCE_END.lastIndex = this.#at;
    return SEQUENCE_END.test(this.#source);
  }

  #quantified(part: Part): Part {
    const found = this.#match(QUANTIFIER);
    if (found === null) return part;
    const [text, min, comma, max] = found;
    if (min === undefined) return repeated(part, text.startsWith("+") ? 1 : 0, !text.startsWith("?"));
    return repeated(part, Number(min), comma === "," && max === "");
  }

  #atom(): Part {
    const run = this.#match(PLAIN_RUN);
    if (run !== null) return literal(run[0]);
    if (this.#match(CLASS) !== null) return ONE_OF_A_CLASS;
    if (this.#match(ANCHOR) !== null) return ASSERTION;
    const group = this.#match(GROUP);
    if (group !== null) {
      const inner = this.alternatives();
      this.#take(")");
      return group[1] === undefined ? inner : ASSERTION;
    }
    return this.#source[this.#at] === "\\" ? this.#escape() : literal(this.#match(ANY_CHARACTER)?.[0] ?? "");
  }

  #escape(): Part {
    if (this.#match(EMPTY_ESCAPE) !== null) return ASSERTION;
    if (this.#match(CLASS_ESCAPE) !== null) return ONE_OF_A_CLASS;
    const code = this.#match(CODE_ESCAPE);
    if (code !== null)
      return literal(String.fromCodePoint(parseInt(code[1] ?? code[2] ?? code[3] ?? "", 16)));
    const plain = this.#match(OTHER_ESCAPE)?.[1] ?? "";
    return literal(CONTROL_ESCAPES[plain] ?? plain);
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source);
    if (found !== null) this.#at = pattern.lastIndex;
    return found;
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }
}
