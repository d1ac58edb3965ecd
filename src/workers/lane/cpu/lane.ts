import type { CpuAction } from "../../../core/cpu/action.ts";
import type { Policy } from "../../../core/policy/policy.ts";
import type { ResourceReport } from "../../../core/resources/report.ts";
import type { Figures } from "../../../core/resources/resource.ts";
import { type CpuHierarchy, findCpuHierarchy } from "../../common/cpu-cgroup.ts";
import type { HostRoots } from "../../common/roots.ts";
import { commandVariables } from "../commands.ts";
import type { LaneWork } from "../lane.ts";
import { climbLadder, type LadderResult } from "../ladder.ts";
import type { Levers, UndoResult } from "../levers.ts";
import { quarantineCgroup, releaseCgroup } from "./fair-use.ts";
import { measureProcesses } from "./measure.ts";
import { Protection } from "./protection.ts";
import { type Done, Reporter } from "./report.ts";
import { CpuRungs, type CpuSpecialRung } from "./rungs.ts";

export interface CpuLaneOptions {
  readonly roots: HostRoots;
  readonly policy: Policy;
  readonly ticksPerSecond: number;
  /** What ladders impose, and what fair use does: each with a journal of its own, as they are undone apart. */
  readonly ladders: Levers;
  readonly fairUse: Levers;
}

type LadderAction = Extract<CpuAction, { kind: "ladder" }>;

/** What is done about the load of the processors: ladders for who makes it, and quarantine for fair use. */
export class CpuLane implements LaneWork<CpuAction> {
  readonly #options: CpuLaneOptions;
  readonly #hierarchy: CpuHierarchy | null;
  #protection: Protection;
  /** The level for which the ladder is climbed stands, by what the analysis has said. */
  #levelStands = false;
  #climbing: Promise<unknown> = Promise.resolve();

  constructor(options: CpuLaneOptions) {
    this.#options = options;
    this.#hierarchy = findCpuHierarchy(options.roots.cgroup);
    this.#protection = new Protection(options.roots, options.policy.victim);
  }

  get holds(): boolean {
    return this.#options.ladders.held().length > 0 || this.#options.fairUse.held().length > 0;
  }

  takePolicy(policy: Policy): void {
    this.#protection = new Protection(this.#options.roots, policy.victim);
  }

  act(action: CpuAction): Promise<ResourceReport> {
    switch (action.kind) {
      case "ladder": {
        const climbed = this.#climb(action);
        this.#climbing = climbed.catch(() => undefined);
        return climbed;
      }
      case "undo":
        return this.#undo(action);
      case "quarantine":
        return quarantineCgroup(action, this.#hierarchy, this.#options);
      case "release":
        return releaseCgroup(action, this.#hierarchy, this.#options);
    }
  }

  async close(): Promise<void> {
    this.#levelStands = false;
    await this.#options.ladders.undoAll();
    await this.#options.fairUse.undoAll();
  }

  async #climb(action: LadderAction): Promise<ResourceReport> {
    const { roots, ladders: levers } = this.#options;
    const reporter = new Reporter(action);
    const tools = { roots, levers, hierarchy: this.#hierarchy, protection: this.#protection };
    const rungs = new CpuRungs(tools, action.culprit);
    this.#levelStands = true;
    const climbed = await climbLadder<CpuSpecialRung>({
      id: action.id,
      rungs: action.rungs,
      culprit: action.culprit,
      dryRun: action.dryRun,
      atUs: action.atUs,
      roots,
      variables: commandVariables(roots.proc, action, action.culprit),
      levelStands: () => this.#levelStands,
      special: (rung) => rungs.take(rung),
      signalled: () => void rungs.thaw(),
    });
    const isOver = climbed.outcome === "ended" || climbed.outcome === "gone" || !this.#levelStands;
    if (isOver) await rungs.undo();
    return reporter.report(await this.#ladderDone(action, climbed, rungs));
  }

  async #ladderDone(action: LadderAction, climbed: LadderResult, rungs: CpuRungs): Promise<Done> {
    const { roots, ticksPerSecond } = this.#options;
    const { busyShare = null, culpritCores = null } = action.numbers;
    const before: Figures = { busyShare, culpritCores };
    const known = await measureProcesses(roots.proc, ticksPerSecond, () => rungs.members());
    const { outcome, steps, victims } = climbed;
    return {
      verb: verbOf(action, climbed),
      target: action.target,
      victims: victims.length > 0 || action.dryRun ? victims : action.culprit.members,
      outcome,
      before,
      after: action.dryRun ? before : known,
      steps,
      candidates: action.candidates,
    };
  }

  /** The ladder that is being climbed ends, and what this and others imposed is taken back. */
  async #undo(action: Extract<CpuAction, { kind: "undo" }>): Promise<ResourceReport> {
    const { roots, ladders, ticksPerSecond } = this.#options;
    const reporter = new Reporter(action);
    this.#levelStands = false;
    const results = await ladders.undoAll();
    await this.#climbing;
    results.push(...(await ladders.undoAll()));
    const waits = results.filter(({ end }) => end === "waits");
    const after = await measureProcesses(roots.proc, ticksPerSecond, () => []);
    const { busyShare = null } = action.numbers;
    return reporter.report({
      verb: "undo",
      target: null,
      victims: results.flatMap(({ lever }) =>
        "pid" in lever ? [{ pid: lever.pid, startTicks: lever.startTicks }] : [],
      ),
      outcome: waits.length === 0 ? "released" : waits.length < results.length ? "partly" : "failed",
      before: { busyShare },
      after: { busyShare: after["busyShare"] ?? null },
      steps: stepsOf(reporter, results),
      candidates: [],
    });
  }
}

function stepsOf(reporter: Reporter, results: readonly UndoResult[]): Done["steps"] {
  if (results.length === 0) return [reporter.step("undo", "nothing was imposed")];
  return results.map(({ text }) => reporter.step("undo", text));
}

/** What the ladder came to: its last rung that did something. */
function verbOf({ rungs, dryRun }: LadderAction, { steps }: LadderResult): string {
  const taken = rungs.map(({ action }) => action).filter((action) => action !== "log");
  const did = taken.findLast((action) =>
    steps.some(
      ({ what, result }) =>
        wordsOf(action, dryRun).some((word) => what.startsWith(word)) && !/^not done|^nobody/.test(result),
    ),
  );
  return did ?? "log";
}

function wordsOf(action: string, dryRun: boolean): readonly string[] {
  if (action === "command") return dryRun ? ["would run: "] : ["run: "];
  if (action === "sigterm" || action === "sigkill")
    return dryRun ? [`would send ${action.toUpperCase()}`] : [action.toUpperCase()];
  return dryRun ? [`would ${action}`] : [action];
}
