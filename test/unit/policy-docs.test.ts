import { readFileSync } from "node:fs";
import { parse } from "smol-toml";
import { expect, test } from "vitest";
import { parsePolicy } from "../../src/main/config/parse-policy.ts";
import { parseCalibration } from "../../src/main/config/read-calibration.ts";
import { profilePath } from "../../src/main/config/profiles.ts";
import { KEY_PLACES } from "../../src/main/config/schema.ts";

const TEXT = readFileSync(new URL("../../docs/policy.md", import.meta.url), "utf8");
const BUILT_IN = parse(readFileSync(profilePath("default"), "utf8"));

/** Rows of the table under a heading, in cells; a `|` in code is no end of a cell. */
function rowsOf(table: string): string[][] {
  const from = TEXT.indexOf(`\n### \`[${table}]\`\n`);
  if (from < 0) throw new Error(`docs/policy.md has no heading [${table}]`);
  const to = TEXT.indexOf("\n#", from + 1);
  return TEXT.slice(from, to)
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    );
}

test("every key is documented", () => {
  // As the name of a row or an example of its own; keys of steps stand within examples of steps.
  const missing = KEY_PLACES.map(([key]) => key).filter(
    (key) => !new RegExp(`\`(?:\\[|{ )?(?:memory\\.)?${key}\\b|[{,] ${key} = `).test(TEXT),
  );
  expect(missing).toEqual([]);
});

const RESOURCE_TABLES = ["cpu", "cpu.fair_use", "disk", "io", "net", "net.rates", "vm"];
const ARRAYS_OF_TABLES = ["[disk.mounts]", "[disk.places]", "[applications]", "[applications.groups]"];

test.each(["cgroups", "rescue", "record", "callbacks", ...RESOURCE_TABLES, ...ARRAYS_OF_TABLES])(
  "the table of [%s] has its keys, and no others",
  (table) => {
    const documented = rowsOf(table).map(([key = ""]) => key.replaceAll("`", ""));
    const known = KEY_PLACES.filter(([, place]) => place === `[${table}]`).map(([key]) => key);
    expect(documented).toEqual(known);
  },
);

/** Where the default is not in the profile, but comes about when the policy is compiled. */
const DERIVED: Readonly<Record<string, readonly string[]>> = {
  cgroups: ["interval", "calibration"],
  rescue: ["donors"],
  record: ["audit"],
  cpu: ["recover"],
  disk: ["space_recover", "inodes_recover"],
};
/** Tables of their own, and lists that are too long for a cell. */
const ELSEWHERE = new Set(["cpu.fair_use", "net.rates", "net.rates.steps"]);

/** What the profile says of a table, whose name may be a path. */
function saidOf(table: string): Record<string, unknown> {
  let said: unknown = BUILT_IN;
  for (const part of table.split(".")) said = (said as Record<string, unknown>)[part];
  return said as Record<string, unknown>;
}

test.each(["memory", "cgroups", "rescue", "record", ...RESOURCE_TABLES])(
  "the defaults of [%s] are those of the profile",
  (table) => {
    const profile = saidOf(table);
    for (const [key = "", , text = ""] of rowsOf(table)) {
      const name = key.replaceAll("`", "");
      if (ELSEWHERE.has(`${table}.${name}`)) continue;
      if (DERIVED[table]?.includes(name) === true) {
        expect([name, profile[name]]).toEqual([name, undefined]);
        continue;
      }
      expect([name, JSON.parse(text.replaceAll("`", ""))]).toEqual([name, profile[name]]);
    }
  },
);

test("every example is a policy", () => {
  const examples = [...TEXT.matchAll(/```toml\n(.*?)```/gs)].map(([, text = ""]) => text);
  expect(examples.length).toBeGreaterThan(0);
  for (const example of examples)
    expect(parsePolicy(example, "docs/policy.md", () => 0)).toMatchObject({ ok: true });
});

test("every example of a calibration is one", () => {
  const examples = [...TEXT.matchAll(/```json\n(.*?)```/gs)].map(([, text = ""]) => text);
  expect(examples.length).toBeGreaterThan(0);
  for (const example of examples)
    expect(parseCalibration(example, "docs/policy.md")).toMatchObject({ ok: true });
});
