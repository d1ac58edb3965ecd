/**
 * What virsh (virsh(1), LC_ALL=C) prints, as values. What is not of the expected form is passed over: names of domains
 * are anybody's, and libvirt's versions differ. No name contains a newline: libvirt refuses it.
 */

export interface ListedDomain {
  readonly uuid: string;
  readonly name: string;
}

/** Figures of a domain; null: not said. Bytes are of the guest's memory (balloon) and of what its process has resident. */
export interface DomainFigures {
  /** virDomainState (libvirt-domain.h). */
  readonly state: number | null;
  readonly memoryBytes: number | null;
  readonly residentBytes: number | null;
  readonly cpuUs: number | null;
  readonly processors: number | null;
}

export interface DomainInfo extends DomainFigures {
  /** Its memory is on disk, and it goes on from there when it is started. */
  readonly managedSave: boolean | null;
}

const PROMPT = /^(?:virsh [#>] )+/;
const UUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
const LISTED = new RegExp(`^\\s*(${UUID})\\s(.*\\S)\\s*$`, "s");
const KIB = 1024;
const NS_PER_US = 1000;

/** By what dominfo and list call them. */
const STATES: Readonly<Record<string, number>> = {
  "no state": 0,
  running: 1,
  idle: 2,
  paused: 3,
  "in shutdown": 4,
  "shut off": 5,
  crashed: 6,
  pmsuspended: 7,
};

/** The answer's own lines: without prompts, what was typed, and empty lines. */
export function answerLines(text: string, typed: readonly string[]): string[] {
  const lines: string[] = [];
  for (const raw of text.split("\n")) {
    // A progress line overwrites itself.
    const line = raw
      .slice(raw.replace(/\r$/, "").lastIndexOf("\r") + 1)
      .replace(/\r$/, "")
      .replace(PROMPT, "");
    if (line.trim() === "" || typed.includes(line)) continue;
    lines.push(line);
  }
  return lines;
}

/** What virsh says went wrong; null: nothing did. */
export function errorOf(lines: readonly string[]): string | null {
  const errors = lines
    .filter((line) => line.startsWith("error: "))
    .map((line) => line.slice("error: ".length));
  return errors.length === 0 ? null : errors.join("; ");
}

/** `list --all --uuid --name`. */
export function parseDomainList(lines: readonly string[]): ListedDomain[] {
  const domains = new Map<string, ListedDomain>();
  for (const line of lines) {
    const [, uuid = "", name = ""] = LISTED.exec(line) ?? [];
    if (uuid !== "" && name !== "") domains.set(uuid.toLowerCase(), { uuid: uuid.toLowerCase(), name });
  }
  return [...domains.values()];
}

/** `domstats --state --cpu-total --balloon --vcpu`, by name. */
export function parseDomainStats(lines: readonly string[]): Map<string, DomainFigures> {
  const all = new Map<string, DomainFigures>();
  let name: string | null = null;
  let fields = new Map<string, number>();
  const close = (): void => {
    if (name !== null) all.set(name, figuresOf(fields));
  };
  for (const line of lines) {
    const head = /^Domain: '(.*)'$/s.exec(line);
    if (head !== null) {
      close();
      // As in the list, where blanks at the end cannot be told from those that fill the column.
      name = (head[1] as string).trimEnd();
      fields = new Map();
      continue;
    }
    const [, key = "", value = ""] = /^\s+([a-z0-9_.-]+)=(\d{1,20})$/i.exec(line) ?? [];
    if (key !== "") fields.set(key, Number(value));
  }
  close();
  return all;
}

function figuresOf(fields: ReadonlyMap<string, number>): DomainFigures {
  const get = (key: string, factor: number): number | null => {
    const value = fields.get(key);
    return value === undefined ? null : whole(value * factor);
  };
  return {
    state: get("state.state", 1),
    memoryBytes: get("balloon.current", KIB) ?? get("balloon.maximum", KIB),
    residentBytes: get("balloon.rss", KIB),
    cpuUs: get("cpu.time", 1 / NS_PER_US),
    processors: get("vcpu.current", 1) ?? get("vcpu.maximum", 1),
  };
}

/** `dominfo`. */
export function parseDomainInfo(lines: readonly string[]): DomainInfo {
  const fields = new Map<string, string>();
  for (const line of lines) {
    const [, key = "", value = ""] = /^([A-Z][^:]*):\s+(.*?)\s*$/.exec(line) ?? [];
    if (key !== "" && !fields.has(key)) fields.set(key, value);
  }
  const number = (key: string, unit: RegExp): number | null => {
    const [, value] = unit.exec(fields.get(key) ?? "") ?? [];
    return value === undefined ? null : Number(value);
  };
  const kib = (key: string): number | null => {
    const value = number(key, /^(\d{1,15}) KiB$/);
    return value === null ? null : whole(value * KIB);
  };
  const seconds = number("CPU time", /^(\d{1,12}(?:\.\d{1,9})?)s$/);
  const saved = fields.get("Managed save");
  return {
    state: STATES[fields.get("State") ?? ""] ?? null,
    memoryBytes: kib("Used memory") ?? kib("Max memory"),
    residentBytes: null,
    cpuUs: seconds === null ? null : whole(seconds * 1e6),
    processors: number("CPU(s)", /^(\d{1,6})$/),
    managedSave: saved === "yes" ? true : saved === "no" ? false : null,
  };
}

function whole(value: number): number | null {
  const rounded = Math.floor(value);
  return Number.isSafeInteger(rounded) ? rounded : null;
}
