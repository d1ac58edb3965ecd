/** From the text of a policy file to what it says, or all that is wrong with it. */
import { parse, TomlError } from "smol-toml";
import type { PolicyLayer } from "../../core/policy/document.ts";
import { type KeyPath, type LineOf, locateKeys } from "../../core/policy/locate.ts";
import { formatKey, nearestWord, type PolicyProblem } from "../../core/policy/problem.ts";
import { describeValue } from "../../core/units.ts";
import type { UidOf } from "./passwd.ts";
import { KEY_PLACES, policySchema } from "./schema.ts";
import { type Issue, z } from "./zod.ts";

export type ParsedPolicy =
  | { readonly ok: true; readonly layer: PolicyLayer }
  | { readonly ok: false; readonly problems: readonly PolicyProblem[] };

/** Deeper than any policy can be; keeps a hostile text from exhausting the stack. */
const NESTING_MAX = 16;

/** Reads the TOML text of `file` (a path or `built-in:NAME`, used in messages only). Never throws on any text. */
export function parsePolicy(text: string, file: string, uidOf: UidOf, builtIn = false): ParsedPolicy {
  let values: unknown;
  try {
    values = parse(text, { maxDepth: NESTING_MAX });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    return { ok: false, problems: [tomlProblem(error, text, file)] };
  }
  const lineOf = locateKeys(text);
  const result = readDocument(values, file, uidOf, lineOf);
  return result.ok ? { ok: true, layer: { ...result, file, builtIn, lineOf } } : result;
}

/** Checks the values of a policy against its shape. Never throws on any value. */
export function readDocument(
  values: unknown,
  file: string,
  uidOf: UidOf,
  lineOf: LineOf,
):
  | { readonly ok: true; readonly document: PolicyLayer["document"] }
  | { readonly ok: false; readonly problems: readonly PolicyProblem[] } {
  const result = z.safeParse(policySchema(uidOf), values, { reportInput: true });
  if (result.success) return { ok: true, document: result.data };
  const problems = result.error.issues.flatMap((issue) => issueProblems(issue, file, lineOf));
  return { ok: false, problems: problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0)) };
}

function tomlProblem(error: TomlError, text: string, file: string): PolicyProblem {
  // The library's message goes on with a picture of the place; line and column say it better in a log.
  const reason = error.message.split("\n")[0]?.replace("Invalid TOML document: ", "") ?? "";
  const line = text.split("\n")[error.line - 1]?.replace(/\r$/, "") ?? "";
  return {
    file,
    line: error.line,
    column: error.column,
    key: "",
    expected: "TOML 1.0 (https://toml.io)",
    found: line.trim() === "" ? "an unfinished line or value" : describeValue(line.trim()),
    advice: reason,
  };
}

function issueProblems(issue: Issue, file: string, lineOf: LineOf): PolicyProblem[] {
  const path = issue.path.map((part) => (typeof part === "symbol" ? String(part) : part));
  if (issue.code === "unrecognized_keys") {
    const known = issue.message.split(" ");
    return issue.keys.map((key) => unknownKey([...path, key], key, known, file, lineOf));
  }
  const told =
    issue.code === "custom" ? (issue.params as { expected: string; found: string } | undefined) : undefined;
  return [
    {
      file,
      line: lineOf(path),
      column: null,
      key: formatKey(path),
      expected: told?.expected ?? issue.message,
      found: told?.found ?? describeValue(issue.input),
      advice: "",
    },
  ];
}

function unknownKey(
  path: KeyPath,
  key: string,
  known: readonly string[],
  file: string,
  lineOf: LineOf,
): PolicyProblem {
  const nearest = nearestWord(key, known);
  const places = KEY_PLACES.filter(([name]) => name === key).map(([, place]) => place);
  let advice = "remove it; docs/policy.md lists all keys";
  if (nearest !== null) advice = `did you mean ${nearest}?`;
  else if (places.length > 0) advice = `it belongs in ${either(places)}`;
  return {
    file,
    line: lineOf(path),
    column: null,
    key: formatKey(path),
    expected: `one of ${known.join(", ")}`,
    found: "an unknown key",
    advice,
  };
}

/** `a`, `a or b`, `a, b or c`. */
function either(words: readonly string[]): string {
  const first = words.slice(0, -1).join(", ");
  return first === "" ? (words[0] ?? "") : `${first} or ${words.at(-1)}`;
}
