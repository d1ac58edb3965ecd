/** What is odd about rules that name processes. */
import type { RuleList } from "./document.ts";
import type { Report } from "./finding.ts";
import { compilePattern, patternTraits, utf8Length } from "./pattern.ts";
import type { Policy, ProcessRule } from "./policy.ts";

/** The kernel keeps 15 bytes of a process's name: TASK_COMM_LEN less the final zero (proc_pid_comm(5)). */
export const COMM_BYTES_MAX = 15;

const PATTERN_PARTS = ["name", "exe", "cmdline", "cgroup"] as const;

/** Lints the rules of one list. Rules of the built-in policy (line 0) are held only against themselves. */
export function lintRules(
  list: RuleList,
  rules: readonly ProcessRule[],
  policy: Policy,
  report: Report,
): void {
  const places = placesOf(rules);
  rules.forEach((rule, index) => {
    const place = places[index] ?? 0;
    const say = (severity: "warning" | "info", key: string | null, text: Parameters<Report>[2]): void =>
      report(
        severity,
        ["victim", list, place, ...(key === null ? [] : [key])],
        text,
        rule.line === 0 ? null : rule.line,
      );
    lintName(rule, say);
    lintRepeats(rule, say);
    const twin = rules.slice(0, index).find((other) => sameRule(other, rule));
    if (twin !== undefined) {
      say("warning", null, {
        expected: "each rule once",
        found: `the same rule ${placed(twin)}`,
        advice: "remove one",
      });
    }
    if (list !== "never") lintShadow(rule, policy, say);
    if (list === "avoid") lintContradiction(rule, policy.victim.prefer, say);
  });
}

type Say = (severity: "warning" | "info", key: string | null, text: Parameters<Report>[2]) => void;

/** A rule's index in its own file: those of the built-in policy come first and are counted apart. */
function placesOf(rules: readonly ProcessRule[]): number[] {
  let builtIn = 0;
  let own = 0;
  return rules.map((rule) => (rule.line === 0 ? builtIn++ : own++));
}

function placed(rule: ProcessRule): string {
  return rule.line === 0 ? "in the built-in policy" : `on line ${rule.line}`;
}

function lintName(rule: ProcessRule, say: Say): void {
  if (rule.name === null) return;
  const { bytesMin, literals } = patternTraits(rule.name);
  if (bytesMin > COMM_BYTES_MAX) {
    const cut = literals?.[0] === undefined ? "" : `: ${JSON.stringify(cutName(literals[0]))}`;
    say("warning", "name", {
      expected: `a pattern that a name of ${COMM_BYTES_MAX} bytes can match (the kernel keeps no more)`,
      found: `${JSON.stringify(rule.name)}, at least ${bytesMin} bytes`,
      advice: `the rule never fires; write the first ${COMM_BYTES_MAX} bytes${cut}, or use exe`,
    });
    return;
  }
  for (const text of literals ?? []) {
    if (cutName(text) === text) continue;
    say("warning", "name", {
      expected: `names of at most ${COMM_BYTES_MAX} bytes (the kernel keeps no more)`,
      found: JSON.stringify(text),
      advice: `this alternative never matches; write ${JSON.stringify(cutName(text))}, or use exe`,
    });
  }
}

/** A name as the kernel would keep it, whole characters only. */
function cutName(name: string): string {
  let kept = "";
  let bytes = 0;
  for (const character of name) {
    bytes += utf8Length(character);
    if (bytes > COMM_BYTES_MAX) break;
    kept += character;
  }
  return kept;
}

function lintRepeats(rule: ProcessRule, say: Say): void {
  for (const part of PATTERN_PARTS) {
    const source = rule[part];
    if (source === null || !patternTraits(source).nestedRepeat) continue;
    say("warning", part, {
      expected: "no repetition inside a repetition",
      found: JSON.stringify(source),
      advice: "a process could choose a value that takes this pattern for ever to refuse; repeat only once",
    });
  }
}

function sameRule(first: ProcessRule, second: ProcessRule): boolean {
  return (
    PATTERN_PARTS.every((part) => first[part] === second[part]) &&
    first.uid === second.uid &&
    first.descendants === second.descendants
  );
}

function lintShadow(rule: ProcessRule, policy: Policy, say: Say): void {
  // The built-in lists may overlap as they like: what is left out of one may come back by the other.
  if (rule.line === 0) return;
  const shadow = policy.victim.never.find((never) => covers(never, rule));
  if (shadow === undefined) return;
  say("warning", null, {
    expected: "a rule that can take effect",
    found: `a never rule ${placed(shadow)} for every process it matches`,
    advice:
      shadow.line === 0 ? "remove it, or say victim.inherit = false and list what you protect" : "remove one",
  });
}

function lintContradiction(rule: ProcessRule, preferred: readonly ProcessRule[], say: Say): void {
  const other = preferred.find((candidate) => covers(candidate, rule) && covers(rule, candidate));
  if (other === undefined) return;
  say("warning", null, {
    expected: "a process preferred or avoided",
    found: `the same under prefer ${placed(other)}`,
    advice: "remove one",
  });
}

/** Whether every process that `narrow` matches is surely matched by `wide`. False when it cannot be told. */
function covers(wide: ProcessRule, narrow: ProcessRule): boolean {
  // A rule that reaches descendants is only covered by one that does.
  if (narrow.descendants && !wide.descendants) return false;
  if (wide.uid !== null && wide.uid !== narrow.uid) return false;
  return PATTERN_PARTS.every((part) => wide[part] === null || coversPattern(wide[part], narrow[part]));
}

function coversPattern(wide: string, narrow: string | null): boolean {
  if (narrow === null) return false;
  if (wide === narrow || wide === ".*") return true;
  const { literals } = patternTraits(narrow);
  const pattern = compilePattern(wide);
  return literals?.every((text) => pattern.test(text)) ?? false;
}
