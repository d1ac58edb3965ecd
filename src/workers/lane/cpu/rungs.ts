import fs from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { Culprit } from "../../../core/cpu/action.ts";
import type { Lever } from "../../../core/levers/lever.ts";
import { Stat } from "../../../core/parse/process-stat.ts";
import type { Rung } from "../../../core/policy/policy.ts";
import type { CpuRung } from "../../../core/policy/resources.ts";
import type { ProcessRef } from "../../../core/resources/report.ts";
import { type Group, groupOf } from "../../action/group.ts";
import { CgroupPids } from "../../common/pid-source.ts";
import { type CpuHierarchy, cpuCgroupOf, limitOf, quotaLever } from "../../common/cpu-cgroup.ts";
import type { HostRoots } from "../../common/roots.ts";
import { readProcessStat } from "../../common/target.ts";
import type { SpecialResult } from "../ladder.ts";
import type { Levers } from "../levers.ts";
import type { Protection } from "./protection.ts";

export type CpuSpecialRung = Exclude<CpuRung, Rung>;

/** Members may breed while they are stopped one by one: until a round finds none that is new. */
const STOP_ROUNDS = 10;
/** A stop is seen after this, unless a process sleeps in the kernel. */
const STOPPED_LIMIT_MS = 1000;
const LOOK_MS = 5;
const STOPPED: ReadonlySet<number> = new Set(["T", "t"].map((letter) => letter.charCodeAt(0)));
/** A cgroup with more members than this is not the culprit's own. */
const MEMBERS_MAX = 8192;
const NAMED = 3;

export interface RungTools {
  readonly roots: HostRoots;
  readonly levers: Levers;
  readonly hierarchy: CpuHierarchy | null;
  readonly protection: Protection;
}

const nothing = (result: string): SpecialResult => ({ result, imposed: false });

/** The gentler rungs of one ladder for one culprit, and what they have imposed. */
export class CpuRungs {
  readonly #tools: RungTools;
  readonly #group: Group;
  readonly #imposed: Lever[] = [];

  constructor(tools: RungTools, culprit: Culprit) {
    this.#tools = tools;
    this.#group = groupOf(tools.roots, culprit);
  }

  /** Takes one; what it cannot do is said, and nothing of it is imposed. */
  take(rung: CpuSpecialRung): Promise<SpecialResult> {
    switch (rung.action) {
      case "renice":
        return this.#renice(rung.nice);
      case "quarantine":
        return this.#quarantine(rung.cores);
      case "freeze":
        return this.#freeze();
    }
  }

  /** The culprit's members that are there now, without the guard. */
  members(): readonly ProcessRef[] {
    const members = this.#group.members();
    return members.filter(({ pid }) => pid !== process.pid);
  }

  /** What is stopped goes on: a stopped process does not heed a signal. */
  async thaw(): Promise<void> {
    for (const lever of this.#imposed) if (lever.kind === "stop") await this.#tools.levers.undo(lever);
  }

  /** Takes back all that this ladder has imposed. */
  async undo(): Promise<void> {
    for (const lever of [...this.#imposed].reverse()) await this.#tools.levers.undo(lever);
    this.#imposed.length = 0;
  }

  async #renice(nice: number): Promise<SpecialResult> {
    const levers = this.members().map(({ pid, startTicks }): Lever => {
      return { kind: "nice", pid, startTicks, value: nice };
    });
    const { done, refusals } = await this.#imposeAll(levers);
    if (done === 0) return nothing(`nobody was given nice ${nice}: ${refusals}`);
    return {
      result: `gave ${done} nice ${nice}${refusals === "" ? "" : `; not: ${refusals}`}`,
      imposed: true,
    };
  }

  async #quarantine(cores: number): Promise<SpecialResult> {
    const { hierarchy, levers } = this.#tools;
    if (hierarchy === null) return nothing("not done: there is no cpu controller of cgroups");
    const cgroup = this.#ownCgroup(hierarchy);
    if ("why" in cgroup) return nothing(`not done: ${cgroup.why}`);
    const limitCores = limitOf(hierarchy, cgroup.path);
    const lever = quotaLever(hierarchy, cgroup.path, cores);
    if (limitCores === null || lever === null)
      return nothing(`not done: ${cgroup.path} has no quota, or is gone`);
    if (limitCores <= cores)
      return nothing(`not done: ${cgroup.path} has a lower limit of its own, ${limitCores} processors`);
    const refusal = await levers.impose(lever);
    if (refusal !== null) return nothing(`not done: ${refusal}`);
    this.#imposed.push(lever);
    return { result: `gave ${cgroup.path} at most ${cores} processors`, imposed: true };
  }

  async #freeze(): Promise<SpecialResult> {
    const stopped = new Map<string, ProcessRef>();
    const refused: string[] = [];
    for (let round = 0; round < STOP_ROUNDS; round++) {
      const fresh = this.members().filter((member) => !stopped.has(identity(member)));
      if (fresh.length === 0) break;
      for (const member of fresh) {
        stopped.set(identity(member), member);
        const lever: Lever = { kind: "stop", ...member };
        const refusal = await this.#tools.levers.impose(lever);
        if (refusal === null) this.#imposed.push(lever);
        else refused.push(`pid ${member.pid} ${refusal}`);
      }
    }
    const count = stopped.size - refused.length;
    if (count === 0) return nothing(`nobody was stopped: ${some(refused) || "it is gone"}`);
    const running = await this.#untilStopped([...stopped.values()]);
    const not = [...refused, ...running.map(({ pid }) => `pid ${pid} is not stopped yet`)];
    return { result: `stopped ${count}${not.length === 0 ? "" : `; but: ${some(not)}`}`, imposed: true };
  }

