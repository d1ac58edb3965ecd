import fs from "node:fs";
import path from "node:path";
import type { ProcessRules } from "../../../core/policy/match.ts";
import { memoryCgroupOf } from "../../common/cgroup-of.ts";
import { cgroupAncestry, type MemoryHierarchy } from "../../common/cgroup-path.ts";
import type { ProcessEntry } from "./process-entry.ts";

/** Command lines go on record; longer ones are cut. */
const COMMAND_LINE_LIMIT = 512;

/** What a memory cgroup is, for the choice of a victim: its number, and whether it wants to be ended as one. */
interface CgroupFacts {
  readonly id: number;
  readonly asOne: boolean;
}

/** Learns who a process is: what the rules ask for, and what the record shall say. Strings are made once a process. */
export class Identifier {
  readonly #rules: ProcessRules;
  readonly #hierarchy: MemoryHierarchy | null;
  readonly #wantsCgroup: boolean;
  readonly #cgroups = new Map<string, CgroupFacts>();

  constructor(rules: ProcessRules, hierarchy: MemoryHierarchy | null, unit: string) {
    this.#rules = rules;
    this.#hierarchy = hierarchy;
    this.#wantsCgroup = unit === "cgroup";
  }

  /** Cgroups come and go, and change their minds; to be called now and then. */
  forgetCgroups(): void {
    this.#cgroups.clear();
  }

  /** Fills in what the policy's rules need, and asks them. For most processes the name settles it: nothing is read. */
  judge(entry: ProcessEntry): void {
    const { asks } = this.#rules;
    const more = this.#rules.asksMoreOf(entry.name);
    if (more && asks.cmdline) entry.commandLine ??= readCommandLine(entry);
    if (more && asks.uid) entry.uid ??= readUid(entry);
    if (this.#wantsCgroup || (more && asks.cgroup)) this.readCgroup(entry);
    entry.verdict = this.#rules.judge({
      name: entry.name,
      exe: more && asks.exe ? readLink(entry.path("exe")) : null,
      cmdline: entry.commandLine,
      cgroup: entry.cgroup,
      uid: entry.uid,
    });
    // A protected member protects its whole cgroup from being ended as one.
    if (entry.verdict.never && this.#hierarchy?.version === 2) this.readCgroup(entry);
  }

  /** Fills in what the record says beyond that. */
  describe(entry: ProcessEntry): void {
    entry.commandLine ??= readCommandLine(entry);
    entry.uid ??= readUid(entry);
    if (entry.cgroup === null) this.readCgroup(entry);
  }

  readCgroup(entry: ProcessEntry): void {
    const hierarchy = this.#hierarchy;
    if (hierarchy === null) return;
    const text = readText(entry.path("cgroup"));
    if (text === null) return;
    entry.cgroup = memoryCgroupOf(text, hierarchy.version);
    if (entry.cgroup === null) return;
    let facts = this.#cgroups.get(entry.cgroup);
    if (facts === undefined) {
      facts = cgroupFacts(hierarchy, entry.cgroup);
      this.#cgroups.set(entry.cgroup, facts);
    }
    entry.cgroupId = facts.id;
    entry.cgroupAsOne = facts.asOne ? 1 : 0;
  }
}

/**
 * The cgroup that ends as one is the highest on the path that asks for it (memory.oom.group,
 * Documentation/admin-guide/cgroup-v2.rst); its number stands for all below it then.
 */
function cgroupFacts(hierarchy: MemoryHierarchy, cgroup: string): CgroupFacts {
  const directories = cgroupAncestry(hierarchy, cgroup);
  const own = directories[0];
  if (own === undefined) return { id: 0, asOne: false };
  const asOne = directories.findLast((each) => readText(path.join(each, "memory.oom.group"))?.trim() === "1");
  try {
    return { id: fs.statSync(asOne ?? own).ino, asOne: asOne !== undefined };
  } catch {
    return { id: Number.NaN, asOne: false };
  }
}

function readText(file: string): string | null {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

function readCommandLine(entry: ProcessEntry): string | null {
  const text = readText(entry.path("cmdline"));
  return text === null ? null : text.replaceAll("\0", " ").trim().slice(0, COMMAND_LINE_LIMIT);
}

/** The effective user: the owner of the process's files (proc(5)), unless it made itself undumpable, then root. */
export function readUid(entry: ProcessEntry): number | null {
  try {
    return fs.statSync(entry.path("")).uid;
  } catch {
    return null;
  }
}

function readLink(file: string): string | null {
  try {
    return fs.readlinkSync(file);
  } catch {
    return null;
  }
}
