/**
 * The journal of changed limits: a text file in which every change of a cgroup's limit stands before it is made, so that
 * whoever finds the guard gone can put back what it found. A line is one of
 *
 *     set INODE ORIGINAL BEFORE VALUE PATH    PATH is about to be changed from BEFORE to VALUE; ORIGINAL is to be put back
 *     done INODE PATH                         PATH holds its original again
 *     left INODE PATH                         somebody else has changed PATH: it is no longer the guard's to put back
 *     gone INODE PATH                         the cgroup is no more
 *     wait INODE PATH                         PATH will be put back when its cgroup uses less than the original
 *
 * INODE is the cgroup directory's: another cgroup at the same path is not meant. Amounts are bytes or `max`; of
 * memory.oom_control they are 0 and 1. The path is last and may contain blanks; a cgroup's name cannot contain a newline
 * (kernel/cgroup/cgroup.c, cgroup_mkdir). A file whose change was journaled holds BEFORE or VALUE, whether or not the
 * change was still made; anything else in it is somebody else's. So nothing need be journaled to go back to BEFORE or to
 * ORIGINAL.
 */

/** The files that may be journaled: nobody who finds a journal writes to any other. */
export const JOURNALED_FILES = [
  "memory.oom_control",
  "memory.high",
  "memory.memsw.limit_in_bytes",
  "memory.limit_in_bytes",
  "memory.max",
] as const;

/** A file that is not, or may not be, as the guard found it. Amounts in bytes, Infinity for no limit. */
export interface OutstandingChange {
  /** Of the file, absolute. */
  readonly path: string;
  /** Of the cgroup's directory. */
  readonly inode: number;
  /** What it held before the guard's first change, and shall hold again. */
  readonly original: number;
  /** What it held when the last change was journaled, and what it was then to hold. */
  readonly before: number;
  readonly value: number;
  /** A guardian without a guard has tried, and waits for the cgroup to use less than the original. */
  readonly waiting: boolean;
}

/** A change that was closed without putting anything back. */
export interface AbandonedChange {
  readonly path: string;
  readonly inode: number;
  /** `left`: somebody else has changed the file; `gone`: the cgroup is no more. */
  readonly why: "left" | "gone";
}

/** A line that says nothing: damaged, or not the journal's. */
export interface JournalProblem {
  /** From 1. */
  readonly line: number;
  readonly found: string;
}

export interface JournalState {
  /** In the order in which they were first journaled. */
  readonly outstanding: readonly OutstandingChange[];
  readonly abandoned: readonly AbandonedChange[];
  readonly problems: readonly JournalProblem[];
}

const AMOUNT = "(max|0|[1-9][0-9]{0,15})";
const SET = new RegExp(`^set ([1-9][0-9]{0,14}) ${AMOUNT} ${AMOUNT} ${AMOUNT} (/.*)$`, "s");
const OTHER = /^(done|left|gone|wait) ([1-9][0-9]{0,14}) (\/.*)$/s;
/** Of a line that says nothing, so much is repeated. */
const FOUND_LENGTH = 80;

/** An amount as the journal has it. Past 2^53 it is no limit: 2^63 rounded down to pages is the kernel's word for none. */
export function formatAmount(bytes: number): string {
  return bytes > Number.MAX_SAFE_INTEGER ? "max" : String(bytes);
}

function parseAmount(text: string): number {
  const amount = text === "max" ? Number.POSITIVE_INFINITY : Number(text);
  return amount > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : amount;
}

/** Whether a path may be journaled: absolute, one line, one of {@link JOURNALED_FILES}. */
export function isJournaled(path: string): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return path.startsWith("/") && !path.includes("\n") && JOURNALED_FILES.some((each) => each === name);
}

/** The line of a change that is about to be made, as it stands after a journal was written anew. */
export function formatSet(change: OutstandingChange): string {
  const { inode, original, before, value, path } = change;
  const amounts = `${formatAmount(original)} ${formatAmount(before)} ${formatAmount(value)}`;
  return `set ${inode} ${amounts} ${path}\n`;
}

/**
 * What a journal comes to. A last line without an end is what a writer did not finish: its change was not made, and it
 * is passed over. Other lines that say nothing are passed over and named.
 */
export function foldJournal(text: string): JournalState {
  const outstanding = new Map<string, OutstandingChange>();
  const abandoned: AbandonedChange[] = [];
  const problems: JournalProblem[] = [];
  const lines = text.split("\n");
  for (const [i, line] of lines.slice(0, -1).entries()) {
    if (takeSet(line, outstanding) || takeOther(line, outstanding, abandoned) || line === "") continue;
    problems.push({ line: i + 1, found: line.slice(0, FOUND_LENGTH) });
  }
  return { outstanding: [...outstanding.values()], abandoned, problems };
}

/** A file is known by its cgroup's inode and its own name: its path may have been another's before. */
function keyOf(inode: string, path: string): string {
  return `${inode}${path.slice(path.lastIndexOf("/"))}`;
}

function isSwitch(amount: string): boolean {
  return amount === "0" || amount === "1";
}

function takeSet(line: string, outstanding: Map<string, OutstandingChange>): boolean {
  const match = SET.exec(line);
  if (match === null) return false;
  const [, inode = "", original = "", before = "", value = "", path = ""] = match;
  if (!isJournaled(path)) return false;
  if (path.endsWith("/memory.oom_control") && ![original, before, value].every(isSwitch)) return false;
  outstanding.set(keyOf(inode, path), {
    path,
    inode: Number(inode),
    original: parseAmount(original),
    before: parseAmount(before),
    value: parseAmount(value),
    waiting: false,
  });
  return true;
}

function takeOther(
  line: string,
  outstanding: Map<string, OutstandingChange>,
  abandoned: AbandonedChange[],
): boolean {
  const match = OTHER.exec(line);
  if (match === null) return false;
  const [, verb = "", inode = "", path = ""] = match;
  if (!isJournaled(path)) return false;
  const key = keyOf(inode, path);
  const change = outstanding.get(key);
  if (change === undefined) return true;
  if (verb === "wait") {
    outstanding.set(key, { ...change, waiting: true });
    return true;
  }
  outstanding.delete(key);
  if (verb !== "done")
    abandoned.push({ path: change.path, inode: change.inode, why: verb as "left" | "gone" });
  return true;
}
