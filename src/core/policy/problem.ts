import { ExitCode, Fault } from "../fault.ts";
import type { KeyPath } from "./locate.ts";

/** One thing wrong with a policy, told so that it can be put right. */
export interface PolicyProblem {
  /** Path of the file, or `built-in:NAME`. */
  readonly file: string;
  /** From 1; null: the whole file. */
  readonly line: number | null;
  /** From 1; known for mistakes in the TOML itself. */
  readonly column: number | null;
  /** Such as `memory.critical.ladder[2].deadline`; empty: no key in particular. */
  readonly key: string;
  readonly expected: string;
  readonly found: string;
  /** What to do; may be empty where `expected` says it already. */
  readonly advice: string;
}

const PROBLEMS_SHOWN_MAX = 50;

/** A policy that cannot be used, with everything that is wrong with it. Ends the program with exit code 3. */
export class PolicyFault extends Fault {
  readonly problems: readonly PolicyProblem[];

  constructor(problems: readonly PolicyProblem[]) {
    const shown = problems.slice(0, PROBLEMS_SHOWN_MAX).map((problem) => `  ${formatProblem(problem)}`);
    const rest = problems.length - shown.length;
    if (rest > 0) shown.push(`  and ${rest} more`);
    const count = problems.length === 1 ? "1 mistake" : `${problems.length} mistakes`;
    super(ExitCode.badPolicy, `the policy has ${count}:\n${shown.join("\n")}`);
    this.name = "PolicyFault";
    this.problems = problems;
  }
}

/** `FILE:LINE:COLUMN: KEY: expected …, found …; advice`, in the form editors can jump to. */
export function formatProblem(problem: PolicyProblem): string {
  const place = [problem.file, problem.line, problem.column].filter((part) => part !== null).join(":");
  const key = problem.key === "" ? "" : ` ${problem.key}:`;
  const advice = problem.advice === "" ? "" : `; ${problem.advice}`;
  return `${place}:${key} expected ${problem.expected}, found ${problem.found}${advice}`;
}

/** A key's path as it would be written: `victim.never[0].name`. Parts that are no bare keys are quoted. */
export function formatKey(path: KeyPath): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += `${text === "" ? "" : "."}${/^[A-Za-z0-9_-]+$/.test(part) ? part : JSON.stringify(part)}`;
  }
  return text;
}

/** The word of `known` that was probably meant, or null when none is near. Ties go to the earlier one. */
export function nearestWord(word: string, known: readonly string[]): string | null {
  let nearest: string | null = null;
  // A third of the letters wrong is a slip; more is another word.
  let best = Math.max(2, Math.ceil(word.length / 3)) + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) >= best) continue;
    const distance = editDistance(word, candidate);
    if (distance < best && distance < candidate.length) [nearest, best] = [candidate, distance];
  }
  return nearest;
}

/** Levenshtein distance: how many letters must be put in, left out or changed. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
