import fs from "node:fs";
import { ProcessRules } from "../../../core/policy/match.ts";
import type { VictimPolicy } from "../../../core/policy/policy.ts";
import { memoryCgroupOf } from "../../common/cgroup-of.ts";
import { findMemoryHierarchy } from "../../common/cgroup-path.ts";
import type { HostRoots } from "../../common/roots.ts";
import { ownAncestry } from "../../common/target.ts";

const COMMAND_LINE_LIMIT = 512;
const NEVER_ADJ = -1000;

/** Who must not be touched, also not as one of a cgroup that is slowed down: asked of a few processes, when it matters. */
export class Protection {
  readonly #roots: HostRoots;
  readonly #rules: ProcessRules;
  readonly #version: 1 | 2;
  readonly #ownAncestry: ReadonlySet<number>;

  constructor(roots: HostRoots, victim: VictimPolicy) {
    this.#roots = roots;
    this.#rules = new ProcessRules(victim);
    this.#version = findMemoryHierarchy(roots.cgroup)?.version ?? 2;
    this.#ownAncestry = ownAncestry(roots.proc, process.pid);
  }

  /** Why a process may not be touched; null: it may. One that is gone may. */
  why(pid: number): string | null {
    if (pid === 1) return "init";
    if (this.#ownAncestry.has(pid)) return "the guard or its supervisor";
    if (this.#text(pid, "oom_score_adj")?.trim() === String(NEVER_ADJ)) return "oom_score_adj -1000";
    for (const ancestor of ownAncestry(this.#roots.proc, pid)) {
      const verdict = this.#rules.judge(this.#subject(ancestor));
      if (verdict.never && (ancestor === pid || verdict.neverInherits)) return "the policy says never";
    }
    return null;
  }

  #subject(pid: number) {
    const commandLine = this.#text(pid, "cmdline");
    return {
      name: this.#text(pid, "comm")?.replace(/\n$/, "") ?? "",
      exe: this.#tried(() => fs.readlinkSync(this.#file(pid, "exe"))),
      cmdline: commandLine?.replaceAll("\0", " ").trim().slice(0, COMMAND_LINE_LIMIT) ?? null,
      cgroup: memoryCgroupOf(this.#text(pid, "cgroup") ?? "", this.#version),
      uid: this.#tried(() => fs.statSync(this.#file(pid, "")).uid),
    };
  }

  #text(pid: number, name: string): string | null {
    return this.#tried(() => fs.readFileSync(this.#file(pid, name), "utf8"));
  }

  #file(pid: number, name: string): string {
    return `${this.#roots.proc}/${pid}/${name}`;
  }

  #tried<T>(read: () => T): T | null {
    try {
      return read();
    } catch {
      return null;
    }
  }
}
