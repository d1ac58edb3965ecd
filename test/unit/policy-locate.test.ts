import fc from "fast-check";
import { parse, stringify } from "smol-toml";
import { describe, expect, test } from "vitest";
import { type KeyPath, locateKeys } from "../../src/core/policy/locate.ts";

const seed = process.env["PLIMSOLL_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

const TEXT = `# line 1
top = "host" # [not.a.table]
a.b.c = 1
"quoted key".'literal.key' = 2

[memory]
text = """
[memory.fake]
fake = 1 \\"""
list = 1 """
raw = '''
x = 1''''
list = [ # a comment with ]
  "one, with ] and }",
  { action = "command",
    run = "x" },
  [ 1, 2,
    3 ],
]
after = { x.y = 1, z = [ { deep = 1 } ] } # end
[ memory . "critical" ]
for = 1979-05-27T07:32:00Z
[[victim.never]]
name = "a"
[[victim.never]]
name = "b"
[victim.never.sub]
x = 1
[[victim.never.nested]]
y = 1
[[victim.never.nested]]
y = 2
`;

describe("lines of keys", () => {
  const lineOf = locateKeys(TEXT);

  test.each<[KeyPath, number]>([
    [["top"], 2],
    [["a"], 3],
    [["a", "b", "c"], 3],
    [["quoted key", "literal.key"], 4],
    [["memory"], 6],
    [["memory", "text"], 7],
    [["memory", "raw"], 11],
    [["memory", "list"], 13],
    [["memory", "list", 0], 14],
    [["memory", "list", 1], 15],
    [["memory", "list", 1, "run"], 16],
    [["memory", "list", 2, 2], 18],
    [["memory", "after", "x", "y"], 20],
    [["memory", "after", "z", 0, "deep"], 20],
    [["memory", "critical"], 21],
    [["memory", "critical", "for"], 22],
    [["victim", "never"], 23],
    [["victim", "never", 0, "name"], 24],
    [["victim", "never", 1], 25],
    [["victim", "never", 1, "name"], 26],
    [["victim", "never", 1, "sub", "x"], 28],
    [["victim", "never", 1, "nested", 0, "y"], 30],
    [["victim", "never", 1, "nested", 1, "y"], 32],
  ])("%j stands on line %d", (path, line) => {
    expect(TEXT).toSatisfy((text: string) => parse(text) !== null);
    expect(lineOf(path)).toBe(line);
  });

  test("a key that is not there has the line of its nearest ancestor, or none", () => {
    expect(lineOf(["memory", "critical", "ladder", 0])).toBe(21);
    expect(lineOf(["nowhere"])).toBe(null);
    expect(lineOf([])).toBe(null);
    expect(locateKeys("")(["a"])).toBe(null);
  });

  test("CRLF counts as one line end, a byte order mark as nothing", () => {
    expect(locateKeys("\uFEFFa = 1\r\n\r\n[b]\r\nc = '''\r\n'''\r\nd = 1\r\n")(["b", "d"])).toBe(6);
  });
});

/** Key paths of all values in a parsed document. */
function paths(value: unknown, path: KeyPath = []): KeyPath[] {
  if (typeof value !== "object" || value === null || value instanceof Date) return [path];
  const inner = Array.isArray(value)
    ? value.flatMap((item, index) => paths(item, [...path, index]))
    : Object.entries(value).flatMap(([key, item]) => paths(item, [...path, key]));
  return path.length === 0 ? inner : [path, ...inner];
}

test("every key of any document is found on a line that names it", () => {
  const keys = fc.oneof(fc.stringMatching(/^[a-z_-]{1,6}$/), fc.string({ minLength: 1, maxLength: 4 }));
  const table = fc.letrec<{ value: unknown; table: Record<string, unknown> }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.array(tie("value"), { maxLength: 3 }),
      tie("table"),
      fc.array(tie("table"), { maxLength: 3 }),
    ),
    table: fc.dictionary(keys, tie("value"), { maxKeys: 5 }) as fc.Arbitrary<Record<string, unknown>>,
  })).table;
  fc.assert(
    fc.property(table, (document) => {
      const text = stringify(document);
      const lines = text.split("\n");
      const lineOf = locateKeys(text);
      for (const path of paths(parse(text))) {
        const key = path.findLast((part) => typeof part === "string") ?? "";
        const line = lineOf(path);
        expect(line, text).not.toBe(null);
        // Array elements may stand on later lines than their key; keys made of plain letters are seen as they are.
        if (path.at(-1) !== key || !/^[a-z_-]+$/.test(key)) continue;
        expect(lines[(line ?? 0) - 1], text).toContain(key);
      }
    }),
  );
});

test("large inputs of one kind of thing are read without exhausting the stack", () => {
  const size = 2 ** 20;
  for (const filler of [" ", "\n", "# x\n"]) {
    expect(locateKeys(`${filler.repeat(size / filler.length)}\nkey = 1`)(["key"])).toBeGreaterThan(1);
  }
  for (const quote of ['"', "'", '"""', "'''"]) {
    expect(locateKeys(`a = ${quote}${"x".repeat(size)}${quote}\nb = 1`)(["b"])).toBe(2);
    expect(locateKeys(`a = ${quote}${"é\\\\".repeat(size / 3)}${quote}\nb = 1`)(["b"])).toBe(2);
  }
});
