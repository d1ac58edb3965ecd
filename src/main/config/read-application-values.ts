/** Single values of [[applications]] and [callbacks]; see read-values.ts. */
import { nearestWord } from "../../core/policy/problem.ts";
import { SIGNAL_NAMES, UNANSWERABLE } from "../../core/policy/signals.ts";
import { describeValue, type Parsed } from "../../core/units.ts";
import { absolutePath, ok, wrong } from "./read-values.ts";

const NAME_CHARACTERS_MAX = 64;

/** A name that can stand in the name of a file: dumps are called by it. */
export function readName(value: unknown): Parsed<string> {
  const right =
    typeof value === "string" &&
    /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(value) &&
    value.length <= NAME_CHARACTERS_MAX;
  return right
    ? ok(value)
    : wrong(`a name of letters, digits, ".", "_" and "-" (at most ${NAME_CHARACTERS_MAX})`, value);
}

/** The source of a regular expression that is searched for. Flags as those of rules ({@link readPattern}). */
export function readSearchPattern(value: unknown): Parsed<string> {
  if (typeof value !== "string" || value === "")
    return wrong("a regular expression that is not empty", value);
  const compiled = compiledOf(value);
  if (compiled.ok) return ok(value);
  return wrong(`a regular expression (JavaScript's, with flags s and u; ${compiled.reason})`, value);
}

/** The source of one with a group, which tells members apart. */
export function readMemberPattern(value: unknown): Parsed<string> {
  const read = readSearchPattern(value);
  if (!read.ok) return read;
  // The empty alternative always matches, with all groups there are.
  const groups = new RegExp(`${read.value}|`, "su").exec("")?.length ?? 1;
  return groups > 1 ? read : wrong('a regular expression with a group, such as "packages/([^/]+)/"', value);
}

function compiledOf(source: string): { readonly ok: true } | { readonly ok: false; readonly reason: string } {
  try {
    void new RegExp(source, "su");
    return { ok: true };
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? (error.message.split(": ").at(-1) ?? "") : "" };
  }
}

/** A signal that a process can answer, by its whole name. */
export function readSignal(value: unknown): Parsed<string> {
  const expected = "the name of a signal that a process can answer, such as SIGUSR1 or SIGQUIT";
  const text = typeof value === "string" ? value : "";
  if (UNANSWERABLE.has(text)) {
    const advice = text === "SIGKILL" ? '; to end it so, use the step "sigkill"' : "";
    return { ok: false, expected, found: `${text}, which none can answer${advice}` };
  }
  if (SIGNAL_NAMES.some((name) => name === text)) return ok(text);
  const upper = text.toUpperCase();
  const whole = SIGNAL_NAMES.find((name) => name === `SIG${upper}` || name === upper);
  const near = whole ?? (text === "" ? null : nearestWord(upper, SIGNAL_NAMES));
  const meant = near === null || UNANSWERABLE.has(near) ? "" : ` (did you mean ${near}?)`;
  return { ok: false, expected, found: `${describeValue(value)}${meant}` };
}

/** The text that a whole file ends with. */
export function readEnd(value: unknown): Parsed<string> {
  const right = typeof value === "string" && value.trim() !== "" && !value.includes("\0");
  return right ? ok(value) : wrong('the text that a whole file ends with, such as "=end"', value);
}

const WAIT_FILE_EXPECTED =
  "a file's path, absolute or as the main process sees it from its working directory; ${NAME} and ${NAME:-default} are of its environment";

/** A path, {@link ../../core/policy/wait-file.ts}. */
export function readWaitFile(value: unknown): Parsed<string> {
  const right =
    typeof value === "string" &&
    /^[^\0\n]*[^/\0\n]$/.test(value) &&
    !value.replaceAll(/\$\{[A-Za-z_][A-Za-z0-9_]*(?::-[^{}]*)?\}/g, "").includes("$");
  return right ? ok(value) : wrong(WAIT_FILE_EXPECTED, value);
}

const OVERCOMMIT_MODES = [0, 1, 2];

/** One value of vm.overcommit_memory (proc_sys_vm(5)). */
export function readMode(value: unknown): Parsed<number> {
  const mode = OVERCOMMIT_MODES.find((each) => each === value);
  return mode === undefined ? wrong("0, 1 or 2, which vm.overcommit_memory can be", value) : ok(mode);
}

/** A reader of an absolute path of a file, or false for none. */
export function pathOrFalse(example: string): (value: unknown) => Parsed<string | false> {
  const read = absolutePath(example);
  return (value) => {
    if (value === false) return ok(false);
    const parsed = read(value);
    return parsed.ok ? parsed : { ...parsed, expected: `${parsed.expected}, or false` };
  };
}

/** A directory to write to; true for the usual one, false for none. */
export function readDirectoryOrBoolean(value: unknown): Parsed<string | boolean> {
  if (typeof value === "boolean") return ok(value);
  const parsed = readDirectory(value);
  return parsed.ok ? parsed : { ...parsed, expected: `${parsed.expected}, true or false` };
}

/** A directory to write to: absolute, and not the root. */
export function readDirectory(value: unknown): Parsed<string> {
  const right =
    typeof value === "string" && /^(?:\/[^/\0\n]+)+\/?$/.test(value) && !/\/\.{1,2}(?:\/|$)/.test(value);
  return right
    ? ok(value.replace(/\/$/, ""))
    : wrong('the absolute path of a directory, such as "/var/lib/plimsoll/dumps"', value);
}
