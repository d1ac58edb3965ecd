import { isLever, isNice, isLeverValue, type Lever, LEVER_FILES, type LeverFile } from "./lever.ts";

/**
 * The journal of what a lane has imposed: a text file, one a lane, in which everything stands before it is done, so that
 * whoever finds the lane or the guard gone can put back what it found. A line is one of
 *
 *     set N cgroup INODE DEVICE ORIGINAL BEFORE VALUE PATH   PATH is about to be changed from BEFORE to VALUE for DEVICE
 *                                                            (MAJOR:MINOR, or -); ORIGINAL is to be put back
 *     set N nice PID START ORIGINAL BEFORE VALUE             a process's nice value; START: when it started, in ticks
 *     set N thread TID START ORIGINAL BEFORE VALUE           of one of its threads, which had a value of its own
 *     set N stop PID START                                   a process is about to be stopped
 *     set N shape IFINDEX NAME                               a root qdisc 7015: is about to be set
 *     set N link IFINDEX NAME                                an interface is about to be put down
 *     set N domain URI NAME                                  a libvirt domain is about to be suspended
 *     done N    it is as it was found
 *     left N    somebody else has changed it: it is no longer the guard's to put back
 *     gone N    the cgroup, process, interface or domain is no more
 *     wait N    it could not be put back yet, and is tried again
 *
 * N is a number of the journal's own. Blanks in a value are commas here. PATH and NAME are last and may contain blanks.
 * What was journaled holds BEFORE or VALUE, whether or not the change was still made; anything else is somebody else's.
 */

/** What is imposed, or may be. */
export interface HeldLever {
  readonly number: number;
  readonly lever: Lever;
  /** What was found, and what was there when the last change was journaled; null for what has no value. */
  readonly original: string | null;
  readonly before: string | null;
  /** A guardian without a guard has tried to put it back, and could not yet. */
  readonly waiting: boolean;
}

/** How one was closed. */
export type LeverEnd = "done" | "left" | "gone";

export interface LeverProblem {
  /** From 1. */
  readonly line: number;
  readonly found: string;
}

export interface LeversState {
  /** In the order in which they were first journaled. */
  readonly held: readonly HeldLever[];
  /** Closed without anything put back. */
  readonly abandoned: readonly { readonly lever: Lever; readonly why: "left" | "gone" }[];
  readonly problems: readonly LeverProblem[];
  /** The next that is free. */
  readonly nextNumber: number;
}

const FOUND_LENGTH = 80;
const NUMBER = "([1-9][0-9]{0,8})";
const SET = new RegExp(`^set ${NUMBER} ([a-z]+) (.*)$`, "s");
const END = new RegExp(`^(done|left|gone|wait) ${NUMBER}$`);
const ID = "([1-9][0-9]{0,14})";
const START = "(0|[1-9][0-9]{0,14})";
const VALUE = "([A-Za-z0-9=,-]{1,120})";
const CGROUP = new RegExp(`^${ID} (\\S+) ${VALUE} ${VALUE} ${VALUE} (/.*)/([a-z_.]+)$`, "s");
const NICE = new RegExp(`^${ID} ${START} ${VALUE} ${VALUE} ${VALUE}$`);
const STOP = new RegExp(`^${ID} ${START}$`);
const INTERFACE = new RegExp(`^${ID} (\\S+)$`);
const DOMAIN = /^(\S+) (.+)$/s;

const encode = (value: string): string => value.replaceAll(" ", ",");
const decode = (text: string): string => text.replaceAll(",", " ");

/** The line of what is about to be imposed, its end included. */
export function formatLever({ number, lever, original, before }: Omit<HeldLever, "waiting">): string {
  return `set ${number} ${lever.kind} ${detailsOf(lever, original ?? "", before ?? "")}\n`;
}

function detailsOf(lever: Lever, original: string, before: string): string {
  switch (lever.kind) {
    case "cgroup": {
      const { inode, device, value, directory, file } = lever;
      return `${inode} ${device ?? "-"} ${encode(original)} ${encode(before)} ${encode(value)} ${directory}/${file}`;
    }
    case "nice":
    case "thread":
      return `${lever.pid} ${lever.startTicks} ${original} ${before} ${lever.value}`;
    case "stop":
      return `${lever.pid} ${lever.startTicks}`;
    case "shape":
    case "link":
      return `${lever.ifindex} ${lever.interface}`;
    case "domain":
      return `${lever.uri} ${lever.domain}`;
  }
}