  /** @returns those whose state is not T within a second; who is gone does not run either */
  async #untilStopped(members: readonly ProcessRef[]): Promise<readonly ProcessRef[]> {
    const { proc } = this.#tools.roots;
    for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
      const running = members.filter(({ pid, startTicks }) => {
        const values = readProcessStat(proc, pid);
        if (values === null || values[Stat.startTicks] !== startTicks) return false;
        return !STOPPED.has(values[Stat.state] as number);
      });
      if (running.length === 0 || waitedMs >= STOPPED_LIMIT_MS) return running;
      await pause(LOOK_MS);
    }
  }

  async #imposeAll(levers: readonly Lever[]): Promise<{ readonly done: number; readonly refusals: string }> {
    const refusals: string[] = [];
    let done = 0;
    for (const lever of levers) {
      const refusal = await this.#tools.levers.impose(lever);
      if (refusal !== null) {
        refusals.push("pid" in lever ? `pid ${lever.pid} ${refusal}` : refusal);
        continue;
      }
      done++;
      this.#imposed.push(lever);
    }
    return { done, refusals: levers.length === 0 ? "it is gone" : some(refusals) };
  }

  /** The cgroup of all the culprit's members, if nobody is in it who must not be touched. */
  #ownCgroup(hierarchy: CpuHierarchy): { readonly path: string } | { readonly why: string } {
    const members = this.members();
    const paths = new Set(members.map(({ pid }) => this.#cgroupOf(pid, hierarchy)));
    const [cgroup] = paths;
    if (members.length === 0) return { why: "it is gone" };
    if (paths.size !== 1 || cgroup === undefined || cgroup === null)
      return { why: "its processes are not in one cgroup" };
    if (cgroup === "/") return { why: "it has no cgroup of its own: it is in the root" };
    const own = new Set(members.map(({ pid }) => pid));
    const all = pidsBelow(`${hierarchy.limits}${cgroup}`);
    if (all === null) return { why: `its cgroup ${cgroup} holds more than ${MEMBERS_MAX} processes` };
    for (const pid of all) {
      const why = own.has(pid) ? null : this.#tools.protection.why(pid);
      if (why !== null) return { why: `its cgroup ${cgroup} holds pid ${pid} too: ${why}` };
    }
    return { path: cgroup };
  }

  #cgroupOf(pid: number, { version }: CpuHierarchy): string | null {
    try {
      return cpuCgroupOf(fs.readFileSync(`${this.#tools.roots.proc}/${pid}/cgroup`, "utf8"), version);
    } catch {
      return null;
    }
  }
}

/** The processes of a cgroup and of those below it; null when there are too many to look at each. */
function pidsBelow(directory: string): number[] | null {
  const pids = new Int32Array(MEMBERS_MAX);
  const count = new CgroupPids(directory).list(pids);
  return count > pids.length ? null : [...pids.subarray(0, count)];
}

function identity({ pid, startTicks }: ProcessRef): string {
  return `${pid}:${startTicks}`;
}

function some(texts: readonly string[]): string {
  const more = texts.length > NAMED ? `, and ${texts.length - NAMED} more` : "";
  return `${texts.slice(0, NAMED).join(", ")}${more}`;
}
