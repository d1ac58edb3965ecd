/**
 * What the kernel command line switches off: `plimsoll=off`, `plimsoll=nomem,nocpu,nodisk,noio,nonet,novm,noapp,nofairuse`,
 * and ORK's own `ork=development|nocpu|nomem|nonetwork|nofairusage`. It is what a person at the boot prompt can still say
 * when the guard itself is suspected.
 */
import type { Policy } from "./policy.ts";

export const SWITCHES = ["memory", "cpu", "disk", "io", "net", "vm", "app", "fair-use"] as const;
export type Switch = (typeof SWITCHES)[number];

/** What the command line says. */
export interface KernelSwitches {
  /** `plimsoll=off`, `ork=development`: nothing at all is done. */
  readonly off: boolean;
  /** What is not guarded, each once, in the order of {@link SWITCHES}; all where everything is off. */
  readonly switchedOff: readonly Switch[];
  /** The words that did so, as they stand there, such as `plimsoll=nocpu`. */
  readonly words: readonly string[];
  /** Words of these parameters that mean nothing. */
  readonly unknown: readonly string[];
}

type Meaning = Switch | "everything";

const PLIMSOLL_WORDS: ReadonlyMap<string, Meaning> = new Map([
  ["off", "everything"],
  ["nomem", "memory"],
  ["nocpu", "cpu"],
  ["nodisk", "disk"],
  ["noio", "io"],
  ["nonet", "net"],
  ["novm", "vm"],
  ["noapp", "app"],
  ["nofairuse", "fair-use"],
]);

/** ORK looked for these anywhere in each value of `ork=`; so `ork=nocpu|nomem` and `ork=nocpunomem` count too. */
const ORK_WORDS: ReadonlyMap<string, Meaning> = new Map([
  ["development", "everything"],
  ["nomem", "memory"],
  ["nocpu", "cpu"],
  ["nonetwork", "net"],
  ["nofairusage", "fair-use"],
]);

/** What a command line without any switch says. */
export const NO_SWITCHES: KernelSwitches = { off: false, switchedOff: [], words: [], unknown: [] };

/** The switches in the text of /proc/cmdline (proc_cmdline(5)); in any order, repeated or not. Never throws. */
export function parseSwitches(text: string): KernelSwitches {
  const found: { readonly word: string; readonly meaning: Meaning | null }[] = [];
  for (const { name, value } of kernelParameters(text)) {
    if (name === "plimsoll") found.push(...plimsollWords(value ?? ""));
    if (name === "ork") found.push(...orkWords(value ?? ""));
  }
  const meanings = new Set(found.map(({ meaning }) => meaning));
  const off = meanings.has("everything");
  return {
    off,
    switchedOff: SWITCHES.filter((each) => off || meanings.has(each)),
    words: distinct(found.flatMap(({ word, meaning }) => (meaning === null ? [] : [word]))),
    unknown: distinct(found.flatMap(({ word, meaning }) => (meaning === null ? [word] : []))),
  };
}

function distinct(words: readonly string[]): string[] {
  return [...new Set(words)];
}

function plimsollWords(value: string) {
  return value.split(",").map((part) => {
    const word = part.trim();
    return { word: `plimsoll=${word}`, meaning: PLIMSOLL_WORDS.get(word) ?? null };
  });
}

function orkWords(value: string) {
  const known = [...ORK_WORDS].filter(([word]) => value.includes(word));
  if (known.length === 0) return [{ word: `ork=${value}`, meaning: null }];
  return known.map(([word, meaning]) => ({ word: `ork=${word}`, meaning }));
}

interface KernelParameter {
  readonly name: string;
  /** Null: no `=` follows the name. */
  readonly value: string | null;
}

/**
 * Parameters as the kernel takes them apart: at spaces, but for those between double quotes, which may stand around the
 * value or around the whole (kernel-parameters.rst; next_arg() of lib/cmdline.c). What follows `--` is meant for init
 * (ORK's own parameters stood there too), and counts.
 */
function kernelParameters(text: string): KernelParameter[] {
  const parameters: KernelParameter[] = [];
  let begin = -1;
  let quoted = false;
  for (let at = 0; at <= text.length; at += 1) {
    const character = text[at];
    const ends = character === undefined || (/\s/.test(character) && !quoted);
    if (character === '"') quoted = !quoted;
    if (!ends && begin < 0) begin = at;
    if (!ends || begin < 0) continue;
    parameters.push(parameterOf(text.slice(begin, at)));
    begin = -1;
  }
  return parameters;
}

function parameterOf(text: string): KernelParameter {
  const whole = unquoted(text);
  const equals = whole.indexOf("=");
  if (equals <= 0) return { name: whole, value: null };
  return { name: whole.slice(0, equals), value: unquoted(whole.slice(equals + 1)) };
}

/** Without a quote it begins with and, then, one it ends with. */
function unquoted(text: string): string {
  if (!text.startsWith('"')) return text;
  return text.endsWith('"') && text.length > 1 ? text.slice(1, -1) : text.slice(1);
}

/** The policy without what is switched off; the fair use of processors is part of [cpu], and off with it. */
export function applySwitches(policy: Policy, { switchedOff }: KernelSwitches): Policy {
  const off = (each: Switch): boolean => switchedOff.includes(each);
  const { memory, rescue, cpu, disk, io, net, vm, app } = policy;
  const guarded = <T extends { readonly enabled: boolean }>(each: Switch, table: T): T =>
    off(each) ? { ...table, enabled: false } : table;
  return {
    ...policy,
    memory: off("memory")
      ? { ...memory, enabled: false, warning: null, critical: null, thrashing: null }
      : memory,
    // Limits of memory are memory's.
    rescue: off("memory") ? { ...rescue, cgroups: [], donors: [], pause: [] } : rescue,
    cpu: { ...guarded("cpu", cpu), fairUse: off("cpu") || off("fair-use") ? null : cpu.fairUse },
    disk: guarded("disk", disk),
    io: guarded("io", io),
    net: guarded("net", net),
    vm: guarded("vm", vm),
    app: guarded("app", app),
  };
}

const NAMES: Readonly<Record<Switch, string>> = {
  memory: "memory (rescues too)",
  cpu: "CPU (fair use too)",
  disk: "disk space and inodes",
  io: "disk I/O",
  net: "network",
  vm: "virtual machines",
  app: "applications",
  "fair-use": "fair use of CPU",
};

/** What the switches do, in words; null: nothing. */
export function describeSwitches({ off, switchedOff, words }: KernelSwitches): string | null {
  if (words.length === 0) return null;
  const what = off ? "everything" : switchedOff.map((each) => NAMES[each]).join(", ");
  return `the kernel command line (${words.join(" ")}) switches off ${what}`;
}

/** The event of the record in one sentence, for the kernel log and the terminal. */
export function switchedOffSentence(
  words: readonly string[],
  switchedOff: readonly string[],
  unknown: readonly string[],
): string {
  const off = switchedOff.length === 0 ? [] : [`${words.join(" ")} switches off ${switchedOff.join(", ")}`];
  return `kernel command line: ${[...off, ...unknown.map((word) => `${word} is unknown`)].join("; ")}`;
}