/** The line that closes one, or says that it waits. */
export function formatEnd(number: number, end: LeverEnd | "wait"): string {
  return `${end} ${number}\n`;
}

/**
 * What a journal comes to. A last line without an end is what a writer did not finish: nothing was done for it, and it is
 * passed over. Other lines that say nothing are passed over and named.
 */
export function foldLevers(text: string): LeversState {
  const held = new Map<number, HeldLever>();
  const abandoned: { lever: Lever; why: "left" | "gone" }[] = [];
  const problems: LeverProblem[] = [];
  let nextNumber = 1;
  for (const [i, line] of text.split("\n").slice(0, -1).entries()) {
    if (line === "") continue;
    const set = takeSet(line);
    const end = END.exec(line);
    if (set !== null) held.set(set.number, set);
    else if (end === null) problems.push({ line: i + 1, found: line.slice(0, FOUND_LENGTH) });
    else takeEnd(Number(end[2]), end[1] as LeverEnd | "wait", held, abandoned);
    nextNumber = Math.max(nextNumber, (set?.number ?? Number(end?.[2] ?? 0)) + 1);
  }
  return { held: [...held.values()], abandoned, problems, nextNumber };
}

function takeEnd(
  number: number,
  end: LeverEnd | "wait",
  held: Map<number, HeldLever>,
  abandoned: { lever: Lever; why: "left" | "gone" }[],
): void {
  const entry = held.get(number);
  if (entry === undefined) return;
  if (end === "wait") {
    held.set(number, { ...entry, waiting: true });
    return;
  }
  held.delete(number);
  if (end !== "done") abandoned.push({ lever: entry.lever, why: end });
}

function takeSet(line: string): HeldLever | null {
  const match = SET.exec(line);
  if (match === null) return null;
  const [, number, kind = "", details = ""] = match;
  const parsed = parseDetails(kind, details);
  if (parsed === null || !isLever(parsed.lever)) return null;
  return { number: Number(number), waiting: false, ...parsed };
}

type Details = Pick<HeldLever, "lever" | "original" | "before"> | null;

function parseDetails(kind: string, details: string): Details {
  switch (kind) {
    case "cgroup":
      return parseCgroup(details);
    case "nice":
    case "thread":
      return parseNice(kind, details);
    case "stop": {
      const [, pid, startTicks] = STOP.exec(details) ?? [];
      return valueless({ kind, pid: Number(pid), startTicks: Number(startTicks) });
    }
    case "shape":
    case "link": {
      const [, ifindex, name = ""] = INTERFACE.exec(details) ?? [];
      return valueless({ kind, ifindex: Number(ifindex), interface: name });
    }
    case "domain": {
      const [, uri = "", domain = ""] = DOMAIN.exec(details) ?? [];
      return valueless({ kind, uri, domain });
    }
    default:
      return null;
  }
}

function valueless(lever: Lever): Details {
  return { lever, original: null, before: null };
}

function parseCgroup(details: string): Details {
  const match = CGROUP.exec(details);
  if (match === null) return null;
  const [, inode, device = "", ...rest] = match;
  const [original, before, value] = rest.slice(0, 3).map(decode) as [string, string, string];
  const [directory, file] = rest.slice(3) as [string, LeverFile];
  if (!LEVER_FILES.includes(file) || !isLeverValue(file, original) || !isLeverValue(file, before))
    return null;
  return {
    lever: {
      kind: "cgroup",
      directory,
      inode: Number(inode),
      file,
      device: device === "-" ? null : device,
      value,
    },
    original,
    before,
  };
}

function parseNice(kind: "nice" | "thread", details: string): Details {
  const match = NICE.exec(details);
  if (match === null) return null;
  const [, pid, startTicks, original = "", before = "", value = ""] = match;
  const isWhole = [original, before, value].every(
    (text) => isNice(Number(text)) && String(Number(text)) === text,
  );
  if (!isWhole) return null;
  return {
    lever: { kind, pid: Number(pid), startTicks: Number(startTicks), value: Number(value) },
    original,
    before,
  };
}
